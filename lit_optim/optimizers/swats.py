from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.optimizers.adam_rules import Eps, adam_numbers
from lit_optim.optimizers.arguments import check_above_0, check_at_least_0, check_betas, check_bools
from lit_optim.optimizers.rule_optimizer import Numbers, Rule, RuleOptimizer, Sums
from lit_optim.optimizers.sharded_sums import over_all_ranks
from lit_optim.optimizers.swats_estimate import Estimate, has_settled, observe, sgd_lr
from lit_optim.optimizers.swats_rules import swats_adam, swats_amsgrad, swats_sgd

OPTIONS = ("switch_tol", "switch_rtol", "min_steps", "scope", "max_sgd_lr", "normalize_by_lr", "follow_schedule")


class SWATS(RuleOptimizer):
    r"""Adam that switches to SGD, at the learning rate with which SGD would have taken Adam's last steps.

    .. math::
        p_k &= -\text{lr}\, \frac{\sqrt{1-\beta_2^k}}{1-\beta_1^k} \frac{m_k}{\sqrt{a_k} + \text{eps}}, \qquad
        w_k = w_{k-1} + p_k \\
        \gamma_k &= \frac{p_k^T p_k}{-p_k^T g_k}, \qquad
        \lambda_k = \beta_2 \lambda_{k-1} + (1-\beta_2) \gamma_k, \qquad \Lambda = \lambda_k / (1-\beta_2^k) \\
        \text{once } k > 1 &\text{ and } |\Lambda - \gamma_k| < \text{switch\_tol}: \quad
        v_k = \beta_1 v_{k-1} + g_k, \qquad w_k = w_{k-1} - (1-\beta_1) \Lambda v_k

    One estimate over all parameters, as in the paper; the switch takes effect at the next step, for all of them, and
    needs a positive Lambda. From then on a group's ``lr`` is ``(1 - beta1) Lambda``, and ``beta1`` its momentum; a
    schedule goes on multiplying from there. Groups whose lrs differ keep their ratios: with ``S`` the lr relative to
    the largest, ``gamma = p.p / -(p.S g)``, and each gets ``(1 - beta1) Lambda S``. With minibatch noise the paper's
    tolerance of 1e-9 is practically never met: 1e-5, or ``switch_rtol``, is what fires; so does `switch`.

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

    notes = (
        "k",
        "adam_lr",
        "gamma",
        "lam",
        "sgd_lr",
        "decay_lr",
        "switched_at",
        "switch_requested",
        "armed",
        "replicated",
        *OPTIONS,
    )
    merges: ClassVar[bool] = False  # sums are told apart by their groups

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
        found = dict(phase="adam", k=0, gamma=0.0, lam=0.0, sgd_lr=0.0, adam_lr=0.0, decay_lr=0.0, switched_at=0)
        found |= dict(switch_requested=False, armed=True, replicated=False)
        super().__init__(params, dict(**adam, **switch, **found, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Refuses a group whose values are out of range; one that is added later shares what is known."""
        check_at_least_0(group, "lr", "eps", "weight_decay", "switch_tol", "switch_rtol")
        check_betas(group)
        check_bools(group, "amsgrad", "decoupled", "normalize_by_lr", "follow_schedule")
        if group["max_sgd_lr"] is not None:
            check_above_0(group, "max_sgd_lr")
        steps = group["min_steps"]
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise ConfigError(wrong("min_steps", steps, "must be a whole number of at least 1"))
        for name, allowed in (("scope", ("global", "group")), ("eps_placement", ("paper", "torch"))):
            if group[name] not in allowed:
                hint = did_you_mean(str(group[name]), allowed)
                raise ConfigError(wrong(name, group[name], f"must be one of {', '.join(allowed)}{hint}"))
        first = self.param_groups[0]
        if first is not group and group["scope"] == "global":
            if group["betas"] != first["betas"]:
                rule = f"one estimate over all groups needs the same betas, and the first has {first['betas']}"
                raise ConfigError(wrong("betas", group["betas"], f"{rule}; choose scope=group"))
            group.update({name: first[name] for name in ("phase", "k", "gamma", "lam", "sgd_lr", "switched_at")})
            group["decay_lr"] = first["decay_lr"]

    def rule(self, group: Mapping[str, Any]) -> Rule:
        """The text of the phase; the state is that of Adam in both."""
        slots = ("exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else []))
        if group["phase"] == "sgd":
            return Rule(swats_sgd, slots)
        return Rule(swats_amsgrad if group["amsgrad"] else swats_adam, slots)

    def flags(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Without a decay nothing is spent on it."""
        kind = "decoupled" if group["decoupled"] else "l2"
        return {"decay": kind if group["weight_decay"] else "none"}

    def numbers(self, counters: Mapping[str, float], group: Mapping[str, Any], flags: Mapping[str, Any]) -> Numbers:
        """What the text computes with at this step."""
        if group["phase"] == "adam":
            return adam_numbers(counters["step"], group, flags["decay"], group["eps_placement"])
        decay_by = group["weight_decay"]
        if flags["decay"] == "decoupled":
            decay_by = 1 - group["lr"] * group["decay_lr"] * decay_by
        return decay_by, group["betas"][0], -group["lr"]

    def observe(self, sums: list[Sums]) -> None:
        """Updates the estimate, and switches where it has settled or a switch is due."""
        if not sums:
            return
        for groups, pp, pg in self._dot_products(sums):
            first = groups[0]
            beta2 = first["betas"][1]
            scale = _largest(groups, "lr") if first["normalize_by_lr"] else 1.0
            after = observe(_estimate(first), pp / (scale or 1.0), pg, beta2)
            found = dict(after._asdict(), sgd_lr=_capped(sgd_lr(after, beta2) * scale, first["max_sgd_lr"]))
            for group in groups:
                group.update(found, adam_lr=float(group["lr"]))
            tolerance = (first["switch_tol"], first["switch_rtol"], first["min_steps"])
            if first["switch_requested"] or (first["armed"] and has_settled(after, beta2, *tolerance)):
                self._switch(groups)

    def switch(self, groups: Iterable[dict[str, Any]] | None = None) -> bool:
        """Switches to SGD before the next step, whether the estimate has settled or not.

        Args:
            groups: of this optimizer; all, unless ``scope`` is ``group``.

        Returns:
            Whether it has: where Lambda is not positive yet, the switch takes place as soon as it is.
        """
        done = True
        for several in self._scopes(self.param_groups if groups is None else groups):
            if several[0]["phase"] == "adam":
                done = self._switch(several) and done
        return done

    def _switch(self, groups: list[dict[str, Any]]) -> bool:
        first, adam_lr = groups[0], _largest(groups, "adam_lr")
        possible = 0 < first["sgd_lr"] < math.inf and adam_lr > 0
        for group in groups:
            group["switch_requested"] = not possible
        if not possible:
            return False
        factor = (1 - first["betas"][0]) * first["sgd_lr"] / adam_lr  # all lrs keep their ratios
        for group in groups:
            lr = group["lr"]
            if group["follow_schedule"]:  # which may be a step ahead of Adam's last one
                group["lr"] = lr * factor
                if "initial_lr" in group:
                    group["initial_lr"] = group["initial_lr"] * factor
            else:
                fixed = group["adam_lr"] * factor
                group["lr"] = torch.full_like(lr, fixed) if isinstance(lr, Tensor) else fixed
                group["scheduled"] = False
            group.update(phase="sgd", switched_at=group["k"], decay_lr=1 / factor)
            for p in group["params"]:
                if "exp_avg" in self.state.get(p, {}):
                    self.state[p]["exp_avg"].zero_()
        return True

    def _scopes(self, groups: Iterable[dict[str, Any]]) -> list[list[dict[str, Any]]]:
        """Groups that share an estimate."""
        listed = list(groups)
        if self.param_groups[0]["scope"] == "group":
            return [[group] for group in listed]
        return [self.param_groups] if listed else []

    def _dot_products(self, sums: list[Sums]) -> Iterator[tuple[list[dict[str, Any]], float, float]]:
        """p.p and p.S g of each scope that has taken a step of Adam, over all its parameters, in 64 bits."""
        places = {id(group): i for i, group in enumerate(self.param_groups)}
        parts = [(places[id(group)], p, found) for group, p, found in sums]
        order = (p for group in self.param_groups for p in group["params"])
        totals = over_all_ranks(parts, len(places), order, replicated=self.param_groups[0]["replicated"])
        active = {place for place, _, _ in parts}
        for groups in self._scopes(self.param_groups):
            own = [places[id(group)] for group in groups]
            if active.isdisjoint(own):
                continue
            largest = _largest(groups, "lr") or 1.0
            pp = sum(totals[i][0] for i in own)
            pg = sum(totals[i][1] * (float(group["lr"]) / largest) for i, group in zip(own, groups, strict=True))
            yield groups, pp, pg


def _largest(groups: Iterable[Mapping[str, Any]], name: str) -> float:
    return max(float(group[name]) for group in groups)


def _estimate(group: Mapping[str, Any]) -> Estimate:
    return Estimate(group["k"], group["gamma"], group["lam"])


def _capped(value: float, cap: float | None) -> float:
    return value if cap is None else min(value, cap)
