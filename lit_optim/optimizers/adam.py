from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT

from lit_optim.engine.arguments import check_at_least_0, check_betas, check_bools
from lit_optim.engine.rule_optimizer import Counters, Group, RuleOptimizer, RuleSpec
from lit_optim.optimizers.adam_rules import MAX_MOMENTS, MOMENTS, AdamScalars, adam, adam_scalars


class Adam(RuleOptimizer):
    r"""Adam, AdamW and AMSGrad in one pass: what torch computes with ``fused=True``, for any dtype and any compiler.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
        \theta_t &= \theta_{t-1} - \text{lr} \frac{m_t / (1-\beta_1^t)}{\sqrt{v_t / (1-\beta_2^t)} + \text{eps}}

    Args:
        params: parameters, named parameters or groups of them.
        lr: absolute learning rate, at least 0.
        betas: decay rates of the running averages of the gradient and of its square, in [0, 1).
        eps: added to the root, at least 0.
        weight_decay: at least 0; added to the gradient (L2), or with ``decoupled`` taken from the weights (AdamW).
        amsgrad: divide by the largest ``v`` so far.
        decoupled: AdamW: the weights are multiplied by ``1 - lr * weight_decay`` before the step.
        maximize: ascend.
        compile: one compiled kernel, one pass over the memory; takes some seconds at the first step.

    Raises:
        ConfigError: a ValueError, for arguments out of range.

    Example:
        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Adam([p], lr=0.1)
        >>> p.grad = torch.tensor([2.0])
        >>> optimizer.step(); p.data
        tensor([0.9000])

    Kingma & Ba 2015, Adam: A Method for Stochastic Optimization, arXiv:1412.6980, Algorithm 1; Reddi et al. 2018,
    arXiv:1904.09237; Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        decoupled: bool = False,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        values = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad)
        super().__init__(params, dict(**values, decoupled=decoupled, maximize=maximize, compile=compile))

    def check(self, group: dict[str, Any]) -> None:
        """Reject a group with a value that is out of range."""
        check_at_least_0(group, "lr", "eps", "weight_decay")
        check_betas(group)
        check_bools(group, "amsgrad", "decoupled")

    def rule(self, group: Group) -> RuleSpec:
        """Return the rule, with its scalars and its state."""
        return RuleSpec(adam, AdamScalars, MAX_MOMENTS if group["amsgrad"] else MOMENTS)

    def step_scalars(self, counters: Counters, group: Group, static_args: Group) -> AdamScalars:
        """Return the numbers of the rule at this step."""
        return adam_scalars(counters["step"], group, static_args["decay"], "torch")
