"""Optimizers' rules that torch lacks, and which implementation of torch's own ones is the fastest that is right."""

from lit_optim.optimizers.exponential_moving_average import ExponentialMovingAverage
from lit_optim.optimizers.implementation import fastest, keep_exact
from lit_optim.optimizers.lookahead import Lookahead
from lit_optim.optimizers.schedule_free import ScheduleFree, is_schedule_free

__all__ = ["ExponentialMovingAverage", "Lookahead", "ScheduleFree", "fastest", "is_schedule_free", "keep_exact"]
