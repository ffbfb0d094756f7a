"""The measured columns: those that take milliseconds, and those that start processes or compilers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from capabilities.probes import implementation, numbers, ranks, resume, state
from capabilities.subject import Subject

Column = Callable[[Subject], Any]

QUICK: dict[str, Column] = {
    "sparse": numbers.sparse,
    "complex": numbers.complex,
    "bf16": numbers.bf16,
    "fused": implementation.fused,
    "foreach": implementation.foreach,
    "state_bytes": state.state_bytes,
    "resumes": resume.resumes,
}
SLOW: dict[str, Column] = {
    "compile": implementation.compile,
    "ddp": ranks.ddp,
    "fsdp2": ranks.fsdp2,
}


def measure(name: str, columns: dict[str, Column]) -> dict[str, Any]:
    """The cells of a preset."""
    return {column: probe(Subject(name)) for column, probe in columns.items()}
