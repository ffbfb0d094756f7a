"""From checked specs to objects: optimizers, schedulers, callbacks, param groups."""
