"""Executes the code cells of a notebook in one namespace, and writes what they print into it; needs no Jupyter.

python tools/execute_notebook.py examples/quickstart.ipynb
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
from pathlib import Path
from typing import Any


def execute(cells: list[dict[str, Any]]) -> list[str]:
    """Return what each code cell prints; cells share their names."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    for cell in cells:
        if cell["cell_type"] == "code":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile("".join(cell["source"]), "<cell>", "exec"), namespace)
            printed.append(out.getvalue())
    return printed


def write_outputs(path: Path) -> None:
    """Execute a notebook, and keep in it what its cells print."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for count, (cell, text) in enumerate(zip(code, execute(notebook["cells"]), strict=True), 1):
        output = {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}
        cell |= {"execution_count": count, "outputs": [output] if text else []}
    path.write_text(json.dumps(notebook, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_outputs(Path(sys.argv[1]))
