"""Write the page of all keys of the presets, from the comments of their files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from docs_pages.markdown import cell, code, printable, table, toctree
from lit_optim.cli.config_value import as_config_value
from lit_optim.config.read import presets
from lit_optim.config.read.preset_header import header, key_comments
from lit_optim.config.read.spec import HYDRA_KEYS

INTRO = """# Config keys

One page a group. A key is written with its group in front: `optimizer.lr=0.1`. Keys of a class that no preset names are
given with a plus sign, as in Hydra: `+optimizer.amsgrad=true`; `lit-optim info adamw` lists them.

"""


def pages() -> dict[str, str]:
    """Return one page a group, and the one that lists them."""
    groups = presets.preset_groups()
    listed = "\n".join(
        f"- [{group}](./{group}.md): {', '.join(map(code, presets.preset_names(group)))}" for group in groups
    )
    found = {f"reference/config/{group}.md": _group(group) for group in groups}
    return {"reference/config/index.md": f"{INTRO}{listed}\n\n{toctree(groups)}", **found}


def _group(group: str) -> str:
    return f"# {group}\n\n" + "\n".join(_preset(group, name) for name in presets.preset_names(group))


def _preset(group: str, name: str) -> str:
    comments = key_comments(group, name)
    rows = [
        [code(key), code(printable(as_config_value(value), 60)), cell(comments.get(key, ""))]
        for key, value in leaves(presets.load_preset(group, name), comments)
    ]
    return f"## {group}={name}\n\n{cell(header(group, name).summary)}\n\n{table(['key', 'value', 'meaning'], rows)}"


def leaves(value: Mapping[str, Any], comments: Mapping[str, str], path: str = "") -> Iterator[tuple[str, Any]]:
    """List the keys of a preset: a mapping is one key where it is empty, or where the file comments on it.

    Example:
        >>> [*leaves({"_target_": "x", "a": {"b": 1, "c": {}}, "d": {"e": 2}}, {"d": "both"})]
        [('a.b', 1), ('a.c', {}), ('d', {'e': 2})]
    """
    for name, item in value.items():
        key = f"{path}{name}"
        if name in HYDRA_KEYS:
            continue
        if isinstance(item, Mapping) and item and key not in comments:
            yield from leaves(item, comments, f"{key}.")
        else:
            yield key, item
