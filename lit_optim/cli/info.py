"""``lit-optim info``: all about a preset."""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from lit_optim.cli.config_value import as_config_value
from lit_optim.cli.keys import Key
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
    """The arguments of the verb."""
    parser.epilog = EXAMPLES
    parser.add_argument("name", metavar="NAME", help="a preset: adamw, or optimizer/adamw")


def run(args: argparse.Namespace) -> int:
    """Shows the presets of that name."""
    found = [info(group, name) for group, name in named(args.name)]
    blocks: list[Block] = []
    if len(found) > 1:
        blocks = [f"{args.name} is in {len(found)} groups: {', '.join(i.header.group for i in found)}", ""]
    for one in found:
        blocks += page(one)
    show(blocks, data={"presets": [entry(one) for one in found]}, as_json=args.json)
    return 0


def page(one: Info) -> list[Block]:
    """An info for people."""
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
    if one.keys:
        rows = [
            [k.key, _in_yaml(k.type), _default(k), as_config_value(k.preset) if k.named else "", k.meaning]
            for k in one.keys
        ]
        blocks += [Table(HEAD, rows), ""]
    if one.python:
        blocks += [Heading("Python"), Code(one.python), ""]
    return [*blocks, Heading("Command line"), Code(one.command_line), ""]


def entry(one: Info) -> dict[str, Any]:
    """An info for programs."""
    head = one.header
    keys = [
        {
            "key": key.key,
            "type": key.type,
            "required": key.required,
            "default": _jsonable(key.default),
            "in_preset": key.named,
            "preset": _jsonable(key.preset),
            "meaning": key.meaning,
        }
        for key in one.keys
    ]
    return {
        "group": head.group,
        "name": head.name,
        "summary": head.summary,
        "target": head.target or None,
        "package": head.package,
        "needs": list(head.needs),
        "measured": one.measured,
        "paper": head.paper or None,
        "source": head.source or None,
        "untested": head.untested or None,
        "missing": one.missing or None,
        "keys": keys,
        "python": one.python or None,
        "command_line": one.command_line,
    }


def _in_yaml(kind: str) -> str:
    """A type without what no configuration can hold."""
    return kind.replace(" | Tensor", "")


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g} a parameter" if isinstance(value, float) else str(value)


def _default(key: Key) -> str:
    return "required" if key.required else as_config_value(key.default)


def _jsonable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it
    return json.loads(json.dumps(value, default=str))
