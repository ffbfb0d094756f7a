"""Writes a preset as the Python that one would write by hand; the tests run every one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDTH = 88


def literal(value: Any) -> str:
    """Write a value as Python source, with double quotes.

    Example:
        >>> literal({"betas": (0.9, 0.999), "shape": "cosine"})
        '{"betas": (0.9, 0.999), "shape": "cosine"}'
    """
    text = repr(value)
    return text if '"' in text else text.replace("'", '"')


def call(path: str, positional: list[str], arguments: Mapping[str, Any]) -> str:
    """Write a call, on one line where it fits.

    Example:
        >>> call("torch.optim.SGD", ["model.parameters()"], {"lr": 0.1})
        'torch.optim.SGD(model.parameters(), lr=0.1)'
    """
    parts = [*positional, *(f"{name}={literal(value)}" for name, value in arguments.items())]
    line = f"{path}({', '.join(parts)})"
    return line if len(line) <= WIDTH else f"{path}(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def optimizer(path: str, arguments: Mapping[str, Any]) -> str:
    """Write the optimizer of a preset; the values are those of a checked call."""
    params = "model" if "parts" in arguments else "model.parameters()"
    return f"{_import(path)}\n\noptimizer = {call(path, [params], arguments)}"


def scheduler(path: str, arguments: Mapping[str, Any], *, own: bool) -> str:
    """Write the scheduler of a preset; for a ScheduleLR also the calls that drive it.

    Args:
        path: import path of the class.
        arguments: of the preset.
        own: whether the class is ScheduleLR.
    """
    known = {"total_steps": 10_000} if own else {}
    code = f"{_import(path)}\n\nscheduler = {call(path, ['optimizer'], {**arguments, **known})}"
    if own:
        code += "\n# total_steps: optimizer steps of your run; call scheduler.step() after each"
        if isinstance(main := arguments.get("main"), Mapping) and main.get("shape") == "plateau":
            code += "\n# and scheduler.step_metric(value) after each validation"
    return code


def recipe_specs(name: str) -> str:
    """Write how a module gets the specs of a recipe."""
    return f'import lit_optim\n\nspecs = lit_optim.recipe("{name}")  # LitNet(net, **specs), with the mixin'


def param_groups(preset: Mapping[str, Any]) -> str:
    """Write rules as an argument of the builder."""
    arguments = {"param_groups": dict(preset)} if any(preset.values()) else {}
    built = call("lit_optim.build_optimizer", ['"adamw"', "model"], arguments)
    return f"import lit_optim\n\noptimizer = {built}"


def callbacks(entries: list[tuple[str, Mapping[str, Any]]]) -> str:
    """Write callbacks for ``Trainer(callbacks=...)``."""
    imports = "\n".join(dict.fromkeys(_import(path) for path, _ in entries))
    calls = ", ".join(call(path, [], arguments) for path, arguments in entries)
    return f"{imports}\n\ncallbacks = [{calls}]".lstrip()


def _import(path: str) -> str:
    return "import torch" if path.startswith("torch.") else f"import {path.rpartition('.')[0]}"
