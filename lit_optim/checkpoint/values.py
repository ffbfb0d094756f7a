"""Reject values in a checkpoint that are no numbers of their range, before a run goes on with them."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Container, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import LBFGS, Optimizer

from lit_optim.config.checks.ranges import check_ranges
from lit_optim.distributed import ORDINARY, local_tensor
from lit_optim.errors import ConfigError, Problems
from lit_optim.state_loading.expected_state import STEP_FLAGS, FirstStates
from lit_optim.state_loading.parameter_names import saved_names
from lit_optim.torch_backend.implementation import FLAGS

LARGEST = 1e10  # of hyper-parameters and of counted steps
SHOWN = 8  # problems in a message
INITIAL = "initial_"
POSITIVE = ("lr", "eps", "weight_decay")
COUNTERS = ("step", "k")
SQUARES = (  # keys of averages and sums of squares, and of step sizes
    *("exp_avg_sq", "max_exp_avg_sq", "max_exp_avg_sqs", "square_avg", "acc_delta", "sum", "exp_inf", "step_size"),
    *("exp_avg_sq_row", "exp_avg_sq_col", "row_var", "col_var", "variance"),
)
STATISTICS = ("running_mean", "running_var")  # of batch norms; other buffers may hold infinities, as masks do
REMEDY = "choose an earlier checkpoint"
OF_STATE = f"{REMEDY}, or begin the optimizer's state anew (resume=reset_optimizer)"


def check_weights(weights: Any, names: Container[str]) -> None:
    """Reject NaN and infinities in the weights of a checkpoint.

    Args:
        weights: its ``state_dict``.
        names: of the parameters.

    Raises:
        ConfigError: with the names.

    Example:
        >>> check_weights({"a": torch.tensor([1.0, float("nan")])}, ["a"])
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: ckpt_path: the weight 'a' holds NaN or infinities (1 of 2 values); choose an ...
    """
    if not isinstance(weights, Mapping):
        raise ConfigError(f"ckpt_path: its state_dict is a {type(weights).__name__}; {REMEDY}")
    own = (name for name in weights if name in names or name.rpartition(".")[2] in STATISTICS)
    found = ((name, _of_tensor(weights[name], "")) for name in own if isinstance(weights[name], Tensor))
    _raise([f"the weight {name!r} {problem}" for name, problem in found if problem], REMEDY)


def check_state_values(saved: Mapping[str, Any], optimizer: Optimizer) -> None:
    """Reject hyper-parameters and state that the class of an optimizer cannot train with.

    Args:
        saved: a state dict of an optimizer.
        optimizer: that is going to load it.

    Raises:
        ConfigError: with group or parameter, value and rule.

    Example:
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
        >>> check_state_values({"state": {}, "param_groups": [{"lr": 1e30, "params": [0]}]}, optimizer)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: ckpt_path: lr=1e+30 in its param group 0: must be a number between 0 and ...
    """
    problems: list[str] = []
    tried: dict[Any, str] = {}
    for i, (group, names) in enumerate(zip(saved["param_groups"], saved_names(saved), strict=True)):
        owner = getattr(optimizer, "parts", {}).get(group.get("part"), optimizer)
        place = f"its param group {group.get('name') or i}"
        for key, value in group.items():
            if key not in ("params", "param_names", "name", "part"):
                known = (type(owner), key, repr(value))
                tried[known] = problem = tried[known] if known in tried else _of_group(key, value, owner)
                problems += [f"{key}={_shown(value)} in {place}: {problem}"] if problem else []
        for number, name in zip(group["params"], names, strict=True):
            where = f"the state of {name or f'parameter {number}'}"
            for key, value in saved["state"].get(number, {}).items():
                problems += [f"{where}: {key!r} {problem}" for problem in _of_state(key, value)]
    _raise(problems, OF_STATE)


def check_has_state(saved: Mapping[str, Any], optimizer: Optimizer, steps: int) -> None:
    """Reject a state that lacks every parameter's entries after some steps of a class that keeps such.

    Raises:
        ConfigError: with the class and the steps.

    Example:
        >>> p = torch.zeros(1, requires_grad=True)
        >>> saved = torch.optim.Adam([p]).state_dict()
        >>> check_has_state(saved, torch.optim.SGD([p]), steps=7)
        >>> check_has_state(saved, torch.optim.Adam([p]), steps=7)
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: ckpt_path: it holds no state of Adam after 7 steps; choose an earlier ...
    """
    if not steps or any(saved["state"].values()) or isinstance(optimizer, LBFGS):
        return
    firsts = FirstStates(optimizer)
    if any(firsts(group, group["params"][0]).required for group in optimizer.param_groups if group["params"]):
        raise ConfigError(f"ckpt_path: it holds no state of {type(optimizer).__name__} after {steps} steps; {OF_STATE}")


def _of_group(key: str, value: Any, owner: Optimizer) -> str:
    """Return what is wrong with the value of a param group; '' if nothing is."""
    name = key.removeprefix(INITIAL)
    arguments = inspect.signature(type(owner)).parameters
    if name in FLAGS:
        return "" if value is None or isinstance(value, bool) else "must be True, False or None"
    if name not in owner.defaults or name not in arguments:
        number = _number(value)
        if number is not None and (math.isnan(number) or (key in COUNTERS and not 0 <= number <= LARGEST)):
            return f"must be a number between 0 and {LARGEST:g}"
        return ""
    expected = owner.defaults[name]
    if name in FLAGS and value is None:  # torch's own choice, where lit-optim has made another
        return ""
    if problem := _of_kind(value, expected):
        return problem
    if repr(value) == repr(expected) or (name == "lr" and not value):
        return ""
    least = 0.0 if name in POSITIVE else -LARGEST
    if not all(least <= number <= LARGEST for number in _numbers(value)):
        return f"must be a number between {least:g} and {LARGEST:g}"
    problems = Problems()
    plain = tuple(value) if isinstance(value, list) else float(value) if isinstance(value, Tensor) else value
    for cls in type(owner).__mro__:
        check_ranges(cls, {name: plain}, "", problems)
    return problems[0].partition(": ")[2] if problems else _refusal(owner, name, plain)


def _of_kind(value: Any, expected: Any) -> str:
    if isinstance(expected, bool):
        return "" if isinstance(value, bool) else "must be True or False"
    if _number(expected) is not None:
        return "" if _number(value) is not None else "must be a number"
    if isinstance(expected, (tuple, list)) and all(_number(item) is not None for item in expected):
        fits = isinstance(value, (tuple, list)) and len(value) == len(expected)
        fits = fits and all(_number(item) is not None for item in value)
        return "" if fits else f"must be {len(expected)} numbers"
    return ""


def _refusal(owner: Optimizer, name: str, value: Any) -> str:
    """Return why the class of an optimizer takes no such argument; '' if it does, or takes none here at all."""
    parameters = inspect.signature(type(owner)).parameters
    arguments = {k: v for k, v in owner.defaults.items() if k in parameters}
    arguments.update({flag: False for flag in STEP_FLAGS if flag in arguments})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            type(owner)([torch.zeros(2, 2, requires_grad=True)], **arguments)
        except Exception:
            return ""
        try:
            type(owner)([torch.zeros(2, 2, requires_grad=True)], **{**arguments, name: value})
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            return f"{type(owner).__name__} refuses it: {reason}"
    return ""


def _of_state(key: Any, value: Any) -> Iterator[str]:
    """Yield what is wrong with an entry of a parameter's state."""
    number = _number(value)
    if key in COUNTERS and number is not None:
        if not 0 <= number <= LARGEST:
            yield f"is {number:g}, and should be a number between 0 and {LARGEST:g}"
    elif isinstance(value, Tensor):
        problem = _of_tensor(value, "" if key not in SQUARES else "it cannot have such")
        if problem:
            yield problem
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _of_state(key, item)
    elif isinstance(value, Mapping):
        for inner, item in value.items():
            yield from _of_state(inner, item)
    elif isinstance(value, float) and math.isnan(value):
        yield "is NaN"


