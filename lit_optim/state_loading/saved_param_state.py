"""Check the saved state of one parameter against what its optimizer keeps for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from lit_optim.distributed import ORDINARY, is_sharded
from lit_optim.errors import ConfigError
from lit_optim.state_loading.expected_state import FirstState, TensorLike

SHADOW_KEYS = re.compile(r"slow(_.+)?|average|live_while_.+")  # of shadow weights


def loadable_state(entry: Mapping[str, Any], first: FirstState, p: Tensor, *, strict: bool) -> dict[str, Any]:
    """Return a saved state as it may be loaded: numbers in the form that the class keeps, without None.

    Args:
        entry: saved state of a parameter.
        first: what its class makes in a first step.
        p: the parameter.
        strict: whether keys that it does not make must have the parameter's shape.

    Raises:
        ConfigError: with the first problem; the text follows the name of the parameter.
    """
    lacking = sorted(repr(key) for key in first.required if entry.get(key) is None)
    if lacking and own_state(entry):
        raise ConfigError(f"its state ({', '.join(map(str, entry))}) lacks {', '.join(lacking)}")
    loaded = {}
    for key, value in entry.items():
        if value is None:
            continue
        loaded[key] = value
        if (expected := (first.state or {}).get(key)) is not None:
            loaded[key] = _as_expected(repr(key), value, expected, p)
        elif strict or is_shadow_key(key):
            _check_extra(repr(key), value, p)
    return loaded


def own_state(entry: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return the optimizer's entries of a state, without the shadow weights.

    Example:
        >>> own_state({"momentum_buffer": None, "slow": torch.zeros(1), "step": 1})
        {'step': 1}
    """
    return {key: value for key, value in entry.items() if value is not None and not is_shadow_key(key)}


def is_shadow_key(key: Any) -> bool:
    """Return whether shadow weights, and not the optimizer, keep a key."""
    return isinstance(key, str) and SHADOW_KEYS.fullmatch(key) is not None


def _as_expected(key: str, value: Any, expected: Any, p: Tensor) -> Any:
    if isinstance(expected, TensorLike):
        return _tensor(key, value, expected, p)
    if isinstance(expected, Mapping):
        if not isinstance(value, Mapping) or value.keys() != expected.keys():
            raise ConfigError(f"{key} is {_kind(value)}, and should be a mapping of {', '.join(map(str, expected))}")
        return {k: _as_expected(f"{key}[{k!r}]", v, expected[k], p) for k, v in value.items()}
    if isinstance(expected, list):
        if not isinstance(value, (list, tuple)) or len(value) != len(expected):
            raise ConfigError(f"{key} is {_kind(value)}, and should be a list of {len(expected)}")
        pairs = zip(value, expected, strict=True)
        return type(value)([_as_expected(f"{key}[{i}]", v, e, p) for i, (v, e) in enumerate(pairs)])
    if isinstance(expected, (bool, str)) and not isinstance(value, type(expected)):
        raise ConfigError(f"{key} is {_kind(value)}, and should be a {type(expected).__name__}")
    if isinstance(expected, (int, float)) and not _is_number(value):
        raise ConfigError(f"{key} is {_kind(value)}, and should be a number")
    return value


def _tensor(key: str, value: Any, expected: TensorLike, p: Tensor) -> Tensor:
    """Return a tensor as the class keeps it; numbers become tensors, and numbers in tensors take shape and dtype."""
    scalar = expected.shape is not None and torch.Size(expected.shape).numel() == 1
    if scalar and isinstance(value, (int, float)) and not isinstance(value, bool):
        return torch.full(expected.shape or (), value, dtype=expected.dtype)
    if not isinstance(value, Tensor):
        raise ConfigError(f"{key} is {_kind(value)}, and should be a tensor of shape {expected.shape}")
    if expected.shape is None:
        raise ConfigError(f"{key} has shape {tuple(value.shape)}, which does not follow from the parameter's")
    if tuple(value.shape) != expected.shape and not (scalar and value.numel() == 1):
        raise ConfigError(f"{key} has shape {tuple(value.shape)}, and should have {expected.shape}")
    _check_memory(key, value, p)
    saved, kept = (
        Tensor if cls in ORDINARY else cls for cls in (type(value), expected.cls)
    )  # quantized ones are others
    if saved is not kept and not is_sharded(value):
        raise ConfigError(f"{key} is a {saved.__name__}, and should be a {kept.__name__}")
    _check_dtype(key, value, expected.dtype, number=scalar)
    if scalar and (value.dtype != expected.dtype or tuple(value.shape) != expected.shape):
        return value.to(expected.dtype).reshape(expected.shape)
    if value.is_complex():  # torch casts real ones only
        return value.to(expected.dtype)
    return value.contiguous() if 0 in value.stride() else value  # of an expanded tensor, whose elements share memory


def _check_dtype(key: str, value: Tensor, dtype: torch.dtype, *, number: bool) -> None:
    """Reject a dtype that torch cannot cast without loss of meaning; a counter may be a float or an integer."""
    both = (value.dtype, dtype)
    real = not any(each.is_complex or each is torch.bool for each in both)
    floating = all(each.is_floating_point for each in both) or all(each.is_complex for each in both)
    if not (value.dtype == dtype or floating or (number and real)):
        raise ConfigError(f"{key} is of dtype {str(value.dtype)[6:]}, and should be of {str(dtype)[6:]}")


def _check_memory(key: str, value: Tensor, p: Tensor) -> None:
    """Reject tensors without data, sparse ones, and whole ones where the parameter is sharded or the reverse."""
    if value.device.type == "meta" and p.device.type != "meta":
        raise ConfigError(f"{key} is on the meta device, so it has no values")
    if value.layout is not torch.strided:
        raise ConfigError(f"{key} has layout {value.layout}, and should be dense")
    if value.ndim and is_sharded(value) != is_sharded(p):
        one, other = ("sharded", "whole") if is_sharded(value) else ("whole", "sharded")
        advice = "load it by torch.distributed.checkpoint.state_dict.set_optimizer_state_dict"
        raise ConfigError(f"{key} is {one} and the parameter {other}; {advice}")


def _check_extra(key: str, value: Any, p: Tensor) -> None:
    """Reject a tensor without the parameter's shape, for a key that a first step does not create."""
    if isinstance(value, Tensor):
        if value.shape != p.shape and value.numel() != 1:
            raise ConfigError(f"{key} has shape {tuple(value.shape)}, and should have {tuple(p.shape)}")
        _check_memory(key, value, p)
        if value.numel() != 1 or (value.is_complex() and not p.is_complex()):
            _check_dtype(key, value, p.dtype, number=False)
    elif isinstance(value, (list, tuple)):
        for i, part in enumerate(value):
            _check_extra(f"{key}[{i}]", part, p)


def _is_number(value: Any) -> bool:
    if isinstance(value, Tensor):
        return value.numel() == 1 and not value.is_complex()
    return isinstance(value, (int, float))


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return "None" if value is None else f"a {type(value).__name__}"
