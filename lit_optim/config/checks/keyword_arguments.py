"""Check keyword arguments against the signature of a class in its installed version."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from lit_optim.config.checks.coerce import Mismatch, coerce, not_finite
from lit_optim.config.checks.nested_objects import NestedCheck, build_nested
from lit_optim.config.checks.signature import CallSignature, call_signature
from lit_optim.errors import Problems, did_you_mean

DROPPED = {  # arguments that torch, or an optimizer that people move from, once had
    "verbose": "drop it: torch has removed it; LearningRateMonitor of Lightning logs the lr",
    "correct_bias": "drop it: of the AdamW that Hugging Face has removed; here the bias is always corrected",
    "no_deprecation_warning": "drop it: of the AdamW that Hugging Face has removed",
    "adam_w_mode": "drop it: of apex; adam and adamw are two optimizers here",
    "set_grad_none": "drop it: of apex; Lightning sets gradients to None",
    "print_change_log": "drop it: it only printed a note",
}


def _nearest_argument(name: str, known: Sequence[str]) -> str:
    return did_you_mean(name, known, list_all=True)


def check_call(
    target: Any,
    arguments: Mapping[str, Any],
    key: str,
    problems: Problems,
    *,
    supplied: int = 0,
    finite: bool = False,
    unchecked: Container[str] = (),
    suggest: Callable[[str, Sequence[str]], str] = _nearest_argument,
    check_nested: NestedCheck | None = None,
) -> dict[str, Any]:
    """Convert the arguments of a call to the types that ``target`` expects, and collect all problems.

    Args:
        target: class or function.
        arguments: keyword arguments as configured.
        key: dotted name of the spec, for messages.
        problems: collects one line per wrong key or value.
        supplied: how many leading parameters the caller will fill in (``params``, ``optimizer``, ``total_steps``).
        finite: reject NaN and infinities.
        unchecked: names whose values the caller checks.
        suggest: ``(unknown name, known ones) -> the tail of the message``.
        check_nested: checks the arguments of objects inside the arguments; default: this function.

    Example:
        >>> import torch
        >>> found = Problems()
        >>> check_call(torch.optim.AdamW, {"lr": "1e-4", "betas": [0.9, 0.99]}, "optimizer", found, supplied=1), found
        ({'lr': 0.0001, 'betas': (0.9, 0.99)}, [])
        >>> _ = check_call(torch.optim.AdamW, {"lrr": 1e-4}, "optimizer", found, supplied=1); print(found[0])
        optimizer.lrr=0.0001: AdamW has no argument 'lrr'; did you mean 'lr'?
    """
    name = getattr(target, "__name__", str(target))
    signature = call_signature(target, supplied)
    clean: dict[str, Any] = {}
    for argument, given in _without_unset(arguments).items():
        where, hint, found = f"{key}.{argument}", signature.hints.get(argument, Any), Problems()
        value = given
        if argument not in unchecked:
            value = build_nested(given, where, found, check_nested or checked_arguments, hint)
        if finite and hint is Any:
            value = _text_as_number(value)  # without a hint: a number as text is never meant
        if found:
            problems.extend(found)
        elif argument in signature.supplied:
            problems.add(where, value, f"{name} is given {argument!r} at run time; remove it")
        elif _is_unknown(target, argument, signature):
            hint_at = f"; {DROPPED[argument]}" if argument in DROPPED else suggest(argument, list(signature.hints))
            problems.add(where, value, f"{name} has no argument {argument!r}{hint_at}")
        elif argument not in signature.hints or argument in unchecked:
            clean[argument] = value
        else:
            try:
                clean[argument] = coerce(value, hint)
                if finite and not_finite(clean[argument]):
                    raise Mismatch("expects a finite number")
            except Mismatch as mismatch:
                problems.add(where, value, f"{name} {mismatch}")
    for argument in signature.required:
        if argument not in arguments:
            problems.append(f"{key}.{argument}: {name} needs a value for it")
    return clean


def _without_unset(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out ``verbose="deprecated"``: torch 2.6's own default, which LightningCLI writes into a spec."""
    if str(arguments.get("verbose")) != "deprecated":
        return arguments
    return {name: value for name, value in arguments.items() if name != "verbose"}


def _is_unknown(target: Any, argument: str, signature: CallSignature) -> bool:
    """Return whether a call does not take an argument; torch 2.6 takes ``verbose``, and warns that it will not."""
    if argument == "verbose" and str(getattr(target, "__module__", "")).startswith("torch.optim."):
        return True
    return argument not in signature.hints and not signature.takes_any


def checked_arguments(
    cls: type, arguments: Mapping[str, Any], key: str, check_nested: NestedCheck | None = None
) -> dict[str, Any]:
    """Check the arguments of a call as `check_call` does, and raise what it finds.

    Raises:
        ConfigError: with all that is wrong.
    """
    problems = Problems()
    checked = check_call(cls, arguments, key, problems, check_nested=check_nested)
    problems.raise_if_any()
    return checked


def _text_as_number(value: Any) -> Any:
    """Convert a text that is a number to the number, also in a list."""
    if type(value) in (list, tuple):
        return type(value)(_text_as_number(item) for item in value)
    try:
        return coerce(value, float) if isinstance(value, str) else value
    except Mismatch:
        return value
