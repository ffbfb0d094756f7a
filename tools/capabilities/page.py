"""The capability table as it stands in docs/optimizers.md, between two markers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lit_optim.config.capabilities import Capabilities

BEGIN, END = "<!-- capabilities: written by `make capabilities` -->", "<!-- end of capabilities -->"
COLUMNS = {
    "sparse": "sparse",
    "complex": "complex",
    "bf16": "bf16",
    "fused": "fused",
    "foreach": "foreach",
    "compile": "compile",
    "state_bytes": "state B/param",
    "ddp": "DDP",
    "fsdp2": "FSDP2",
    "resumes": "exact resume",
}


def markdown(table: Mapping[str, Capabilities]) -> str:
    """The rows of all presets that were measured."""
    head = ["", "closure", *COLUMNS.values()]
    lines = [head, ["---"] * len(head)]
    for name, entry in table.items():
        if entry.measured is not None:
            cells = [_word(getattr(entry.measured, column)) for column in COLUMNS]
            lines.append([name, _word(entry.closure), *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_table(page: str, table: Mapping[str, Capabilities]) -> str:
    """The page with another table between the markers."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown(table)}\n\n{END}{after}"


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    word = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
    return {"no": "-", "wrong": "**wrong**"}.get(word, word)
