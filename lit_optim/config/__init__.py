"""Locate, check, coerce and build the object of a spec: a preset's name, a mapping or a partial.

The only layer that knows Hydra and OmegaConf.
"""
