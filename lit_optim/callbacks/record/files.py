"""Write files that a kill at any moment leaves readable: rows are appended whole, a JSON file is replaced."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lit_optim.errors import ConfigError
from lit_optim.study.plan import replace_text

STEP = "step"


def json_ready(value: Any) -> Any:
    """Return plain containers with numbers that JSON has; one that is not finite becomes its name.

    Example:
        >>> json_ready({"loss": float("nan"), "betas": (0.9, 0.99)})
        {'loss': 'nan', 'betas': [0.9, 0.99]}
    """
    if isinstance(value, Mapping):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def replace_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON file beside its target, and rename it: after a kill the target is the old file or the new one."""
    replace_text(path, json.dumps(json_ready(value), indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read the file of an earlier run; empty where there is none.

    Raises:
        ConfigError: for a damaged file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return dict(found)
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise _damaged(path) from error


def rows_until(path: Path, step: int) -> list[dict[str, str]]:
    """Return the rows up to a step; half a row at the end, of a killed run, is left out.

    Raises:
        ConfigError: for a damaged file.
    """
    try:
        return [row for row in _whole_rows(path) if int(row[STEP]) <= step] if step else []
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise _damaged(path) from error


class CsvRows:
    r"""A csv file that grows by whole rows, each of which is flushed.

    Args:
        path: the file, which is replaced.
        columns: the first columns; a row may bring more.
        rows: the first rows.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "steps.csv"
        >>> rows = CsvRows(path, ["step", "loss"])
        >>> rows.append({"step": 1, "loss": 0.5, "lr": 0.1}), rows.close(), path.read_text()
        (None, None, 'step,loss,lr\n1,0.5,0.1\n')
    """

    def __init__(self, path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]] = ()) -> None:
        self.path = path
        self.columns = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
        self._write(rows)

    def append(self, row: Mapping[str, Any]) -> None:
        """Append a row and flush it; a new column is added to all rows."""
        if new := [name for name in row if name not in self.columns]:
            self.close()
            self.columns += new
            self._write(_whole_rows(self.path))
        self._rows.writerow(row)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Replace the file by these rows, and open it for more."""
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        self._file = temporary.open("w", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, self.columns, restval="", lineterminator="\n")
        self._rows.writeheader()
        self._rows.writerows(rows)
        self._file.flush()
        temporary.replace(self.path)  # the open file is that of the new name


def _whole_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows that end with their line."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [*csv.DictReader(text[: text.rfind("\n") + 1].splitlines())]


def _damaged(path: Path) -> ConfigError:
    return ConfigError(
        f"optim_callbacks.record.folder={str(path.parent)!r}: its {path.name} is damaged, so the record cannot go on; "
        "move the folder away, or name another one"
    )
