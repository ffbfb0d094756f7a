from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_optim.averaging.shadow_weights import ShadowWeights
from lit_optim.distributed import local_tensor
from lit_optim.errors import ConfigError, Problems, wrong

if TYPE_CHECKING:
    from typing_extensions import Self

DECAY, STEP = "average_decay", "average_step"  # in every param group
LONG_AGO = 1 << 30  # steps of an average whose checkpoint counts none: past its warmup
HALVES = (torch.bfloat16, torch.float16)


def decay_of_step(step: int, decay: float, *, warmup: bool = True, start: int = 0, every_n: int = 1) -> float | None:
    """Return the weight of the average so far in an optimizer step; None: the average stays as it is.

    Args:
        step: from 1; up to ``start + 1`` the average is the weights themselves.
        decay: from the end of the warmup on.
        warmup: whether it grows towards ``decay``, as (1 + t) / (10 + t) with t the number of the update.
        start: steps before the average begins.
        every_n: steps between two updates.

    Example:
        >>> [decay_of_step(step, 0.5) for step in (1, 2, 9, 90)]
        [0.0, 0.18181818181818182, 0.5, 0.5]
        >>> [decay_of_step(step, 0.5, warmup=False, start=2, every_n=2) for step in (2, 3, 4, 5)]
        [0.0, 0.0, None, 0.5]
    """
    since = step - start - 1
    if since <= 0:
        return 0.0
    if since % every_n:
        return None
    t = since // every_n
    return min(decay, (1 + t) / (10 + t)) if warmup else decay


class ExponentialMovingAverage(ShadowWeights):
    r"""Keeps an exponential moving average of the weights, to evaluate and save it; training is not affected.

    .. math:: a_1 = \theta_1, \qquad a_t = d\, a_{t-1} + (1-d)\, \theta_t

    after every step t of the optimizer, by parameter (one that is unfrozen later begins at its own first step). With
    ``warmup`` d is at most :math:`(1 + t) / (10 + t)`, so that the first weights do not stay in the average of a run
    of fewer than some :math:`1 / (1 - d)` steps. Buffers - the statistics of a BatchNorm, say - stay those of the live
    weights. The average of weights of 16 bits is one of float32.

    Args:
        decay: d; ``average_decay`` in the param groups, read at every step, so that it can be scheduled.
        warmup: whether the decay grows towards it.
        start: optimizer steps after which the average begins; until then it is the weights themselves.
        every_n: updates the average in every n-th step only; d is the decay of an update.

    Raises:
        ConfigError: for a decay outside of [0, 1), and for counts that are none.

    Example:
        >>> p = torch.zeros(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([p], lr=1.0)
        >>> average = ExponentialMovingAverage(decay=0.75, warmup=False).attach(optimizer)
        >>> for _ in range(2):
        ...     p.grad = -torch.ones(1)
        ...     optimizer.step()
        >>> with average.evaluation():
        ...     print(p.item())
        1.25
    """

    key = "average"

    def __init__(self, decay: float = 0.999, warmup: bool = True, start: int = 0, every_n: int = 1) -> None:
        super().__init__()
        check_average(decay, warmup, every_n)
        if isinstance(start, bool) or not isinstance(start, int) or start < 0:
            raise ConfigError(wrong("start", start, "must be a number of optimizer steps, at least 0"))
        self.decay, self.warmup, self.start, self.every_n = decay, warmup, start, every_n
        self._loading: Any = None  # a state dict, while it is loaded

    def attach(self, optimizer: Optimizer) -> Self:
        """Attach to an optimizer and its present state."""
        super().attach(optimizer)
        self._hooks.append(optimizer.register_load_state_dict_pre_hook(self._before_load))
        return self

    def prepare_groups(self, optimizer: Optimizer) -> None:
        """Add the decay and the count of steps to every group that lacks them."""
        first = optimizer.param_groups[0]
        if STEP not in first:
            averaged = any(self.key in state or self.live in state for state in optimizer.state.values())
            first[STEP] = LONG_AGO if averaged else 0
        for group in optimizer.param_groups:
            group.setdefault(DECAY, self.decay)
            group.setdefault(STEP, first[STEP])

    def create(self) -> None:
        """Begin the average of every parameter with a gradient that has no average yet."""
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None and self.key not in self.optimizer.state.get(p, ()):
                    self.optimizer.state[p][self.key] = p.detach().to(_average_dtype(p), copy=True)

    def after_step(self) -> None:
        """Update the averages, and begin those of new parameters."""
        self.prepare_groups(self.optimizer)
        options: dict[str, Any] = dict(warmup=self.warmup, start=self.start, every_n=self.every_n)
        for group in self.optimizer.param_groups:
            group[STEP] += 1
            decay = decay_of_step(group[STEP], float(group[DECAY]), **options)
            if decay is not None:
                self._update(group, 1 - decay)
        self.create()

    def _update(self, group: dict[str, Any], weight: float) -> None:
        by_dtype: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for p, state in self.shadowed(group):
            if p.dtype in HALVES:
                state[self.key] = state[self.key].float()  # one of 16 bits is from an older checkpoint
                local_tensor(state[self.key]).lerp_(local_tensor(p).float(), weight)
                continue
            averages, weights = by_dtype.setdefault(p.dtype, ([], []))
            averages.append(local_tensor(state[self.key]))
            weights.append(local_tensor(p))
        for averages, weights in by_dtype.values():
            torch._foreach_lerp_(averages, weights, weight)

    def _before_load(self, optimizer: Optimizer, state_dict: dict[str, Any]) -> None:
        self._loading = state_dict

    def _after_load(self, optimizer: Optimizer) -> None:
        """Restore averages of float32, which torch rounds to the dtype of their parameters."""
        loaded, self._loading = self._loading, None
        if loaded is not None:
            keys = [key for group in loaded["param_groups"] for key in group["params"]]
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for key, p in zip(keys, parameters, strict=True):
                average = loaded["state"].get(key, {}).get(self.key)
                if p.dtype in HALVES and isinstance(average, Tensor) and average.dtype == torch.float32:
                    optimizer.state[p][self.key] = average.detach().to(p.device, copy=True)
        super()._after_load(optimizer)


def _average_dtype(p: Tensor) -> torch.dtype:
    return torch.float32 if p.dtype in HALVES else p.dtype


def check_average(decay: Any, warmup: Any, every_n: Any) -> None:
    """Reject arguments of an average that are out of range.

    Raises:
        ConfigError: with all of them.
    """
    problems = Problems()
    if isinstance(decay, bool) or not isinstance(decay, (int, float)) or not 0 <= decay < 1:
        problems.add("decay", decay, "must be a number of at least 0 and below 1; write e.g. 0.999")
    if not isinstance(warmup, bool):
        problems.add("warmup", warmup, "must be true or false; the length of the warmup follows from the decay")
    if isinstance(every_n, bool) or not isinstance(every_n, int) or every_n < 1:
        problems.add("every_n", every_n, "must be a whole number of at least 1")
    problems.raise_if_any()
