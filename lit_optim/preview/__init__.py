"""Computes the curves that a training would follow, without torch and without a run."""
