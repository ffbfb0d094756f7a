"""Keep a second set of weights: Lookahead, moving averages, schedule-free weights."""

from typing import TYPE_CHECKING

from lit_optim.imports import lazy_names

if TYPE_CHECKING:
    from lit_optim.averaging.exponential_moving_average import ExponentialMovingAverage
    from lit_optim.averaging.lookahead import Lookahead
    from lit_optim.averaging.schedule_free import ScheduleFree
    from lit_optim.averaging.shadow_weights import ShadowWeights

__all__ = ["ExponentialMovingAverage", "Lookahead", "ScheduleFree", "ShadowWeights"]

__getattr__, __dir__ = lazy_names(__name__, __all__)
