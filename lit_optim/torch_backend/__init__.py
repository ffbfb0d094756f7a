"""Torch's own optimizers: which implementation is the fastest correct one, and what keeps it correct."""
