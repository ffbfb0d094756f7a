"""What `ConfigureOptimizersMixin` is made of: a module's specs and its lr, and their way into checkpoints and back."""
