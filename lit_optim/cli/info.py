"""``lit-optim info``: shows all about a preset."""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.list import preset_data
from lit_optim.cli.preset import Info, info, named
from lit_optim.cli.rendering import Block, Code, Heading, Table, show

HEAD = ("key", "type", "default", "preset", "meaning")
EXAMPLES = """examples:
  lit-optim info adamw
  lit-optim info scheduler/warmup_cosine
  lit-optim info none                      # of several groups: all are shown

type and default are those of the class in the version that is installed; 'preset' is
the value that the preset gives, empty where it leaves the default.
Presets of optim_callbacks take longer, for they import lightning."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of the verb."""
    parser.epilog = EXAMPLES
    parser.add_argument("name", metavar="NAME", help="a preset: adamw, or optimizer/adamw")


def run(args: argparse.Namespace) -> int:
    """Shows the presets of that name."""
    found = [info(group, name) for group, name in named(args.name)]
    blocks: list[Block] = []
    if len(found) > 1:
        blocks = [f"{args.name} is in {len(found)} groups: {', '.join(i.header.group for i in found)}", ""]
    for one in found:
        blocks += info_blocks(one)
    show(blocks, data={"presets": [info_data(one) for one in found]}, as_json=args.json)
    return 0


def info_blocks(one: Info) -> list[Block]:
    """Lays an info out for a person."""
    head = one.header
    facts = {
        "class": head.target,
        "needs": ", ".join(head.needs) or "nothing in particular",
        "can": ", ".join(f"{column} {_cell(value)}" for column, value in (one.measured or {}).items()),
        "paper": head.paper,
        "source": head.source,
        "untested": head.untested,
        "missing": one.missing,
    }
    rows = [[name, text] for name, text in facts.items() if text]
    blocks: list[Block] = [Heading(f"{head.group}/{head.name}"), head.summary, "", Table((), rows), ""]
    keys = []
    for key in one.keys:
        kind = key.type.replace(" | Tensor", "")  # which no configuration can hold
        default = "required" if key.required else as_config_value(key.default)
        keys.append([key.key, kind, default, as_config_value(key.preset) if key.in_preset else "", key.meaning])
    blocks += [Table(HEAD, keys), ""] if keys else []
    blocks += [Heading("Python"), Code(one.python), ""] if one.python else []
    return [*blocks, Heading("Command line"), Code(one.command_line), ""]


def info_data(one: Info) -> dict[str, Any]:
    """Collects an info for programs."""
    return {
        **preset_data(one.header),
        "measured": one.measured,
        "paper": one.header.paper or None,
        "source": one.header.source or None,
        "untested": one.header.untested or None,
        "missing": one.missing or None,
        "keys": [{name: _jsonable(value) for name, value in vars(key).items()} for key in one.keys],
        "python": one.python or None,
        "command_line": one.command_line,
    }


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g} a parameter" if isinstance(value, float) else str(value)


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no infinity
    return json.loads(json.dumps(value, default=str))
