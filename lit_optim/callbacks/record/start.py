"""Describe what training starts from: checksums of weights and data, param groups, length of the run."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lit_optim.distributed import local_tensor
from lit_optim.lightning_api import Trainer
from lit_optim.scheduler.run_length import steps_left
from lit_optim.scheduler.run_progress import RunProgress


def checksum(tensors: Iterable[Tensor]) -> int | None:
    r"""Return the CRC-32 of tensors, one after the other; of sharded ones, of this rank's part.

    Returns:
        None for a tensor whose bytes cannot be read.

    Example:
        >>> checksum([torch.tensor([1.0]), torch.tensor(2, dtype=torch.uint8)]) == zlib.crc32(b"\0\0\x80\x3f\2")
        True
    """
    found = 0
    try:
        for tensor in tensors:
            flat = local_tensor(tensor.detach()).reshape(-1).contiguous()
            found = zlib.crc32(flat.view(torch.uint8).cpu().numpy().data, found)
    except (NotImplementedError, RuntimeError, TypeError):
        return None
    return found


def facts_of_new_run(trainer: Trainer, module: nn.Module) -> dict[str, Any]:
    """Describe the param groups, and the weights that training starts from."""
    weights = checksum(p for p in module.parameters() if not is_lazy(p))
    return {"groups": groups_of(trainer.optimizers), "start": {"parameters": weights}}


def checksum_of_batch(batch: Any) -> int | None:
    """Return the checksum of the tensors of a batch; None for one without tensors.

    Example:
        >>> x, y = torch.tensor([1.0]), torch.tensor(2, dtype=torch.uint8)
        >>> checksum_of_batch({"inputs": [x], "target": y}) == checksum([x, y]), checksum_of_batch(["a text"])
        (True, None)
    """
    tensors = [*_tensors_in(batch)]
    return checksum(tensors) if tensors else None


def _tensors_in(batch: Any) -> Iterable[Tensor]:
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, (dict, list, tuple)) or hasattr(batch, "items"):
        for each in batch.values() if hasattr(batch, "values") else batch:
            yield from _tensors_in(each)


def groups_of(optimizers: Iterable[Any]) -> list[dict[str, Any]]:
    """Describe the param groups of optimizers; ``lr`` is what a schedule multiplies, None: unknown.

    Example:
        >>> groups_of([torch.optim.SGD([torch.zeros(2, 3)], lr=0.1)])
        [{'name': '0', 'tensors': 1, 'parameters': 6, 'lr': 0.1, 'weight_decay': 0.0}]
    """
    return [
        {
            "name": str(group.get("name", i)),
            "tensors": len(group["params"]),
            "parameters": sum(0 if is_lazy(p) else p.numel() for p in group["params"]),
            "lr": None if (lr := group.get("initial_lr", group["lr"])) is None else float(lr),
            "weight_decay": None if (decay := group.get("weight_decay")) is None else float(decay),
        }
        for optimizer in optimizers
        for i, group in enumerate(optimizer.param_groups)
    ]


def total_steps(trainer: Trainer) -> int | None:
    """Return the optimizer steps of the whole run, of all optimizers together; None where it has no known end.

    Args:
        trainer: whose train dataloader is set up.
    """
    optimizers = max(1, len(trainer.optimizers))
    total, _ = steps_left(trainer, RunProgress(), optimizers)
    return None if total is None else total * optimizers
