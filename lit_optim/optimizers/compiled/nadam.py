from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_betas, check_bools
from lit_optim.engine.ops import Number, add_product_, add_quotient_, average_
from lit_optim.engine.rule_optimizer import Numbers, Rule, RuleOptimizer
from lit_optim.engine.weight_decay import Decay, decay_number, decayed


def nadam(
    p: Tensor, g: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor, scratch: Tensor, decay_by: Number,
    beta1: Number, rest1: Number, beta2: Number, rest2: Number,
    root: Number, eps: Number, of_g: Number, of_exp_avg: Number, *, decay: Decay,
) -> None:  # fmt: skip
    """Adam with Nesterov momentum: gradient and average enter with weights of their own."""
    g = decayed(p, g, decay_by, decay, out=scratch)
    average_(exp_avg, g, beta1, rest1)
    add_product_(exp_avg_sq.mul_(beta2), g, g, rest2)
    denominator = exp_avg_sq.sqrt().div_(root).add_(eps)
    add_quotient_(p, g, denominator, of_g)
    add_quotient_(p, exp_avg, denominator, of_exp_avg)


class NAdam(RuleOptimizer):
    r"""`torch.optim.NAdam` in one pass.

    .. math::
        \mu_t &= \beta_1 \big(1 - \tfrac12 0.96^{t \psi}\big), \quad \psi = \text{momentum\_decay} \\
        \theta_t &= \theta_{t-1} - \frac{\text{lr}}{\sqrt{\hat v_t} + \text{eps}} \Big(
            \frac{(1-\mu_t) g_t}{1 - \prod_{i=1}^{t} \mu_i} + \frac{\mu_{t+1} m_t}{1 - \prod_{i=1}^{t+1} \mu_i} \Big)

    Args:
        params: parameters, named parameters or groups of them.
        lr: absolute learning rate, at least 0.
        betas: decay rates of the running averages of the gradient and of its square, in [0, 1).
        eps: added to the root, at least 0.
        weight_decay: at least 0.
        momentum_decay: how fast the momentum grows to its full value, at least 0.
        decoupled_weight_decay: NAdamW: take the decay from the weights instead of adding it to the gradient.
        maximize: ascend.
        compile: off, the rule runs in blocks.

    Raises:
        ConfigError: a ValueError, for arguments out of range.

    Example:
        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = NAdam([p], lr=0.1, betas=(0.0, 0.999), compile=False)
        >>> p.grad = torch.tensor([2.0])
        >>> optimizer.step(); p.data  # without momentum: the sign of the gradient
        tensor([0.9000])

    Dozat 2016, Incorporating Nesterov Momentum into Adam, ICLR workshop; with torch's reading: a constant beta1 in m.
    """

    counters: ClassVar[dict[str, float]] = {"step": 0.0, "mu_product": 1.0}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        compile: bool = True,
    ) -> None:
        values = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        values["decoupled_weight_decay"] = decoupled_weight_decay
        super().__init__(params, dict(**values, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Refuses a group whose values are out of range."""
        check_at_least_0(group, "lr", "eps", "weight_decay", "momentum_decay")
        check_betas(group)
        check_bools(group, "decoupled_weight_decay")

    def rule(self, group: Mapping[str, Any]) -> Rule:
        """The text and its state."""
        return Rule(nadam, ("exp_avg", "exp_avg_sq"))

    def flags(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Without a decay nothing is spent on it."""
        kind = "decoupled" if group["decoupled_weight_decay"] else "l2"
        return {"decay": kind if group["weight_decay"] else "none"}

    def advance(self, counters: dict[str, float], group: Mapping[str, Any]) -> dict[str, float]:
        """One step more, and one factor more in the product."""
        step = counters["step"] + 1
        return {"step": step, "mu_product": counters["mu_product"] * mu(step, group)}

    def numbers(self, counters: Mapping[str, float], group: Mapping[str, Any], flags: Mapping[str, Any]) -> Numbers:
        """What the text computes with at this step."""
        step, mu_product = counters["step"], counters["mu_product"]
        lr, (beta1, beta2), following = group["lr"], group["betas"], mu(step + 1, group)
        of_g = lr * (-(1 - mu(step, group)) / (1 - mu_product))
        of_exp_avg = lr * (-following / (1 - mu_product * following))
        root = math.sqrt(1 - beta2**step)
        decay_by = decay_number(flags["decay"], lr, group["weight_decay"])
        return decay_by, beta1, 1 - beta1, beta2, 1 - beta2, root, group["eps"], of_g, of_exp_avg


def mu(step: float, group: Mapping[str, Any]) -> float:
    """The momentum of a step.

    Example:
        >>> round(mu(1, {"betas": (0.9, 0.999), "momentum_decay": 0.0}), 3)
        0.45
    """
    return float(group["betas"][0] * (1 - 0.5 * 0.96 ** (step * group["momentum_decay"])))