def _of_tensor(value: Tensor, negative: str) -> str:
    """Return what is wrong with a tensor, in one pass over it.

    Args:
        value: of any kind; quantized ones are not read.
        negative: why values below 0 are wrong; '' if they are not.
    """
    x = local_tensor(value.detach())
    readable = type(x) in ORDINARY and x.layout is torch.strided and x.device.type != "meta"
    if not readable or not x.numel() or not (x.is_floating_point() or x.is_complex()):
        return ""
    x = torch.view_as_real(x.resolve_conj()) if x.is_complex() else x
    x = x.float() if x.itemsize == 1 else x  # torch knows little of 8-bit floats
    low, high = (float(end) for end in torch.aminmax(x))
    if not (math.isfinite(low) and math.isfinite(high)):
        return f"holds NaN or infinities ({int((~torch.isfinite(x)).sum())} of {x.numel()} values)"
    return f"holds values below 0 ({low:g}), and {negative}" if negative and low < 0 else ""


def _number(value: Any) -> float | None:
    if isinstance(value, Tensor):
        value = local_tensor(value)  # of a sharded one, some ranks hold nothing
        return float(value) if value.numel() == 1 and not value.is_complex() else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _numbers(value: Any) -> list[float]:
    values = value if isinstance(value, (tuple, list)) else (value,)
    return [number for number in map(_number, values) if number is not None]


def _shown(value: Any) -> str:
    text = f"{float(value):g}" if isinstance(value, Tensor) and value.numel() == 1 else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _raise(problems: list[str], remedy: str) -> None:
    if problems:
        *others, last = problems[:SHOWN]
        more = len(problems) - SHOWN
        last = f"{last}; and {more} more" if more > 0 else last
        raise ConfigError(*(f"ckpt_path: {problem}" for problem in others), f"ckpt_path: {last}; {remedy}")
