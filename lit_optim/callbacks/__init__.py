"""Define Lightning callbacks, one a file: they decide when to act, pure functions elsewhere compute."""

from typing import TYPE_CHECKING

from lit_optim.imports import lazy_names

if TYPE_CHECKING:
    from lit_optim.callbacks.agc import Agc
    from lit_optim.callbacks.centralize import Centralize
    from lit_optim.callbacks.evaluation_weights import EvaluationWeights
    from lit_optim.callbacks.exponential_moving_average import ExponentialMovingAverage
    from lit_optim.callbacks.finite_guard.callback import FiniteGuard
    from lit_optim.callbacks.finite_guard.non_finite_warning import NonFiniteWarning
    from lit_optim.callbacks.gradient_noise import GradientNoise
    from lit_optim.callbacks.gradient_transform import GradientTransform
    from lit_optim.callbacks.health.callback import Health
    from lit_optim.callbacks.lookahead import Lookahead
    from lit_optim.callbacks.metric_feeder import MetricFeeder
    from lit_optim.callbacks.plateau_feeder import PlateauFeeder
    from lit_optim.callbacks.protocol import OptimizerCallback
    from lit_optim.callbacks.record.callback import Record
    from lit_optim.callbacks.repeat_lr import RepeatLr
    from lit_optim.callbacks.save_on_signal.callback import SaveOnSignal
    from lit_optim.callbacks.schedule_free import ScheduleFree
    from lit_optim.callbacks.schedule_report import ScheduleReport
    from lit_optim.callbacks.spec_checkpoint import SpecCheckpoint
    from lit_optim.callbacks.swats.callback import SWATS
    from lit_optim.callbacks.switch.callback import Switch
    from lit_optim.callbacks.unfreeze.callback import Unfreeze

__all__ = [
    "SWATS",
    "Agc",
    "Centralize",
    "EvaluationWeights",
    "ExponentialMovingAverage",
    "FiniteGuard",
    "GradientNoise",
    "GradientTransform",
    "Health",
    "Lookahead",
    "MetricFeeder",
    "NonFiniteWarning",
    "OptimizerCallback",
    "PlateauFeeder",
    "Record",
    "RepeatLr",
    "SaveOnSignal",
    "ScheduleFree",
    "ScheduleReport",
    "SpecCheckpoint",
    "Switch",
    "Unfreeze",
]

_ELSEWHERE = {
    "NonFiniteWarning": "lit_optim.callbacks.finite_guard.non_finite_warning",
    "OptimizerCallback": "lit_optim.callbacks.protocol",
}
__getattr__, __dir__ = lazy_names(__name__, __all__, _ELSEWHERE)
