"""What a checkpoint says of the optimizer that wrote it, and whether an optimizer can take it over."""
