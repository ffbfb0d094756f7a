"""Tell whether tensors are finite: one norm over all of them, and their elements only where that is not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lit_optim.distributed import any_rank, local_tensor


def sum_of_norms(tensors: Sequence[Tensor]) -> Tensor | None:
    """Add the norms of what this rank holds of some tensors, on their device; None where it holds nothing.

    The sum is not finite if an element is not - or, rarely, if a finite norm is beyond the range of its dtype. Call it
    under ``torch.no_grad``.

    Example:
        >>> sum_of_norms([torch.tensor([3.0, 4.0]), torch.tensor(2.0)]), sum_of_norms([])
        (tensor(7.), None)
    """
    elements = _elements(tensors)
    if not elements:
        return None
    norms = torch._foreach_norm(elements)  # as torch.nn.utils.get_total_norm, without its grouping by device
    device = norms[0].device
    return torch.stack([norm if norm.device == device else norm.to(device) for norm in norms]).sum()


@torch.no_grad()
def are_finite(tensors: Sequence[Tensor]) -> bool:
    """Return whether all elements that this rank holds are finite.

    Example:
        >>> are_finite([torch.full((2,), 3e38)]), are_finite([torch.tensor([1.0, float("nan")])])
        (True, False)
    """
    total = sum_of_norms(tensors)
    return total is None or math.isfinite(total) or all(bool(t.isfinite().all()) for t in _elements(tensors))


def first_non_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return the name of the first tensor with an element that is not finite.

    Example:
        >>> first_non_finite({"weight": torch.ones(2), "bias": torch.tensor(float("inf"))})
        'bias'
    """
    if are_finite([*tensors.values()]):
        return None
    return next((name for name, tensor in tensors.items() if not are_finite([tensor])), None)


def agreed_problem(own: str | None, like: Tensor, ranks: int) -> str | None:
    """Return what is wrong on this rank, or that something is on another one; all ranks must call it."""
    found = any_rank(own is not None, like, ranks)
    return (own or "another rank has found a value that is not finite") if found else None


def problem_of_weights(module: nn.Module, ranks: int) -> str | None:
    """Return which weight of a module is not finite, or which running statistic; the same decision on all ranks.

    Args:
        module: its frozen parameters and other buffers may be anything, e.g. a mask of infinities.
        ranks: how many there are.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> _ = nn.init.constant_(layer.bias, float("nan"))
        >>> problem_of_weights(layer, ranks=1)
        'bias is not finite'
    """
    watched = watched_tensors(module)
    found = first_non_finite(watched)
    own = None if found is None else f"{found} is not finite"
    return agreed_problem(own, next(iter(watched.values())), ranks) if watched else None


def watched_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return trained parameters and running statistics by name."""
    trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
    return {**trained, **{name: b for name, b in running_statistics(module).items() if b.is_floating_point()}}


def running_statistics(module: nn.Module) -> dict[str, Tensor]:
    """Return the buffers that a forward pass in training changes, those of BatchNorms and the like, by name.

    Example:
        >>> [*running_statistics(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))]
        ['1.running_mean', '1.running_var', '1.num_batches_tracked']
    """
    tracking = [(name, part) for name, part in module.named_modules() if getattr(part, "track_running_stats", False)]
    return {key: b for name, part in tracking for key, b in part.named_buffers(prefix=name, recurse=False)}


def _elements(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return what has a norm: the shards that are not empty, and the values of sparse tensors."""
    local = [local_tensor(tensor) for tensor in tensors]
    dense = [t if t.layout is torch.strided else t._values() for t in local]
    return [t for t in dense if t.numel()]
