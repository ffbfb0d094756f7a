"""``lit-optim list``: the presets, from the comments of their files."""

from __future__ import annotations

import argparse
import fnmatch
from collections.abc import Sequence

from lit_optim.cli.rendering import Block, Heading, Table, on_terminal, show
from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import Header, header
from lit_optim.errors import ConfigError, did_you_mean
from lit_optim.versions import installed, lack

HEAD = ("name", "package", "needs", "summary")
EXAMPLES = """examples:
  lit-optim list
  lit-optim list 'adam*'
  lit-optim list warmup --group scheduler
  lit-optim list --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the verb."""
    parser.epilog = EXAMPLES
    parser.add_argument("pattern", nargs="?", default="*", help="shell wildcard, or a part of the name")
    parser.add_argument(
        "--group",
        choices=presets.preset_groups(),
        metavar="GROUP",
        help=f"one group only: {', '.join(presets.preset_groups())}",
    )


def run(args: argparse.Namespace) -> int:
    """Shows the presets whose names match."""
    chosen = (args.group,) if args.group else presets.preset_groups()
    found = matching(args.pattern, chosen)
    show(page(found, chosen, titled=on_terminal()), data={"presets": [entry(h) for h in found]}, as_json=args.json)
    return 0


def matching(pattern: str, chosen: Sequence[str]) -> list[Header]:
    """The presets of some groups whose name, with or without the group's, matches.

    Args:
        pattern: shell wildcard, or a part of a name.
        chosen: groups.

    Raises:
        ConfigError: where nothing matches, with the nearest name.

    Example:
        >>> [preset.name for preset in matching("radam?", ["optimizer"])], matching("noam", ["scheduler"])[0].name
        (['radamw'], 'noam')
        >>> matching("adamx", ["optimizer"])
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: list 'adamx': no preset of that name; did you mean 'adamax'?
    """
    every = [(group, name) for group in chosen for name in presets.preset_names(group)]

    def fits(name: str) -> bool:
        return fnmatch.fnmatchcase(name, pattern) or pattern in name

    found = [header(group, name) for group, name in every if fits(name) or fits(f"{group}/{name}")]
    if not found:
        raise ConfigError(
            f"list {pattern!r}: no preset of that name{did_you_mean(pattern, [name for _, name in every])}"
        )
    return found


def page(found: Sequence[Header], chosen: Sequence[str], *, titled: bool) -> list[Block]:
    """One table; where there are titles, a table a group. Else the group is in the name, for grep."""
    if titled and len(chosen) > 1:
        blocks: list[Block] = []
        for group in chosen:
            rows = [_row(preset, preset.name) for preset in found if preset.group == group]
            blocks += [Heading(group), Table(HEAD, rows), ""] if rows else []
        return blocks
    return [Table(HEAD, [_row(p, p.name if len(chosen) == 1 else f"{p.group}/{p.name}") for p in found])]


def entry(preset: Header) -> dict[str, object]:
    """A preset for programs."""
    return {
        "group": preset.group,
        "name": preset.name,
        "summary": preset.summary,
        "target": preset.target or None,
        "package": preset.package,
        "needs": list(preset.needs),
    }


def _row(preset: Header, name: str) -> list[str]:
    return [name, preset.package, ", ".join(map(_need, preset.needs)), preset.summary]


def _need(words: str) -> str:
    """An entry of the needs; a version that the installed package lacks is marked."""
    package = words.partition(" ")[0]
    return f"{words} (installed: {installed(package)})" if lack(words) else words
