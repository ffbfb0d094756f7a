"""Reads the comments of a preset from its text: listing presets must load neither YAML nor torch.

A header is the first lines of a file: what it is, then fields - ``# paper: ...``, ``# source: ...``,
``# untested: ...``, ``# needs: ...``, of recipes ``# checked: ...``, ``# clip: ...``, ``# second: ...`` - that go on in
lines with three spaces. ``# search: ...`` is what a comparison tries: ``study/search_space.py`` reads it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lit_optim.config.read import presets

TEXTS = ("paper", "source", "search", "untested", "checked", "clip", "second")
_KEY = re.compile(r"^( *)(- )?(\w+):(?:.*? # (.*))?", re.MULTILINE)


@dataclass(frozen=True)
class Header:
    """Holds the comments of a preset. ``target`` is the import path, empty where the preset names none."""

    group: str
    name: str
    summary: str
    target: str
    paper: str
    source: str
    needs: tuple[str, ...]
    untested: str = ""
    search: str = ""
    checked: str = ""
    clip: str = ""
    second: str = ""

    @property
    def package(self) -> str:
        """Return the package of the target; ours for rules and empty presets."""
        return "any" if self.target == "???" else self.target.partition(".")[0] or "lit_optim"


def header(group: str, name: str) -> Header:
    """Read the header of a preset.

    Example:
        >>> header("optimizer", "adamw").paper
        'Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization, arXiv:1711.05101'
        >>> header("scheduler", "warmup_cosine").target
        'lit_optim.ScheduleLR'
    """
    summary, found = fields(presets.preset_text(group, name))
    words = {field: found.get(field, "") for field in TEXTS}
    return Header(group, name, summary, _target(group, name), needs=(*presets.preset_needs(group, name),), **words)


def search_line(name: str, folders: Iterable[str | Path] = ()) -> str:
    """Find the ``# search:`` line of an optimizer's preset, of an app's folders before ours; '' where none has it.

    Example:
        >>> search_line("sgd").partition(";")[0]
        'lr log 1e-4..1'
    """
    files = (Path(folder, "optimizer", f"{name}.yaml") for folder in folders)
    own = (fields(file.read_text(encoding="utf-8"))[1].get("search") for file in files if file.exists())
    known = name in presets.preset_names("optimizer")
    return next(filter(None, own), "") or (header("optimizer", name).search if known else "")


def fields(text: str) -> tuple[str, dict[str, str]]:
    r"""Split the header of a file into its first line and its fields.

    Example:
        >>> fields("# What it is.\n# source: A 2012,\n#   and B\nlr: 1")
        ('What it is.', {'source': 'A 2012, and B'})
    """
    lines = re.sub(r"\n#   +", " ", re.match(r"(#.*\n?)*", text)[0])  # type: ignore[index]  # matches every text
    return lines.partition("\n")[0].strip("# "), dict(re.findall(r"^# (\w+): (.*)", lines, re.MULTILINE))


def comments(text: str) -> dict[str, str]:
    r"""Find the trailing comment of each key, by its dotted path.

    Example:
        >>> comments("lr: 1  # how fast\nrules:\n  - name: a  # of the group\n    x: 1  # the rest")
        {'lr': 'how fast', 'rules[0].name': 'of the group', 'rules[0].x': 'the rest'}
    """
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []  # indentation and path of the keys that the line may lie in
    items: Counter[str] = Counter()
    for indent, item, key, comment in _KEY.findall(text):
        depth = len(indent)
        above = [(before, path) for before, path in above if before < depth]
        parent = above[-1][1] if above else ""
        if item:
            items[parent] += 1
            above.append((depth, parent := f"{parent}[{items[parent] - 1}]"))
            depth += len(item)
        above.append((depth, path := f"{parent}.{key}".lstrip(".")))
        if comment:
            found[path] = comment.strip()
    return found


def key_comments(group: str, name: str) -> dict[str, str]:
    """Collect the comments of a preset's keys, with those of the presets that it extends."""
    text = presets.preset_text(group, name)
    inherited = [key_comments(group, base) for base in _bases(text)]
    return {key: comment for found in [*inherited, comments(text)] for key, comment in found.items()}


def _target(group: str, name: str) -> str:
    text = presets.preset_text(group, name)
    return presets.target_in(text) or next(filter(None, (_target(group, base) for base in _bases(text))), "")


def _bases(text: str) -> list[str]:
    """Find the presets of the same group that ``defaults`` lists."""
    listed = re.search(r"^defaults:(.*(?:\n +- .*)*)", text, re.MULTILINE)
    words = re.findall(r"[\w/@.]+", re.sub(" #.*", "", listed[1])) if listed else []
    return [word for word in words if word != "_self_" and "@" not in word]  # with @: of another group
