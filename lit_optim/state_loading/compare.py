"""A saved entry of one parameter against the one that its optimizer keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lit_optim.distributed import is_sharded
from lit_optim.state_loading.first_state import First, Like

FOLLOWERS = re.compile(r"slow(_.+)?|average|live_while_.+")  # keys of second weights


class Misfit(Exception):
    """What does not fit, in words that follow the name of the parameter."""


def compared(entry: Mapping[str, Any], first: First, p: Tensor, *, strict: bool) -> dict[str, Any]:
    """The entry as it may be loaded: numbers and their tensors in the form that the class keeps, without None.

    Args:
        entry: saved state of a parameter.
        first: what its class makes in a first step.
        p: the parameter.
        strict: whether keys that it does not make must have the parameter's shape.

    Raises:
        Misfit: with the first thing that does not fit.
    """
    expected = first.state or {}
    missing = [key for key in expected if key in first.required and entry.get(key) is None]
    missing = [key for key in missing if expected[key] is not None]
    if missing:
        raise Misfit(f"its state ({', '.join(map(str, entry))}) lacks {', '.join(map(repr, missing))}")
    after = {}
    for key, value in entry.items():
        if expected.get(key) is not None:
            after[key] = _fitting(repr(key), value, expected[key], p)
        elif value is not None:
            _check_extra(repr(key), value, p, strict or is_followers(key))
            after[key] = value
    return after


def own_state(entry: Mapping[Any, Any]) -> dict[Any, Any]:
    """What an optimizer itself keeps in an entry, without what second weights keep there.

    Example:
        >>> own_state({"momentum_buffer": None, "slow": torch.zeros(1), "step": 1})
        {'step': 1}
    """
    return {key: value for key, value in entry.items() if value is not None and not is_followers(key)}


def is_followers(key: Any) -> bool:
    """Whether second weights, and not the optimizer, keep a key."""
    return isinstance(key, str) and FOLLOWERS.fullmatch(key) is not None


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two entries hold the same objects."""
    return one.keys() == other.keys() and all(one[key] is other[key] for key in one)


def _fitting(key: str, value: Any, expected: Any, p: Tensor) -> Any:
    if isinstance(expected, Like):
        return _tensor(key, value, expected, p)
    if isinstance(expected, (bool, str)):
        if not isinstance(value, type(expected)):
            raise Misfit(f"{key} is {_kind(value)}, and should be a {type(expected).__name__}")
        return value
    if isinstance(expected, (int, float)):
        if not (isinstance(value, (int, float)) or (isinstance(value, Tensor) and _is_number(value))):
            raise Misfit(f"{key} is {_kind(value)}, and should be a number")
        return value
    if isinstance(expected, Mapping):
        if not isinstance(value, Mapping) or value.keys() != expected.keys():
            raise Misfit(f"{key} is {_kind(value)}, and should be a mapping of {', '.join(map(str, expected))}")
        again = {k: _fitting(f"{key}[{k!r}]", v, expected[k], p) for k, v in value.items()}
        return value if is_same(again, value) else again
    if isinstance(expected, list):
        if not isinstance(value, (list, tuple)) or len(value) != len(expected):
            raise Misfit(f"{key} is {_kind(value)}, and should be a list of {len(expected)}")
        parts = [_fitting(f"{key}[{i}]", v, e, p) for i, (v, e) in enumerate(zip(value, expected, strict=True))]
        return value if all(a is b for a, b in zip(parts, value, strict=True)) else type(value)(parts)
    return value


