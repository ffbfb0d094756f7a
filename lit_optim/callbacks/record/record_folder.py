"""Keep the three files of a record, of a new run or of one that goes on."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lit_optim.callbacks.record.files import STEP, CsvRows, read_json, replace_json, rows_until
from lit_optim.lightning_api import rank_zero_warn
from lit_optim.study.record_files import FORMAT, MEASURED, METRICS, RUN, STEPS, MetricRow

OF_START = ("groups", "start")  # keys of a run that goes on, which are those of its first session


class RecordFolder:
    """The files of a run. What a resumed run does again is removed from them, so that no row is there twice.

    Args:
        folder: is made; a record in it is replaced by a new run, with a warning.
        facts: keys of ``run.json`` that do not change while the run goes on.
        began: the time, in words.
        step: optimizer steps done; 0: a new run.
        row: step of the last row that counts; None: all rows up to `step` do.

    Raises:
        ConfigError: for a damaged record of a run that goes on.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], began: str, step: int, row: int | None) -> None:
        self.path = folder / RUN
        old = read_json(self.path) if step else {}
        if not step and self.path.exists():
            rank_zero_warn(
                f"optim_callbacks.record.folder={str(folder)!r}: the record of an earlier run is replaced; name "
                "another folder to keep both, or resume that run"
            )
        steps, metrics = rows_until(folder / STEPS, step if row is None else row), rows_until(folder / METRICS, step)
        folder.mkdir(parents=True, exist_ok=True)
        self.steps = CsvRows(folder / STEPS, MEASURED, steps)
        self.metrics = CsvRows(folder / METRICS, MetricRow._fields, metrics)
        self._logged = {metric["name"]: int(metric[STEP]) for metric in metrics}
        self.began: str = old.get("measured", {}).get("began", began)
        divergence = old.get("divergence")
        self.run: dict[str, Any] = {
            "format": FORMAT,
            "outcome": "running",
            **{key: old[key] for key in OF_START if key in old},
            **facts,
            "resumed_at": [*old.get("resumed_at", ()), *([step] if step else [])],
            "switches": [switch for switch in old.get("switches", ()) if switch[STEP] <= step],
            "divergence": divergence if divergence and divergence[STEP] <= step else None,
            "steps": step,
        }
        self.update()

    def add_metric(self, row: Mapping[str, Any]) -> None:
        """Append a metric, unless the same validation has been repeated by a resume."""
        if self._logged.get(row["name"]) != row[STEP]:
            self._logged[row["name"]] = row[STEP]
            self.metrics.append(row)

    def add_switch(self, step: int, callback: str, before: str, after: str) -> None:
        """Add the first step of another phase of the optimizer."""
        self.run["switches"].append({STEP: step, "callback": callback, "from": before, "to": after})
        self.update()

    def add_divergence(self, step: int, loss: float, reason: str) -> None:
        """Keep the first divergence."""
        if self.run["divergence"] is None:
            self.run["divergence"] = {STEP: step, "loss": loss, "reason": reason}
            self.update()

    def update(self, measured: Mapping[str, Any] | None = None, **facts: Any) -> None:
        """Write ``run.json``.

        Args:
            measured: times and memory, which no other run repeats; None: as before.
            facts: further keys.
        """
        if measured is not None or "measured" not in self.run:
            facts["measured"] = {"began": self.began, **(measured or {})}
        self.run |= facts
        replace_json(self.path, self.run)

    def close(self) -> None:
        """Close the files."""
        self.steps.close()
        self.metrics.close()


def add_metrics(folder: Path, step: int, epoch: int, seconds: float, metrics: Iterable[tuple[str, float]]) -> None:
    """Add metrics to the record of a run that has ended."""
    file = CsvRows(folder / METRICS, MetricRow._fields, rows_until(folder / METRICS, sys.maxsize))
    for name, value in metrics:
        file.append({STEP: step, "epoch": epoch, "seconds": round(seconds, 6), "name": name, "value": value})
    file.close()
