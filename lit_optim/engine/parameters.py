"""Reject parameters and gradients that no rule can update."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from lit_optim.errors import ConfigError


def check_parameters(name: str, parameters: Iterable[Tensor]) -> None:
    """Reject sparse parameters, views that are conjugated or negated as they are read, and several types of devices.

    Example:
        >>> check_parameters("SGDW", [torch.zeros(1), torch.zeros(1, device="meta")])
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: params: on devices cpu and meta; SGDW takes parameters on one type of device
    """
    devices = set()
    for p in parameters:
        devices.add(p.device.type)
        if p.layout is not torch.strided:
            raise ConfigError(f"params: one has layout {p.layout}; {name} takes dense ones only")
        if not is_lazy(p) and (p.is_conj() or p.is_neg()):  # there is no memory that holds its values
            raise ConfigError("params: one is a conjugated or negated view; give it .resolve_conj().resolve_neg()")
    if len(devices) > 1:
        raise ConfigError(
            f"params: on devices {' and '.join(sorted(devices))}; {name} takes parameters on one type of device"
        )


def check_gradients(name: str, parameters: Iterable[Tensor]) -> None:
    """Reject sparse gradients.

    Example:
        >>> table = torch.nn.Embedding(3, 2, sparse=True)
        >>> table(torch.tensor([1])).sum().backward()
        >>> check_gradients("SGDW", [table.weight])
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: params: a gradient has layout torch.sparse_coo; SGDW takes dense ones only ...
    """
    for p in parameters:
        if p.grad is not None and p.grad.layout is not torch.strided:
            hint = "make it dense (sparse=False), or choose optimizer=sparse_adam"
            raise ConfigError(f"params: a gradient has layout {p.grad.layout}; {name} takes dense ones only; {hint}")
