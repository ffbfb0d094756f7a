"""Write one page for each optimizer and each schedule, from its preset, its class and a measured run."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docs_pages.api import public_names
from docs_pages.equation_notes import LEFT_OUT, NOTES
from docs_pages.equations import EQUATIONS, SAME_RULE
from docs_pages.markdown import cell, code, fenced, printable, table, toctree
from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.describe.preset import info
from lit_optim.config.read import presets
from lit_optim.config.read.command_line import choices
from lit_optim.imports import import_object
from lit_optim.plots.palette import DARK, LIGHT, Palette
from lit_optim.preview.curves import preview
from lit_optim.preview.downsample import downsample

WIDTH = 5.0  # inches of a curve: text of 10 points can be read on a phone
STEPS = ("total_steps=1000", "steps_per_epoch=100")
GROUPS = ("optimizer", "scheduler")
FACTS = ("paper", "source", "search", "untested", "missing")
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
    """Return the overrides of every schedule's curve, by the path of its picture; ``-dark`` is drawn beside it."""
    names = presets.preset_names("scheduler")
    return {f"gallery/scheduler/{name}.svg": ["optimizer=sgd", f"scheduler={name}", *STEPS] for name in names}


def draw(file: Path, overrides: list[str]) -> None:
    """Draw a curve as ``lit-optim preview`` does, for light and for dark pages."""
    from lit_optim.plots.preview import draw_preview  # needs matplotlib

    file.parent.mkdir(parents=True, exist_ok=True)
    one = preview(choices(overrides)[0])
    points = {curve: downsample(curve, one.total_steps) for curve in one.curves}
    figure = draw_preview([one], points, width=WIDTH)
    figure.savefig(file, metadata={"Date": None})
    dark_file(file).write_text(in_the_dark(file.read_text(encoding="utf-8")), encoding="utf-8")


def dark_file(file: Path) -> Path:
    """Return the place of the dark picture beside the light one."""
    return file.with_stem(f"{file.stem}-dark")


def in_the_dark(svg: str) -> str:
    """Give a picture in the colors of light pages those of dark pages.

    Example:
        >>> in_the_dark(f'<path style="fill: {LIGHT.ink}; stroke: {LIGHT.lines[0]}"/>') == (
        ...     f'<path style="fill: {DARK.ink}; stroke: {DARK.lines[0]}"/>'
        ... )
        True
    """
    pairs = zip(colors_of(LIGHT), colors_of(DARK), strict=True)
    new = dict(pairs)
    return re.sub("#[0-9a-f]{6}", lambda found: new.get(found[0], found[0]), svg)


def colors_of(palette: Palette) -> tuple[str, ...]:
    """List the colors of a palette."""
    return (*palette.lines, palette.ink, palette.grid, palette.background, *palette.bands)


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
    alt = f":alt: the learning rate of {name} over 1,000 steps"
    themes = {"light": f"{name}.svg", "dark": f"{name}-dark.svg"}
    return "\n".join(f"```{{image}} ./{file}\n{alt}\n:class: curve only-{x}\n```\n" for x, file in themes.items())


def _page(one: Mapping[str, Any]) -> str:
    """Lay out all that is known of a preset."""
    facts = [[name, cell(one[name])] for name in FACTS if one[name]]
    needs = [["needs", cell(", ".join(one["needs"]))]] if one["needs"] else []
    parts = [
        f"# {one['name']}\n\n{cell(one['summary'])}\n",
        _picture(one["name"]) if one["group"] == "scheduler" else "",
        f"{fenced(one['command_line'], 'bash')}",
        fenced(one["python"], "python") if one["python"] else "",
        equation(one) if one["group"] == "optimizer" else "",
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


def equation(one: Mapping[str, Any]) -> str:
    """Lay out the equations of an optimizer, those of its parts one by one; nothing where its class is the user's."""
    parts = presets.load_preset("optimizer", one["name"]).get("parts")
    if parts:
        names = {name: part["optimizer"] for name, part in parts.items()}
        targets = {preset: presets.load_preset("optimizer", preset)["_target_"] for preset in names.values()}
        each = [f"Of the part {name}:\n\n{_math(preset, targets[preset])}" for name, preset in names.items()]
    else:
        each = [_math(one["name"], one["target"])]
    return "\n".join([*each, f"{LEFT_OUT}\n"]) if any(each) else ""


def _math(preset: str, target: str | None) -> str:
    target = SAME_RULE.get(target or "", target or "")
    text = _of_docstring(target) if target.startswith("lit_optim.") else EQUATIONS.get(target, "")
    note = f"\n{NOTES[preset]}\n" if preset in NOTES else ""
    return f"```{{math}}\n{text}\n```\n{note}" if text else ""


def _of_docstring(target: str) -> str:
    found = re.search(
        r"^\.\. math::\n((?: +.*\n|\n)+)", inspect.getdoc(import_object(target, "target")) or "", re.MULTILINE
    )
    return textwrap.dedent(found[1]).strip() if found else ""
