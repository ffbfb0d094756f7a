"""The record of a run: what was run, where, and what happened in it, in three files that survive a kill."""

from lit_optim.callbacks.record.callback import Record

__all__ = ["Record"]
