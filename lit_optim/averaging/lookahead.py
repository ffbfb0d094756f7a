from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_optim.averaging.lerp import lerp_and_reset_all
from lit_optim.averaging.shadow_weights import ShadowWeights
from lit_optim.distributed import local_tensor
from lit_optim.errors import Problems, did_you_mean

InnerState = Literal["maintain", "reset", "pullback"]
K, ALPHA, STEP = "lookahead_k", "lookahead_alpha", "lookahead_step"  # in every param group
PHASE = "lookahead_phase"  # in those of an optimizer with phases: that of the last interpolation
FIRST_MOMENTS = ("exp_avg", "momentum_buffer")


class Lookahead(ShadowWeights):
    r"""Lookahead (Zhang et al., 2019), around any optimizer: k steps forward, 1 step back.

    Slow weights :math:`\phi_0 = \theta_0`, the weights before the first step. After every k steps of the optimizer

    .. math:: \phi \leftarrow \phi + \alpha (\theta - \phi), \qquad \theta \leftarrow \phi.

    Evaluated and saved is :math:`\phi`. ``lookahead_k``, ``lookahead_alpha`` and the count of steps,
    ``lookahead_step``, are in the optimizer's param groups, read at every step, and in its ``state_dict``, as are the
    slow weights (``state[p]["slow"]``, of the parameter's dtype): a loaded optimizer goes on bit for bit. A copied or
    unpickled optimizer has lost its hooks: attach a new Lookahead to it.

    Args:
        k: steps of the optimizer between two interpolations.
        alpha: how far the slow weights go towards the fast ones.
        inner_state: what to do with the optimizer's first moments b (``exp_avg``, ``momentum_buffer``) whenever the
            weights are interpolated: ``maintain`` them, ``reset`` them to 0, or ``pullback``, :math:`b \leftarrow
            \alpha b + (1-\alpha) b'` with b' from the interpolation before, at first 0 (costs a copy of them).
        compile: interpolate in one compiled pass; worth it for millions of parameters.

    Raises:
        ConfigError: for values outside of their range.

    Example:
        >>> p = torch.zeros(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([p], lr=1.0)
        >>> lookahead = Lookahead(k=2, alpha=0.5).attach(optimizer)
        >>> for _ in range(4):
        ...     p.grad = -torch.ones(1)
        ...     optimizer.step()
        ...     print(p.item(), end=" ")
        1.0 1.0 2.0 2.0

    Paper: https://arxiv.org/abs/1907.08610
    """

    key = "slow"

    def __init__(
        self, k: int = 5, alpha: float = 0.5, *, inner_state: InnerState = "maintain", compile: bool = False
    ) -> None:
        super().__init__()
        check_lookahead(k, alpha, inner_state)
        self.k, self.alpha, self.inner_state, self.compile = k, alpha, inner_state, compile
        self._before: dict[Tensor, Tensor] = {}  # weights before the first step of parameters that have not taken it

    def prepare_groups(self, optimizer: Optimizer) -> None:
        """Give k, alpha and the count to every group that lacks them."""
        count = optimizer.param_groups[0].get(STEP, 0)
        for group in optimizer.param_groups:
            if STEP not in group:
                group.update({K: group.get(K, self.k), ALPHA: group.get(ALPHA, self.alpha), STEP: count})
            if "phase" in group:
                group.setdefault(PHASE, group["phase"])

    def detach(self) -> None:
        """Remove the hooks; state and weights stay as they are."""
        super().detach()
        self._before.clear()

    @torch.no_grad()
    def before_step(self) -> None:
        """Copy the weights of parameters that have no slow ones yet, such as unfrozen ones."""
        self.prepare_groups(self.optimizer)
        state = self.optimizer.state
        for group in self.optimizer.param_groups:
            for p in group["params"]:
                if self.key in state.get(p, ()) or not p.requires_grad:
                    continue
                if p in self._before:
                    self._before[p].copy_(p)
                else:
                    self._before[p] = p.detach().clone()

    def create(self) -> None:
        """Add the copied weights to the state of all parameters that have taken their first step."""
        for p in [p for p in self._before if p.grad is not None]:
            state = self.optimizer.state[p]  # not before the step: optimizers take an empty state for the first step
            state[self.key] = self._before.pop(p)
            if self.inner_state == "pullback":
                for name, moment in _first_moments(state):
                    state[f"slow_{name}"] = torch.zeros_like(moment)

    def after_step(self) -> None:
        """Count the step, and interpolate after every k-th."""
        if self._before:
            self.create()
        first, *others = self.optimizer.param_groups
        first[STEP] += 1
        for group in others:
            group[STEP] = first[STEP]
        if first[STEP] % first[K] == 0:
            self.synchronize()

    @torch.no_grad()
    def synchronize(self) -> None:
        """Interpolate the slow and the fast weights now."""
        for group in self.optimizer.param_groups:
            states = self.shadowed(group)
            slow = [local_tensor(state[self.key]) for _, state in states]
            fast = [local_tensor(p) for p, _ in states]
            if self.inner_state == "reset":
                for _, state in states:
                    for _, moment in _first_moments(state):
                        local_tensor(moment).zero_()
            elif self.inner_state == "pullback":
                switched = group.get("phase") != group.get(
                    PHASE
                )  # the optimizer has begun its buffer at 0, and so does b'
                for _, state in states:
                    for name, moment in _first_moments(state):
                        last = state.get(f"slow_{name}")
                        if last is None or switched:  # None: a resumed run that has maintained them until now
                            last = state[f"slow_{name}"] = torch.zeros_like(moment)
                        slow.append(local_tensor(last))
                        fast.append(local_tensor(moment))
            if "phase" in group:
                group[PHASE] = group["phase"]
            lerp_and_reset_all(slow, fast, float(group[ALPHA]), compile=self.compile)


def _first_moments(state: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    for name in FIRST_MOMENTS:
        moment = state.get(name)
        if isinstance(moment, Tensor):
            yield name, moment


def check_lookahead(k: Any, alpha: Any, inner_state: Any) -> None:
    """Reject arguments of Lookahead that are out of range.

    Raises:
        ConfigError: with all of them.

    Example:
        >>> check_lookahead(0, 1.5, "maintain")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: 2 errors in the configuration:
          - k=0: must be a whole number of at least 1; write e.g. 5
          - alpha=1.5: must be a number above 0 and at most 1; write e.g. 0.5
    """
    problems = Problems()
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        problems.add("k", k, "must be a whole number of at least 1; write e.g. 5")
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha <= 1:
        problems.add("alpha", alpha, "must be a number above 0 and at most 1; write e.g. 0.5")
    choices = get_args(InnerState)
    if inner_state not in choices:
        problems.add(
            "inner_state", inner_state, f"must be one of {', '.join(choices)}{did_you_mean(str(inner_state), choices)}"
        )
    problems.raise_if_any()
