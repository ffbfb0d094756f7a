from __future__ import annotations

from typing import ClassVar

from lit_optim.engine.ops import Decay
from lit_optim.optimizers.adabound import AdaBound


class AdaBoundW(AdaBound):
    r"""`AdaBound` with decoupled weight decay: the weights shrink by a share of the learning rate before the step.

    .. math::
        \theta_t = (1 - \text{lr} \cdot \text{weight\_decay})\, \theta_{t-1} - \eta_t m_t

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
