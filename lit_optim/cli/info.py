"""``lit-optim info``: shows all about a preset.

examples:
  lit-optim info adamw
  lit-optim info scheduler/warmup_cosine
  lit-optim info none                      # of several groups: all are shown
  lit-optim info adamw nadamw              # side by side

type and default are those of the class in the version that is installed; 'preset' is
the value that the preset gives, empty where it leaves the default.
Presets of optim_callbacks take longer, for they import lightning.
"""  # noqa: D405  # --help shows these lines

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import Any

from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.describe.preset import find_presets, info
from lit_optim.cli.rendering import Block, Code, Heading, Table, show

FACTS = ("paper", "source", "search", "checked", "clip", "second", "untested", "missing")
HEAD = ("key", "type", "default", "preset", "meaning")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("names", nargs="+", metavar="NAME", help="a preset: adamw, or optimizer/adamw")


def run(args: argparse.Namespace) -> int:
    """Show the presets of that name."""
    found = [info(*preset) for preset in dict.fromkeys(each for name in args.names for each in find_presets(name))]
    blocks: list[Block] = []
    if len(args.names) > 1 and len(found) > 1:
        blocks = compared_blocks(found)
    else:
        groups = [one["group"] for one in found]
        blocks += [f"{args.names[0]} is in {len(found)} groups: {', '.join(groups)}", ""] if len(found) > 1 else []
        blocks += [block for one in found for block in info_blocks(one)]
    data = [{**one, "keys": [vars(key) for key in one["keys"]]} for one in found]
    show(blocks, data={"presets": _jsonable(data)}, as_json=args.json)
    return 0


def info_blocks(one: Mapping[str, Any]) -> list[Block]:
    """Lay the data of a preset out as text blocks."""
    facts = {
        "class": one["target"],
        "needs": ", ".join(one["needs"]) or "nothing in particular",
        "can": ", ".join(f"{column} {_cell(value)}" for column, value in (one["measured"] or {}).items()),
        **{name: one[name] for name in FACTS},
    }
    rows = [[name, text] for name, text in facts.items() if text]
    blocks: list[Block] = [Heading(f"{one['group']}/{one['name']}"), one["summary"], "", Table((), rows), ""]
    keys = []
    for key in one["keys"]:
        kind = key.type.replace(" | Tensor", "")  # which no configuration can hold
        default = "required" if key.required else as_config_value(key.default)
        keys.append([key.key, kind, default, as_config_value(key.preset) if key.in_preset else "", key.meaning])
    blocks += [Table(HEAD, keys), ""] if keys else []
    blocks += [Heading("Python"), Code(one["python"]), ""] if one["python"] else []
    return [*blocks, Heading("Command line"), Code(one["command_line"]), ""]


def compared_blocks(found: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Lay presets out side by side: what each is, then a row a key; the class's default where a preset has no value."""
    names = [f"{one['group']}/{one['name']}" for one in found]
    columns = []
    for one in found:
        facts = {"class": one["target"] or "", "needs": ", ".join(one["needs"])}
        can = {name: _cell(value) for name, value in (one["measured"] or {}).items()}
        keys = {key.key: as_config_value(key.preset if key.in_preset else key.default) for key in one["keys"]}
        columns.append({**facts, **can, **keys})
    rows = dict.fromkeys(name for column in columns for name in column)
    summaries = [[name, one["summary"]] for name, one in zip(names, found, strict=True)]
    table = [[row, *(column.get(row, "") for column in columns)] for row in rows]
    table = [row for row in table if any(row[1:])]
    return [Table((), summaries), "", Table(("key", *names), table), ""]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g} a parameter" if isinstance(value, float) else str(value)


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _jsonable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    finite = not isinstance(value, float) or math.isfinite(value)  # JSON has no infinity
    return value if finite and isinstance(value, (str, int, float, type(None))) else str(value)
