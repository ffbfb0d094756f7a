"""Choose the fastest correct implementation of torch's own optimizers, and keep it correct."""
