"""Summarizes the runs of a comparison: what each optimizer reached, what can be said, what to try next."""

from lit_optim.study.summarize.joined import Study, join_studies
from lit_optim.study.summarize.plain_records import plan_of_records
from lit_optim.study.summarize.whole import summarize

__all__ = ["Study", "join_studies", "plan_of_records", "summarize"]
