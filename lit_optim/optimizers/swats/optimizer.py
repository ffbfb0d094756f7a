from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.distributed import sum_over_ranks
from lit_optim.engine.rule_optimizer import Counters, Group, RuleOptimizer, RuleSpec, Scalars, Sums
from lit_optim.errors import ConfigError, wrong
from lit_optim.optimizers.adam_rules import MAX_MOMENTS, MOMENTS, AdamScalars, Eps, adam_scalars
from lit_optim.optimizers.swats.arguments import OPTIONS, check_arguments
from lit_optim.optimizers.swats.dot_products import DotProducts, Row, sum_over_groups
from lit_optim.optimizers.swats.estimate import Estimate, has_settled, observe, sgd_lr
from lit_optim.optimizers.swats.phases import switch_to_sgd, warn_of_undone_switch
from lit_optim.optimizers.swats.rules import MomentumScalars, swats_adam, swats_sgd

FOUND: dict[str, Any] = {  # the estimate, the switch and its requests, in each group
    **dict(k=0, gamma=0.0, lam=0.0, sgd_lr=0.0, adam_lr=0.0, decay_lr=0.0, switched_at=0),
    **dict(switch_requested=False, armed=True, replicated=False, unseen=None),
}


class SWATS(RuleOptimizer):
    r"""Adam that switches to SGD, at the learning rate with which SGD would have taken Adam's last steps.

    .. math::
        m_k &= \beta_1 m_{k-1} + (1-\beta_1) g_k, \qquad a_k = \beta_2 a_{k-1} + (1-\beta_2) g_k^2 \\
        p_k &= -\text{lr}\, \frac{\sqrt{1-\beta_2^k}}{1-\beta_1^k} \frac{m_k}{\sqrt{a_k} + \text{eps}}, \qquad
        w_k = w_{k-1} + p_k \\
        \gamma_k &= \frac{p_k^T p_k}{-p_k^T g_k}, \qquad
        \lambda_k = \beta_2 \lambda_{k-1} + (1-\beta_2) \gamma_k, \qquad \Lambda = \lambda_k / (1-\beta_2^k) \\
        \text{once } k > 1 &\text{ and } |\Lambda - \gamma_k| < \text{switch\_tol}: \quad
        v_k = \beta_1 v_{k-1} + g_k, \qquad w_k = w_{k-1} - (1-\beta_1) \Lambda v_k

    One estimate over all parameters, as in the paper. The switch takes effect at the next step, for all of them, and
    needs a positive Lambda; on a GPU one step later, because the host waits for the step before at most. From then on a
    group's ``lr`` is ``(1 - beta1) Lambda``, and ``beta1`` its momentum; a schedule goes on multiplying from there.
    Groups whose lrs differ keep their ratios: with ``S`` the lr relative to the largest, ``gamma = p.p / -(p.S g)``,
    and each gets ``(1 - beta1) Lambda S``. With minibatch noise the paper's tolerance of 1e-9 is practically never met,
    and any other by chance, after about (scatter of gamma) / (2 tolerance) steps; `switch` is sure.

    Phase, estimate and counters are in ``param_groups`` (``phase``, ``k``, ``gamma``, ``lam``, ``sgd_lr``,
    ``adam_lr``), the state of parameters has the same keys in both phases: checkpoints of any kind resume exactly.

    Args:
        params: parameters, named parameters or groups of them.
        lr: absolute learning rate of Adam's phase, at least 0.
        betas: decay rates of the running averages of the gradient and of its square, in [0, 1).
        eps: added to the root, at least 0.
        weight_decay: at least 0; L2 is part of the gradient in both phases and in the estimate, ``decoupled`` of
            neither: it goes on taking ``adam_lr * weight_decay`` from the weights, on its schedule, after the switch.
        amsgrad: divide by the largest second moment so far.
        decoupled: as AdamW.
        eps_placement: ``paper``: outside of the bias correction, as above; ``torch``: inside, as `torch.optim.Adam`.
        switch_tol: absolute tolerance of the criterion, in units of the lr; at least 0.
        switch_rtol: relative to gamma, at least 0; the larger of the two counts.
        min_steps: of Adam before a switch, at least 1.
        scope: ``global``, or ``group``: an estimate and a switch for each group.
        max_sgd_lr: cap on Lambda, above 0; the paper has none, and diverges where Lambda is too large for the loss.
        normalize_by_lr: estimate gamma / lr, which can settle while a schedule moves the lr; the tolerance is that of
            the quotient.
        follow_schedule: off, the lr after the switch is fixed: groups get ``scheduled: False``.
        maximize: ascend.
        compile: one compiled kernel, dot products included; takes some seconds at the first step.

    Raises:
        ConfigError: a ValueError, for arguments out of range.

    Example:
        >>> import torch
        >>> w = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
        >>> optimizer = SWATS([w], lr=0.01)
        >>> for _ in range(2):  # a linear loss 2 w: gamma = lr / 2 at each step
        ...     w.grad = torch.tensor([2.0], dtype=torch.float64)
        ...     optimizer.step()
        >>> group = optimizer.param_groups[0]
        >>> group["phase"], round(group["sgd_lr"], 6), round(group["lr"], 6)
        ('sgd', 0.005, 0.0005)

    Keskar & Socher 2017, Improving Generalization Performance by Switching from Adam to SGD, arXiv:1712.07628,
    Algorithm 1.
    """

    untracked_keys = (*FOUND, *OPTIONS)
    shares_buckets: ClassVar[bool] = False  # each group has its own dot products
    of_last_step: ClassVar[tuple[str, ...]] = ("adam_lr", "unseen")  # keys that groups of one estimate differ in

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-9,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        decoupled: bool = False,
        eps_placement: Eps = "paper",
        switch_tol: float = 1e-9,
        switch_rtol: float = 0.0,
        min_steps: int = 2,
        scope: Literal["global", "group"] = "global",
        max_sgd_lr: float | None = None,
        normalize_by_lr: bool = False,
        follow_schedule: bool = True,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        adam: dict[str, Any] = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad)
        adam |= dict(decoupled=decoupled, eps_placement=eps_placement)
        switch: dict[str, Any] = dict(switch_tol=switch_tol, switch_rtol=switch_rtol, min_steps=min_steps, scope=scope)
        switch |= dict(max_sgd_lr=max_sgd_lr, normalize_by_lr=normalize_by_lr, follow_schedule=follow_schedule)
        super().__init__(params, dict(**adam, **switch, phase="adam", **FOUND, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Reject a group whose values are out of range; one that is added later takes over a shared estimate."""
        check_arguments(group)
        first = self.param_groups[0]
        if first is not group and group["scope"] == "global":
            if group["betas"] != first["betas"]:
                rule = f"one estimate over all groups needs the same betas, and the first has {first['betas']}"
                raise ConfigError(wrong("betas", group["betas"], f"{rule}; choose scope=group"))
            shared = ("phase", "k", "gamma", "lam", "sgd_lr", "switched_at", "decay_lr")
            group.update({name: first[name] for name in shared})

    @property
    def shares_counters(self) -> bool:
        """Return whether a group that is new in a saved state takes over the counters of the others."""
        return bool(self.param_groups[0]["scope"] == "global")

    def lr_scale(self, group: Group) -> float:
        """Return the factor by which the switch has changed the lr of a saved group."""
        return 1 / group["decay_lr"] if group.get("phase") == "sgd" and group["decay_lr"] else 1.0

    def values_now(self, groups: Iterable[Group]) -> list[Group]:
        """Return the values that groups have now which were built with some: phase and estimate are their own."""
        found = [{key: group[key] for key in ("phase", *FOUND)} for group in self.param_groups]
        scales = map(self.lr_scale, self.param_groups)
        return [{**old, **now, "lr": old["lr"] * s} for old, now, s in zip(groups, found, scales, strict=True)]

    def rule(self, group: Group) -> RuleSpec:
        """Return the rule of the phase; the state is that of Adam in both."""
        state = MAX_MOMENTS if group["amsgrad"] else MOMENTS
        if group["phase"] == "sgd":
            return RuleSpec(swats_sgd, MomentumScalars, state)
        return RuleSpec(swats_adam, AdamScalars, state)

    def step_scalars(self, counters: Counters, group: Group, static_args: Group) -> Scalars:
        """Return the numbers of the rule at this step."""
        if group["phase"] == "adam":
            return adam_scalars(counters["step"], group, static_args["decay"], group["eps_placement"])
        if counters["step"] == group["switched_at"] + 1:
            warn_of_undone_switch(group)
        decay_by = group["weight_decay"]
        if static_args["decay"] == "decoupled":
            decay_by = 1 - group["lr"] * group["decay_lr"] * decay_by
        return MomentumScalars(decay_by, group["betas"][0], -group["lr"])

    def observe(self, sums: list[Sums]) -> None:
        """Update the estimate, and switch if it has settled or a switch is requested.

        On a GPU it takes the dot products of the step before, so that the host waits for that step at most.
        """
        if not sums:
            return
        now = self._dot_products(sums)
        if not now.is_ready:
            self._observe_last(behind=1)
            if all(group["phase"] == "sgd" for group in self.param_groups):
                return
        self.__dict__["_unseen"] = now
        if now.is_ready:
            self._observe_last()

    def _observe_last(self, behind: int = 0) -> None:
        """Update the estimate by the last unseen dot products, from ``behind`` steps ago."""
        self._write_unseen()
        for groups in self._scopes(self.param_groups):
            first, rows = groups[0], [Row(*group["unseen"] or (0.0, 0.0, float(group["lr"]))) for group in groups]
            for group in groups:
                group["unseen"] = None
            if first["phase"] != "adam" or not any(row.active for row in rows):
                continue
            pp, pg = sum_over_groups(rows)
            beta2 = first["betas"][1]
            scale = max(row.lr for row in rows) if first["normalize_by_lr"] else 1.0
            after = observe(Estimate(first["k"], first["gamma"], first["lam"]), pp / (scale or 1.0), pg, beta2)
            capped = min(sgd_lr(after, beta2) * scale, first["max_sgd_lr"] or math.inf)
            for group, row in zip(groups, rows, strict=True):
                group.update(after._asdict(), sgd_lr=capped, adam_lr=row.lr)
            tolerance = (first["switch_tol"], first["switch_rtol"], first["min_steps"])
            settled = first["armed"] and pg != 0 and has_settled(after, beta2, *tolerance)  # as in Algorithm 1
            if first["switch_requested"] or settled:
                switch_to_sgd(groups, self.state, behind=behind)

    def switch(self, groups: Iterable[dict[str, Any]] | None = None) -> bool:
        """Switch to SGD before the next step, whether the estimate has settled or not.

        Args:
            groups: of this optimizer; all, unless ``scope`` is ``group``.

        Returns:
            Whether it has; where Lambda is not positive yet, the switch takes place as soon as it is.
        """
        self._observe_last()
        done = True
        for several in self._scopes(self.param_groups if groups is None else groups):
            if several[0]["phase"] == "adam":
                done = switch_to_sgd(several, self.state) and done
        return done

    def _scopes(self, groups: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Return the groups in lists that share an estimate."""
        listed = list(groups)
        if self.param_groups[0]["scope"] == "group":
            return [[group] for group in listed]
        return [self.param_groups] if listed else []

    def _dot_products(self, sums: list[Sums]) -> DotProducts:
        """Add up the dot products of this step, for each group over all its parameters and ranks, in 64 bits."""
        places = {id(group): i for i, group in enumerate(self.param_groups)}
        parts = [(places[id(group)], p, found) for group, p, found in sums]
        order = (p for group in self.param_groups for p in group["params"])
        totals = sum_over_ranks(parts, len(places), order, replicated=self.param_groups[0]["replicated"])
        return DotProducts(totals, [float(group["lr"]) for group in self.param_groups], {i for i, _, _ in parts})

    def state_dict(self) -> dict[str, Any]:
        """Return torch's state dict; its groups hold the dot products that the estimate has not seen."""
        self._write_unseen()
        return super().state_dict()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for copies and pickles."""
        self._write_unseen()
        return super().__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Drop dot products from before a load: the loaded groups hold theirs."""
        self.__dict__.pop("_unseen", None)
        super().__setstate__(state)

    def _write_unseen(self) -> None:
        """Write dot products that the estimate has not seen into the groups."""
        unseen: DotProducts | None = self.__dict__.pop("_unseen", None)
        if unseen is not None:
            for group, row in zip(self.param_groups, unseen.rows(), strict=False):
                group["unseen"] = tuple(row)
