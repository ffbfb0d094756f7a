from __future__ import annotations

from typing import ClassVar

from lit_optim.engine.ops import Decay
from lit_optim.optimizers.adabound import AdaBound


class AdaBoundW(AdaBound):
    r"""`AdaBound` with decoupled weight decay: the weights shrink by a share of the learning rate before the step.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1-\beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2) g_t^2 \\
        f &= \text{final\_lr} \cdot \text{lr} / \text{base\_lr} \\
        \eta_t &= \mathrm{clip}\Big(\frac{\text{lr} \sqrt{1-\beta_2^t}/(1-\beta_1^t)}{\sqrt{v_t} + \text{eps}},\;
            f \big(1 - \tfrac{1}{\gamma t + 1}\big),\; f \big(1 + \tfrac{1}{\gamma t}\big)\Big) \\
        \theta_t &= (1 - \text{lr} \cdot \text{weight\_decay})\, \theta_{t-1} - \eta_t m_t

    ``lr`` is Adam's, on its schedule, not the ``final_lr``, as in AdamW. The authors' own AdaBoundW multiplies by
    ``1 - weight_decay``, whatever the lr.

    Args and Raises: as `AdaBound`; ``weight_decay`` is the coefficient above.

    Example:
        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = AdaBoundW([p], lr=0.1, weight_decay=0.5)
        >>> p.grad = torch.tensor([2.0])
        >>> optimizer.step(); p.data  # 0.95 - 0.5 * 0.2
        tensor([0.8500])

    Luo et al. 2019, arXiv:1902.09843, with the decay of Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    decay: ClassVar[Decay] = "decoupled"
