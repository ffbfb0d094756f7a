"""Write one page for each optimizer and each schedule, from its preset, its class and a measured run."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docs_pages.api import public_names
from docs_pages.markdown import cell, code, fenced, printable, table, toctree
from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.describe.preset import info
from lit_optim.config.read import presets
from lit_optim.config.read.command_line import choices
from lit_optim.errors import ConfigError
from lit_optim.imports import import_object
from lit_optim.plots.preview import draw_preview
from lit_optim.preview.curves import preview
from lit_optim.preview.downsample import downsample

STEPS = ("total_steps=1000", "steps_per_epoch=100")
WIDTH = 4.8  # inches of a curve
GROUPS = ("optimizer", "scheduler")
FACTS = ("paper", "source", "untested", "missing")
MEASURED = {
    "sparse": "sparse gradients",
    "complex": "complex parameters",
    "bf16": "bfloat16 parameters",
    "fused": "`fused`",
    "foreach": "`foreach`",
    "compile": "`compile`",
    "state_bytes": "state",
    "ddp": "DDP",
    "fsdp2": "FSDP2",
    "resumes": "resumes to the bit",
}
INTROS = {
    "optimizer": """# Optimizers

Choose one with `optimizer=NAME`, or `optimizer="NAME"` in Python. *State* is the memory beside weights and gradients.
""",
    "scheduler": """# Schedules

Choose one with `scheduler=NAME`. Every curve here is drawn over 1,000 optimizer steps; `lit-optim preview scheduler=NAME
total_steps=10000` draws yours. Presets with `warmup_` in front are the same after a linear warmup.
""",
}


def pages() -> dict[str, str]:
    """Return one page a preset, and one that lists them for each group."""
    found = {}
    for group in GROUPS:
        every = {name: info(group, name) for name in presets.preset_names(group)}
        found[f"gallery/{group}/index.md"] = INTROS[group] + _listed(group, every)
        found |= {f"gallery/{group}/{name}.md": _page(one) for name, one in every.items()}
    return found


def pictures() -> dict[str, list[str]]:
    """Return the overrides of every schedule's curve, by the path of its picture."""
    names = presets.preset_names("scheduler")
    return {f"gallery/scheduler/{name}.svg": ["optimizer=sgd", f"scheduler={name}", *STEPS] for name in names}


def draw(file: Path, overrides: list[str]) -> None:
    """Draw a curve as ``lit-optim preview`` does, in a width that can be read on a phone."""
    file.parent.mkdir(parents=True, exist_ok=True)
    one = preview(choices(overrides)[0])
    points = {curve: downsample(curve, one.total_steps) for curve in one.curves}
    draw_preview([one], points, width=WIDTH).savefig(file)


def _listed(group: str, every: Mapping[str, Any]) -> str:
    names = toctree(every)
    if group == "scheduler":
        cards = "\n".join(_card(name, one) for name, one in every.items())
        return f"\n{cards}\n{names}"
    rows = [
        [f"[{cell(name)}](./{name}.md)", cell(one["summary"]), cell(", ".join(one["needs"]))]
        for name, one in every.items()
    ]
    return f"\n{table(['preset', 'what it is', 'needs'], rows)}\n{names}"


def _card(name: str, one: Mapping[str, Any]) -> str:
    return f"## [{name}](./{name}.md)\n\n{cell(one['summary'])}\n\n{_picture(name)}\n"


def _picture(name: str) -> str:
    return f"```{{image}} ./{name}.svg\n:alt: the learning rate of {name} over 1,000 steps\n:class: curve\n```\n"


def _page(one: Mapping[str, Any]) -> str:
    """Lay out all that is known of a preset."""
    facts = [[name, cell(one[name])] for name in FACTS if one[name]]
    needs = [["needs", cell(", ".join(one["needs"]))]] if one["needs"] else []
    parts = [
        f"# {one['name']}\n\n{cell(one['summary'])}\n",
        _picture(one["name"]) if one["group"] == "scheduler" else "",
        f"{fenced(one['command_line'], 'bash')}",
        fenced(one["python"], "python") if one["python"] else "",
        _equation(one["target"]),
        table(["", ""], [["class", _class(one["target"])], *needs, *facts]),
        _capabilities(one["measured"]),
        _keys(one["keys"]),
    ]
    return "\n".join(filter(None, parts))


def _keys(keys: Any) -> str:
    rows = []
    for key in keys:
        default = "required" if key.required else code(as_config_value(key.default))
        given = code(printable(as_config_value(key.preset), 60)) if key.in_preset else ""
        kind = code(printable(key.type.replace(" | Tensor", ""), 40))
        rows.append([code(key.key), kind, given, default, cell(key.meaning)])
    return f"## Keys\n\n{table(['key', 'type', 'preset', 'class', 'meaning'], rows)}" if rows else ""


def _capabilities(measured: Mapping[str, Any] | None) -> str:
    """Lay out the row of the capability table."""
    if not measured:
        return ""
    cells = {name: _measured(measured[name]) for name in MEASURED if name in measured}
    rows = [[MEASURED[name], text] for name, text in cells.items()]
    return f"## Measured\n\n{table(['what', 'result'], rows)}\n*wrong*: it runs, and computes something else.\n"


def _measured(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g} bytes a parameter" if isinstance(value, float) else str(value)


def _class(target: str | None) -> str:
    """Link a class to its page, here or in torch's documentation."""
    ours = {f"{one.value.__module__}.{one.name}": one.path for one in public_names() if inspect.isclass(one.value)}
    path = ours.get(target or "", target or "")
    known = path in {*ours.values()} or path.startswith("torch.optim.")
    return f"{{py:class}}`{path}`" if known else code(path)


def _equation(target: str | None) -> str:
    """Return the equation of a class of ours, from its docstring."""
    if not (target or "").startswith("lit_optim."):
        return ""
    try:
        text = inspect.getdoc(import_object(target or "", "target")) or ""
    except ConfigError:
        return ""
    found = re.search(r"^\.\. math::\n((?: +.*\n|\n)+)", text, re.MULTILINE)
    return f"```{{math}}\n{textwrap.dedent(found[1]).strip()}\n```\n" if found else ""
