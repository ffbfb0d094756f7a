"""Check an optimizer's arguments; each message names the argument, the range and the value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from lit_optim.errors import ConfigError


def check_at_least_0(group: Mapping[str, Any], *names: str) -> None:
    """Reject numbers below 0, infinite ones and nan.

    Example:
        >>> check_at_least_0({"lr": -1.0}, "lr")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: lr=-1.0: must be a finite number of at least 0
    """
    _check(group, names, lambda x: 0 <= x < math.inf, "a finite number of at least 0")


def check_above_0(group: Mapping[str, Any], *names: str) -> None:
    """Reject numbers of 0 and below, infinite ones and nan.

    Example:
        >>> check_above_0({"final_lr": 0.0}, "final_lr")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: final_lr=0.0: must be a finite number above 0
    """
    _check(group, names, lambda x: 0 < x < math.inf, "a finite number above 0")


def check_below_1(group: Mapping[str, Any], *names: str) -> None:
    """Reject a decay rate below 0, or of 1 and more.

    Example:
        >>> check_below_1({"momentum": 1.0}, "momentum")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: momentum=1.0: must be at least 0 and below 1
    """
    _check(group, names, lambda x: 0 <= x < 1, "at least 0 and below 1")


def check_at_most_1(group: Mapping[str, Any], *names: str) -> None:
    """Reject a share below 0 or above 1.

    Example:
        >>> check_at_most_1({"dampening": 1.5}, "dampening")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: dampening=1.5: must be at least 0 and at most 1
    """
    check_at_least_0(group, *names)
    _check(group, names, lambda x: x <= 1, "at least 0 and at most 1")


def check_betas(group: Mapping[str, Any]) -> None:
    """Reject anything but two decay rates.

    Example:
        >>> check_betas({"betas": (0.9, 1.0)})
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: betas[1]=1.0: must be at least 0 and below 1
    """
    betas = group["betas"]
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ConfigError(f"betas={betas!r}: must be 2 numbers, each at least 0 and below 1")
    for i in range(2):
        check_below_1({f"betas[{i}]": betas[i]}, f"betas[{i}]")


def check_bools(group: Mapping[str, Any], *names: str) -> None:
    """Reject anything but True and False.

    Example:
        >>> check_bools({"nesterov": "no"}, "nesterov")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: nesterov='no': must be True or False
    """
    for name in names:
        if not isinstance(group[name], bool):
            raise ConfigError(f"{name}={group[name]!r}: must be True or False")


def check_parameters(name: str, parameters: Iterable[Tensor]) -> None:
    """Reject sparse parameters, lazily conjugated or negated views, and several types of devices.

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


def _check(group: Mapping[str, Any], names: Iterable[str], fits: Callable[[float], bool], allowed: str) -> None:
    for name in names:
        value = _number(group, name)
        if not fits(value):
            shown = value if isinstance(group[name], Tensor) else group[name]
            raise ConfigError(f"{name}={shown}: must be {allowed}")


def _number(group: Mapping[str, Any], name: str) -> float:
    value = group[name]
    if isinstance(value, Tensor) and name == "lr":
        if value.numel() != 1:
            raise ConfigError(f"{name}: a tensor of shape {tuple(value.shape)}; must be a number, or a tensor of one")
        return float(value)
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ConfigError(f"{name}={value!r}: must be a number")
    return float(value)
