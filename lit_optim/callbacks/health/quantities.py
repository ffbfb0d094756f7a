from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

SECOND_MOMENTS = ("max_exp_avg_sq", "exp_avg_sq", "square_avg", "sum")  # the first that a state has is divided by


class Sums(NamedTuple):
    """Sums over all elements of a parameter, or of several, in one optimizer step.

    Args:
        raw: squares of the gradient before clipping.
        consumed: squares of the gradient that the optimizer consumes.
        left: squares of the gradient after the step, which some optimizers change.
        weight: squares of the weights before the step.
        update: squares of the update, the weights after the step minus those before.
        product: update times consumed gradient.
        moments: how many second moments are not zero.
        at_eps: how many of these are at most eps, once they are corrected for their bias.
        size: number of weights.
    """

    raw: Any
    consumed: Any
    left: Any
    weight: Any
    update: Any
    product: Any
    moments: Any
    at_eps: Any
    size: Any


def quantities(s: Sums, *, maximize: bool = False) -> dict[str, float]:
    r"""Compute what is logged, from sums over a group; what has no meaning there is left out.

    With the gradient g that the optimizer consumes, weights w and their update u (momentum, preconditioner and
    decoupled decay in it):

    - ``gradient_norm`` before clipping, ``gradient_norm_clipped`` = :math:`\|g\|`;
    - ``update_ratio`` = :math:`\|u\| / \|w\|`;
    - ``effective_lr`` = :math:`\|u\| / \|g\|`, the lr with which plain SGD would take a step of this length;
    - ``cosine`` = :math:`-u \cdot g / (\|u\| \|g\|)`, 1 where the update goes straight down;
    - ``saturation``, the share of the second moments v with :math:`0 < \sqrt{\hat v} \le \epsilon`, where an
      adaptive optimizer does not adapt.

    Args:
        s: the sums.
        maximize: whether the optimizer goes up.

    Example:
        >>> quantities(Sums(4.0, 1.0, 1.0, 100.0, 0.01, -0.1, 0, 0, 5))
        {'gradient_norm': 2.0, 'gradient_norm_clipped': 1.0, 'update_ratio': 0.01, 'effective_lr': 0.1, 'cosine': 1.0}
    """
    raw, gradient, weight, update = (math.sqrt(each) for each in (s.raw, s.consumed, s.weight, s.update))
    unchanged = s.left == s.consumed  # else the product is one with another gradient
    ratios = {
        "update_ratio": (update, weight),
        "effective_lr": (update, gradient),
        "cosine": (s.product if maximize else -s.product, update * gradient if unchanged else 0.0),
        "saturation": (s.at_eps, s.moments),
    }
    found = {name: above / below for name, (above, below) in ratios.items() if below}
    return {"gradient_norm": raw, "gradient_norm_clipped": gradient, **found}


def total(sums: Iterable[Sums]) -> Sums:
    """Add up sums.

    Example:
        >>> total([Sums(*range(9)), Sums(*range(9))]).at_eps
        14
    """
    return Sums(*map(sum, zip(*sums, strict=True)))


def square(tensor: Tensor) -> Tensor:
    """Return the sum of the squares of a tensor in float64, of a sparse one of its values.

    Example:
        >>> square(torch.tensor([3.0, 4.0]))
        tensor(25., dtype=torch.float64)
    """
    dense = tensor.coalesce().values() if tensor.is_sparse else tensor
    norm: Tensor = torch.linalg.vector_norm(dense, dtype=torch.float64)
    return norm.square()


def step_sums(before: Tensor, after: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sums of the squares of an update, and of its product with a gradient, in float64.

    Args:
        before: weights before the step.
        after: those after it.
        gradient: of the same shape; may be sparse.

    Example:
        >>> [each.item() for each in step_sums(torch.zeros(2), torch.tensor([3.0, 4.0]), torch.tensor([-1.0, 0.0]))]
        [25.0, -3.0]
    """
    wide = torch.promote_types(after.dtype, torch.float32)
    update = after.to(wide) - before.to(wide)
    along, values = update, gradient
    if gradient.is_sparse:
        gradient = gradient.coalesce()
        along, values = update[tuple(gradient.indices())], gradient.values()
    return square(update), (along * values.to(wide)).sum(dtype=torch.float64)


def saturated(state: Mapping[str, Any], group: Mapping[str, Any]) -> tuple[Tensor, Any] | None:
    r"""Return the second moments that an optimizer divides by, and eps² in their scale; None where it has none.

    Args:
        state: of a parameter, in the words of torch's Adam, RMSprop and Adagrad.
        group: has their ``eps``, and ``betas`` to correct the bias, :math:`v \le \epsilon^2 (1 - \beta_2^t)`.

    Example:
        >>> group = {"eps": 0.1, "betas": (0.9, 0.5)}
        >>> saturated({"exp_avg_sq": torch.ones(1), "step": torch.tensor(1.0)}, group)
        (tensor([1.]), tensor(0.0050))
    """
    name = next((key for key in SECOND_MOMENTS if isinstance(state.get(key), Tensor)), None)
    eps, betas = group.get("eps"), group.get("betas")
    if name is None or not isinstance(eps, float) or group.get("phase") == "sgd":
        return None
    if not name.endswith("exp_avg_sq"):
        return state[name], eps**2
    if not isinstance(betas, (tuple, list)) or len(betas) != 2 or "step" not in state:  # another algorithm's words
        return None
    return state[name], eps**2 * (1 - betas[1] ** state["step"])
