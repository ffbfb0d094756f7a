"""Implements what `lit-optim info` shows of a preset: its keys, their meanings, the same in Python."""