def _tensor(key: str, value: Any, expected: Like, p: Tensor) -> Any:
    """A tensor as the class keeps it; numbers become tensors, and numbers in tensors take the shape and dtype."""
    scalar = expected.shape is not None and torch.Size(expected.shape).numel() == 1
    if scalar and isinstance(value, (int, float)) and not isinstance(value, bool):
        return torch.full(expected.shape or (), value, dtype=expected.dtype)
    if not isinstance(value, Tensor):
        raise Misfit(f"{key} is {_kind(value)}, and should be a tensor of shape {expected.shape}")
    if expected.shape is None:
        raise Misfit(f"{key} has shape {tuple(value.shape)}, which does not follow from the parameter's")
    if tuple(value.shape) != expected.shape and not (scalar and value.numel() == 1):
        raise Misfit(f"{key} has shape {tuple(value.shape)}, and should have {expected.shape}")
    _check_memory(key, value, p)
    _check_type(key, value, expected)
    if scalar and (value.dtype != expected.dtype or tuple(value.shape) != expected.shape):
        _check_dtype(key, value, expected.dtype, number=True)
        return value.to(expected.dtype).reshape(expected.shape or ())
    _check_dtype(key, value, expected.dtype, number=scalar)
    if value.is_complex() and value.dtype != expected.dtype:  # torch casts real ones only
        return value.to(expected.dtype)
    overlaps = value.layout is torch.strided and any(
        s == 0 and n > 1 for s, n in zip(value.stride(), value.shape, strict=True)
    )
    return value.contiguous() if overlaps else value


def _check_dtype(key: str, value: Tensor, dtype: torch.dtype, *, number: bool) -> None:
    kinds = [_dtype_kind(value.dtype), _dtype_kind(dtype)]
    if kinds[0] != kinds[1] and not (number and set(kinds) == {"whole", "floating"}):
        raise Misfit(f"{key} is of dtype {str(value.dtype)[6:]}, and should be of {str(dtype)[6:]}")
    if kinds[0] == "whole" and value.dtype != dtype and not number:
        raise Misfit(f"{key} is of dtype {str(value.dtype)[6:]}, and should be of {str(dtype)[6:]}")


def _dtype_kind(dtype: torch.dtype) -> str:
    if dtype.is_complex:
        return "complex"
    if dtype is torch.bool:
        return "bool"
    return "floating" if dtype.is_floating_point else "whole"


def _check_memory(key: str, value: Tensor, p: Tensor) -> None:
    """Refuses tensors without data, sparse ones, and whole ones where the parameter is sharded or the reverse."""
    if value.device.type == "meta" and p.device.type != "meta":
        raise Misfit(f"{key} is on the meta device, so it has no values")
    if value.layout is not torch.strided:
        raise Misfit(f"{key} has layout {value.layout}, and should be dense")
    if value.ndim and is_sharded(value) != is_sharded(p):
        one, other = ("sharded", "whole") if is_sharded(value) else ("whole", "sharded")
        raise Misfit(
            f"{key} is {one} and the parameter {other}; load it by torch.distributed.checkpoint.state_dict."
            "set_optimizer_state_dict"
        )


def _check_type(key: str, value: Tensor, expected: Like) -> None:
    """Refuses plain tensors where a class keeps tensors of its own (quantized ones), and the reverse."""
    ordinary = (Tensor, torch.nn.Parameter)
    if type(value) is not expected.cls and not is_sharded(value) and type(value) not in ordinary:
        raise Misfit(f"{key} is a {type(value).__name__}, and should be a {expected.cls.__name__}")
    if expected.cls not in ordinary and type(value) in ordinary:
        raise Misfit(f"{key} is a plain tensor, and should be a {expected.cls.__name__}")


def _check_extra(key: str, value: Any, p: Tensor, strict: bool) -> None:
    """A key that the class has not made in its first step: it may have any shape, unless that is known to harm."""
    if not strict:
        return
    if isinstance(value, Tensor):
        if value.shape != p.shape and value.numel() != 1:
            raise Misfit(f"{key} has shape {tuple(value.shape)}, and should have {tuple(p.shape)}")
        _check_memory(key, value, p)
        if value.numel() != 1:
            _check_dtype(key, value, p.dtype, number=False)
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            _check_extra(f"{key}[{i}]", part, p, strict)


def _is_number(value: Tensor) -> bool:
    return value.numel() == 1 and not value.is_complex()


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"
