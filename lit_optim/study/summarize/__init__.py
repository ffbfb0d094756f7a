"""Summarizes the runs of a comparison: what each optimizer reached, what can be said, what to try next."""

from lit_optim.study.summarize.joined import Study, joined
from lit_optim.study.summarize.plain_records import plan_of_records
from lit_optim.study.summarize.whole import summarize

__all__ = ["Study", "joined", "plan_of_records", "summarize"]
