"""A preset as the Python that one would write by hand; the tests run every one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

WIDTH = 88
PARAGRAPH = "\n\n"


def literal(value: Any) -> str:
    """A value as Python source.

    Example:
        >>> literal({"betas": (0.9, 0.999), "shape": "cosine"})
        '{"betas": (0.9, 0.999), "shape": "cosine"}'
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(literal(item) for item in value) + (",)" if len(value) == 1 else ")")
    return repr(value)


def call(path: str, positional: list[str], arguments: Mapping[str, Any]) -> str:
    """A call, on one line where it fits.

    Example:
        >>> call("torch.optim.SGD", ["model.parameters()"], {"lr": 0.1})
        'torch.optim.SGD(model.parameters(), lr=0.1)'
    """
    parts = [*positional, *(f"{name}={literal(value)}" for name, value in arguments.items())]
    line = f"{path}({', '.join(parts)})"
    return line if len(line) <= WIDTH else f"{path}(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def optimizer(path: str, arguments: Mapping[str, Any]) -> str:
    """The optimizer of a preset; the values are those of a checked call."""
    return _import(path) + PARAGRAPH + "optimizer = " + call(path, ["model.parameters()"], arguments)


def scheduler(path: str, arguments: Mapping[str, Any], *, own: bool) -> str:
    """The scheduler of a preset, and who has to call it."""
    known = {"total_steps": 10_000} if own else {}
    code = _import(path) + PARAGRAPH + "scheduler = " + call(path, ["optimizer"], {**arguments, **known})
    if not own:
        return code
    code += "\n# total_steps: optimizer steps of your run; call scheduler.step() after each"
    follows = isinstance(arguments.get("main"), Mapping) and arguments["main"].get("shape") == "plateau"
    return code + ("\n# and scheduler.step_metric(value) after each validation" if follows else "")


def param_groups(rules: list[Any]) -> str:
    """Rules as an argument of the builder."""
    given = {"param_groups": rules} if rules else {}
    built = call("lit_optim.build_optimizer", ['"adamw"', "model"], given)
    return "import lit_optim" + PARAGRAPH + "optimizer = " + built


def callbacks(entries: list[tuple[str, Mapping[str, Any]]]) -> str:
    """Callbacks for ``Trainer(callbacks=...)``."""
    imports = "\n".join(dict.fromkeys(_import(path) for path, _ in entries))
    calls = ", ".join(call(path, [], arguments) for path, arguments in entries)
    return (imports + PARAGRAPH if imports else "") + f"callbacks = [{calls}]"


def _import(path: str) -> str:
    module = path.rpartition(".")[0]
    return "import torch" if module.startswith("torch.") else f"import {module}"
