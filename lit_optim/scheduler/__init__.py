"""`ScheduleLR`, and the values of param groups that it drives."""
