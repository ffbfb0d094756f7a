"""From a spec - a preset's name, a mapping, a partial - to the object: locate, check, coerce, build.

The only layer that knows Hydra and OmegaConf.
"""
