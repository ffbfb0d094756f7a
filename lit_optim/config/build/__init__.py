"""Build optimizers, schedulers, callbacks and param groups from specs."""
