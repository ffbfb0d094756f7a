"""What the comments of a preset say, read as text: quick, for listing presets must not load YAML, let alone torch.

A header is the first lines of a file: what it is, then fields - ``# paper: ...``, ``# source: ...``,
``# untested: ...``, ``# needs: ...`` - that go on in lines with three spaces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lit_optim.config.read import presets

_KEY = re.compile(r"^(?P<indent> *)(?P<item>- )?(?P<key>\w+):(?P<rest>.*)$")


@dataclass(frozen=True)
class Header:
    """A preset in words. ``target`` is the import path, empty where the preset names none."""

    group: str
    name: str
    summary: str
    target: str
    paper: str
    source: str
    needs: tuple[str, ...]
    untested: str = ""

    @property
    def package(self) -> str:
        """The package that the target comes from; rules and empty presets are ours."""
        return "any" if self.target == "???" else self.target.partition(".")[0] or "lit_optim"


def header(group: str, name: str) -> Header:
    """The header of a preset.

    Example:
        >>> header("optimizer", "adamw").paper
        'Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization, arXiv:1711.05101'
        >>> header("scheduler", "warmup_cosine").target
        'lit_optim.ScheduleLR'
    """
    text = presets.preset_text(group, name)
    summary, found = fields(text)
    needs = tuple(word.strip() for word in found.get("needs", "").split(",") if word.strip())
    words = {field: found.get(field, "") for field in ("paper", "source", "untested")}
    return Header(group, name, summary, _target(group, name), needs=needs, **words)


def fields(text: str) -> tuple[str, dict[str, str]]:
    r"""The first line of a file, and the fields of its header.

    Example:
        >>> fields("# What it is.\n# source: A 2012,\n#   and B\nlr: 1")
        ('What it is.', {'source': 'A 2012, and B'})
    """
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    first, *rest = [line.removeprefix("#") for line in lines[:end]] or [""]
    found: dict[str, str] = {}
    field = ""
    for line in rest:
        begins = re.match(r" (\w+): (.*)", line)
        if begins:
            field, found[begins[1]] = begins[1], begins[2].strip()
        elif field and line.startswith("   "):
            found[field] += f" {line.strip()}"
    return first.strip(), found


def comments(text: str) -> dict[str, str]:
    r"""The trailing comment of each key, by its dotted path.

    Example:
        >>> comments("lr: 1  # how fast\nrules:\n  - name: a  # of the group\n    x: 1  # the rest")
        {'lr': 'how fast', 'rules[0].name': 'of the group', 'rules[0].x': 'the rest'}
    """
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []  # indentation and path of the keys that the line may lie in
    items: dict[str, int] = {}
    for line in text.splitlines():
        match = _KEY.match(line)
        if not match:
            continue
        depth = len(match["indent"])
        above = [(indent, path) for indent, path in above if indent < depth]
        parent = above[-1][1] if above else ""
        if match["item"]:
            items[parent] = items.get(parent, -1) + 1
            above.append((depth, parent := f"{parent}[{items[parent]}]"))
            depth += 2
        path = f"{parent}.{match['key']}" if parent else match["key"]
        above.append((depth, path))
        _, mark, comment = match["rest"].partition(" # ")
        if mark:
            found[path] = comment.strip()
    return found


def meanings(group: str, name: str) -> dict[str, str]:
    """The comments of a preset's keys, with those of the presets that it extends."""
    text = presets.preset_text(group, name)
    inherited = [meanings(group, base) for base in _bases(text)]
    return {key: comment for found in [*inherited, comments(text)] for key, comment in found.items()}


def _target(group: str, name: str) -> str:
    text = presets.preset_text(group, name)
    named = re.search(r"^ *_target_: *(\S+)", text, re.MULTILINE)
    if named:
        return named[1]
    return next((target for target in (_target(group, base) for base in _bases(text)) if target), "")


def _bases(text: str) -> list[str]:
    """The presets of the same group that ``defaults`` lists."""
    listed = re.search(r"^defaults:(.*(?:\n +- .*)*)", text, re.MULTILINE)
    return [word for word in re.findall(r"[\w/]+", listed[1]) if word != "_self_"] if listed else []
