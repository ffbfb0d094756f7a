"""``lit-optim list``: shows the presets, from the comments of their files.

examples:
  lit-optim list
  lit-optim list 'adam*'
  lit-optim list warmup --group scheduler
  lit-optim list --json
"""  # noqa: D405  # --help shows these lines

from __future__ import annotations

import argparse
import fnmatch
from collections.abc import Sequence
from typing import Any

from lit_optim.cli.rendering import Block, Heading, Table, on_terminal, show
from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import Header, header
from lit_optim.errors import ConfigError, did_you_mean
from lit_optim.versions import installed, missing_version

HEAD = ("name", "package", "needs", "summary")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument("pattern", nargs="?", default="*", help="shell wildcard, or a part of the name")
    groups = presets.preset_groups()
    parser.add_argument("--group", choices=groups, metavar="GROUP", help=f"one group only: {', '.join(groups)}")


def run(args: argparse.Namespace) -> int:
    """Show the presets whose names match."""
    groups = (args.group,) if args.group else presets.preset_groups()
    found = matching(args.pattern, groups)
    data = {"presets": [preset_data(preset) for preset in found]}
    show(list_blocks(found, groups, titled=on_terminal()), data=data, as_json=args.json)
    return 0


def matching(pattern: str, groups: Sequence[str]) -> list[Header]:
    """Find the presets whose name, with or without the group's in front, matches.

    Args:
        pattern: shell wildcard, or a part of a name.
        groups: where to look.

    Raises:
        ConfigError: where nothing matches, with the nearest name.

    Example:
        >>> [preset.name for preset in matching("radam?", ["optimizer"])], matching("noam", ["scheduler"])[0].name
        (['radamw'], 'noam')
        >>> matching("adamx", ["optimizer"])
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: list 'adamx': no preset of that name; did you mean 'adamax'?
    """
    every = [(group, name) for group in groups for name in presets.preset_names(group)]

    def fits(name: str) -> bool:
        return fnmatch.fnmatchcase(name.lower(), pattern.lower()) or pattern.lower() in name.lower()

    found = [header(group, name) for group, name in every if fits(name) or fits(f"{group}/{name}")]
    if not found:
        hint = did_you_mean(pattern, [name for _, name in every])
        raise ConfigError(f"list {pattern!r}: no preset of that name{hint}")
    return found


def list_blocks(found: Sequence[Header], groups: Sequence[str], *, titled: bool) -> list[Block]:
    """Lay presets out: with titles, one table per group; else one table with the group in the name, for grep."""
    if len(groups) == 1:
        return [_table(found)]
    if not titled:
        return [_table(found, with_group=True)]
    blocks: list[Block] = []
    for group in groups:
        if inside := [preset for preset in found if preset.group == group]:
            blocks += [Heading(group), _table(inside), ""]
    return blocks


def preset_data(preset: Header) -> dict[str, Any]:
    """Collect a preset for programs."""
    return {
        "group": preset.group,
        "name": preset.name,
        "summary": preset.summary,
        "target": preset.target or None,
        "package": preset.package,
        "needs": list(preset.needs),
    }


def _table(found: Sequence[Header], *, with_group: bool = False) -> Table:
    rows = []
    for preset in found:
        name = f"{preset.group}/{preset.name}" if with_group else preset.name
        rows.append([name, preset.package, ", ".join(map(_need, preset.needs)), preset.summary])
    return Table(HEAD, rows)


def _need(words: str) -> str:
    """Mark a version that the installed package lacks."""
    return f"{words} (installed: {installed(words.partition(' ')[0])})" if missing_version(words) else words
