"""Optimizers, one a file: the rule on top, reading as the paper; below it a thin class. `engine` steps them."""

from typing import TYPE_CHECKING

from lit_optim.imports import lazy_names

if TYPE_CHECKING:
    from lit_optim.averaging.exponential_moving_average import ExponentialMovingAverage
    from lit_optim.averaging.lookahead import Lookahead
    from lit_optim.averaging.schedule_free import ScheduleFree
    from lit_optim.engine.rule_optimizer import RuleOptimizer
    from lit_optim.optimizers.adabound import AdaBound
    from lit_optim.optimizers.adabound_w import AdaBoundW
    from lit_optim.optimizers.adam import Adam
    from lit_optim.optimizers.composite import Composite
    from lit_optim.optimizers.muon import Muon
    from lit_optim.optimizers.sgdw import SGDW
    from lit_optim.optimizers.swats.optimizer import SWATS
    from lit_optim.optimizers.switched.optimizer import Switched
    from lit_optim.torch_backend.implementation import fastest, keep_exact

__all__ = [
    "SGDW",
    "SWATS",
    "AdaBound",
    "AdaBoundW",
    "Adam",
    "Composite",
    "ExponentialMovingAverage",
    "Lookahead",
    "Muon",
    "RuleOptimizer",
    "ScheduleFree",
    "Switched",
    "fastest",
    "keep_exact",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    __all__,
    {
        "ExponentialMovingAverage": "lit_optim.averaging.exponential_moving_average",
        "Lookahead": "lit_optim.averaging.lookahead",
        "RuleOptimizer": "lit_optim.engine.rule_optimizer",
        "ScheduleFree": "lit_optim.averaging.schedule_free",
        "fastest": "lit_optim.torch_backend.implementation",
        "keep_exact": "lit_optim.torch_backend.implementation",
    },
)
