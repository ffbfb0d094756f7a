from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from lit_optim.callbacks.health.judge import is_due
from lit_optim.callbacks.health.quantities import Sums, saturated, square, step_sums
from lit_optim.distributed import shard_like, sum_over_ranks
from lit_optim.engine.param_state import local_real_tensor
from lit_optim.step_hooks import after_closure

AMP_FLAG = "_step_supports_amp_scaling"


class StepProbe:
    """Measures single steps of one optimizer; at all others it has no hook there.

    The weights are copied before the step, and compared in the first of the post-hooks: what `Lookahead` and averages
    do to them is not part of the update. All ranks must arm alike.

    Args:
        optimizer: whose steps are measured.
        measured: receives, for each param group, its sums over all ranks; None for a group that has no trained
            parameter, or no gradient.
        refused: receives how often a step has evaluated its closure, where that is more than once.

    Example:
        >>> p = torch.zeros(2, requires_grad=True)
        >>> optimizer = torch.optim.SGD([p], lr=0.1)
        >>> probe = StepProbe(optimizer, lambda sums: print(round(sums[0].update, 6)), print)
        >>> p.grad = torch.ones(2)
        >>> probe.arm(); probe.begin(at=0, every=1)
        True
        >>> probe.read_gradients(); optimizer.step(); probe.detach()
        0.02
    """

    def __init__(
        self, optimizer: Optimizer, measured: Callable[[list[Sums | None]], Any], refused: Callable[[int], Any]
    ) -> None:
        self.optimizer, self.measured, self.refused = optimizer, measured, refused
        self.steps = 0  # that were begun
        self.at = -1  # the Trainer's count at the last of them
        self.pending = False  # whether a step that is due has not been measured yet: a scaler may skip it
        self.hooks: list[RemovableHandle] = []
        self.flag: Any = None  # of this object, for a gradient scaler
        self.counter: RemovableHandle | None = None
        self.reported = 0  # steps that `steps_and_skips` has returned
        self.taken: Any = 0  # steps since then
        self.keeps_gradients = False  # whether a copy is needed, as the optimizer changes them
        self._reset()

    def begin(self, at: int, every: int) -> bool:
        """Count a step, once however often it evaluates its closure; arm for the next one if that is to be measured.

        Args:
            at: the Trainer's count of steps.
            every: n, as in `is_due`.

        Returns:
            Whether this step is measured.
        """
        if at == self.at:
            return self.pending
        self.at, self.steps = at, self.steps + 1
        self._reset()
        self.pending = self.pending or is_due(self.steps, every)
        if not (self.pending or is_due(self.steps + 1, every)):
            self.disarm()
        measures = self.pending and bool(self.hooks)
        if not self.hooks and is_due(self.steps + 1, every):
            self.arm()
        return measures

    def arm(self) -> None:
        """Measure the next step that is taken after `read_gradients`."""
        self.flag = vars(self.optimizer).get(AMP_FLAG)
        if getattr(self.optimizer, AMP_FLAG, False):  # the scaler unscales before the step, not within
            setattr(self.optimizer, AMP_FLAG, False)
        after = self.optimizer.register_step_post_hook(self._after_step)
        hooks: Any = self.optimizer._optimizer_step_post_hooks
        hooks.move_to_end(after.id, last=False)
        self.hooks = [self.optimizer.register_step_pre_hook(self._before_step), after]

    def count_steps_taken(self) -> None:
        """Count the steps that are taken, for `steps_and_skips`."""
        self.counter = self.optimizer.register_step_post_hook(self._count)

    def _count(self, optimizer: Any, *_: Any) -> None:
        found_inf = getattr(optimizer, "found_inf", None)  # a tensor, where a fused kernel skips by itself
        self.taken = self.taken + (1 if found_inf is None else 1 - found_inf)

    def steps_and_skips(self) -> tuple[int, float]:
        """Return how many steps before the present one were begun since the last call, and how many were not taken."""
        steps, taken = self.steps - 1 - self.reported, float(self.taken)
        self.reported, self.taken = self.steps - 1, 0
        return steps, steps - taken

    def detach(self) -> None:
        """Remove all hooks."""
        self.disarm()
        self._reset()
        if self.counter is not None:
            self.counter.remove()

    def disarm(self) -> None:
        """Remove the hooks."""
        if self.hooks:
            vars(self.optimizer).pop(AMP_FLAG, None)
            if self.flag is not None:
                setattr(self.optimizer, AMP_FLAG, self.flag)
        while self.hooks:
            self.hooks.pop().remove()

    @torch.no_grad()
    def read_gradients(self) -> None:
        """Read the gradients before they are clipped."""
        self.raw.update((p, square(_local(p.grad, p))) for _, p in self._trained() if p.grad is not None)
        self.evaluations += bool(self.before)  # which the first has copied

    def _reset(self) -> None:
        self.raw: dict[Tensor, Tensor] = {}
        self.before: dict[Tensor, tuple[Tensor, Tensor, Tensor]] = {}  # weights, gradients, and squares of these
        self.evaluations = 1

    def _trained(self) -> list[tuple[int, Tensor]]:
        groups = enumerate(self.optimizer.param_groups)
        return [(i, p) for i, group in groups for p in group["params"] if p.requires_grad]

    def _before_step(self, optimizer: Any, args: Any, kwargs: Any) -> Any:
        return after_closure(self._copy, args, kwargs)

    @torch.no_grad()
    def _copy(self) -> None:
        if self.before or not self.raw:  # a later evaluation, or a step that no training loop has announced
            return
        for p in self.raw:
            gradient = _local(p.grad, p)
            kept = gradient.clone() if self.keeps_gradients else gradient
            self.before[p] = local_real_tensor(p.detach()).clone(), kept, square(gradient)

    @torch.no_grad()
    def _after_step(self, *_: Any) -> None:
        if not self.before:
            return
        before, raw, evaluations = self.before, self.raw, self.evaluations
        self._reset()
        self.pending = False  # the hooks stay until the next step begins: torch is iterating over them
        if evaluations > 1:
            self.refused(evaluations)
            return
        groups, state, trained = self.optimizer.param_groups, self.optimizer.state, self._trained()
        parts = []
        for i, p in trained:
            weight = local_real_tensor(p.detach())
            nothing = torch.zeros((), dtype=torch.float64, device=weight.device)
            size = nothing + weight.numel()
            if p not in before:
                parts.append((i, p, (nothing, nothing, nothing, square(weight), *[nothing] * 4, size)))
                continue
            weights, gradient, consumed = before.pop(p)
            update, product = step_sums(weights, weight, gradient)
            seen = at_eps = nothing
            moments = saturated(state.get(p, {}), groups[i])
            if moments is not None:
                v = local_real_tensor(moments[0])
                zeros = (v == 0).sum()
                seen, at_eps = (v.numel() - zeros).double(), ((v <= moments[1]).sum() - zeros).double()
            squares = raw[p], consumed, square(gradient), square(weights)
            parts.append((i, p, (*squares, update, product, seen, at_eps, size)))
        sums_of = sum_over_ranks(parts, len(groups), [p for _, p in trained]).tolist()
        with_gradient = {i for i, p in trained if p in raw}
        found = [Sums(*sums) if i in with_gradient else None for i, sums in enumerate(sums_of)]
        self.keeps_gradients |= any(s.left != s.consumed and math.isfinite(s.left) for s in found if s is not None)
        self.measured(found)


def _local(gradient: Any, p: Tensor) -> Tensor:
    """Return what this rank holds of a gradient, sharded as its parameter is."""
    return gradient.detach() if gradient.is_sparse else local_real_tensor(shard_like(gradient.detach(), p))
