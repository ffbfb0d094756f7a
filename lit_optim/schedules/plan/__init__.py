"""Composes a scheduler's slots and phases to one schedule over a whole run."""
