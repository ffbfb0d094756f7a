"""The folder of a comparison whose truth is known: plan.json, and the files of every run."""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lit_optim.study.plan import JOB, PLAN, RECORD, ComparisonPlan, Contender, Job, as_json

SEEDS = (101, 102, 103, 104, 105)
SPACE, SOURCE = "lr log 1e-4..1e-2", "Dahl et al. 2023"


@dataclass(frozen=True)
class Fake:
    """A contender: at its best lr its accuracy is `level`, and falls by 0.05 times the square of the decades from it.

    `diverges`, `missing`: seeds of such final runs. `crashes`: every trial, before its training.
    """

    name: str
    level: float = 0.8
    best_lr: float = 1e-3
    diverges: Sequence[int] = ()
    missing: Sequence[int] = ()
    crashes: str = ""
    step_seconds: float = 0.01
    state_bytes: int = 800_000
    all_trials_diverge: bool = False
    drives: dict[str, float] = field(default_factory=dict)


PLANTED = Fake("planted", 0.9)
FAKES = (
    Fake("adam"),
    Fake("twin", step_seconds=0.02, state_bytes=1_600_000),
    PLANTED,
    Fake("sgd", 0.75, best_lr=1.0, state_bytes=0, drives={"momentum": 0.9}),
    Fake("wild", 0.95, diverges=(103,)),
    Fake("muon", crashes="ConfigError: optimizer=muon: trains matrices only, and bias has 1 dimension\nmore"),
)


def write_comparison(
    folder: Path,
    fakes: Iterable[Fake] = FAKES,
    *,
    seeds: Sequence[int] = SEEDS,
    budget: int = 5,
    mode: str = "max",
    noise: float = 0.004,
    start: int = 0,
    validations: int = 10,
    steps: int = 200,
    **plan: Any,
) -> Path:
    """Write it, the same for the same arguments. `noise` is the standard deviation of a score; `start` of the noise."""
    fakes = tuple(fakes)
    writer = _Writer(folder, mode, noise, start, validations, steps)
    lrs = [float(f"{1e-4 * 10 ** (2 * i / max(budget - 1, 1)):.4g}") for i in range(budget)]
    given = ComparisonPlan(
        script="train.py",
        overrides=("trainer.max_epochs=10",),
        contenders=tuple(Contender(f.name, (f"optimizer={f.name}",), SPACE, SOURCE) for f in fakes),
        metric="val/acc" if mode == "max" else "val/loss",
        mode=mode,
        search="grid",
        budget=budget,
        seeds=tuple(seeds),
        baseline=fakes[0].name if fakes else "",
        command=("lit-optim", "compare", "train.py", "optimizer=" + ",".join(f.name for f in fakes)),
        version="1.0",
    )
    given = replace(given, **plan)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PLAN).write_text(as_json(given), encoding="utf-8")
    for fake in fakes:
        best = min(lrs, key=lambda lr, fake=fake: abs(math.log10(lr / fake.best_lr)))  # type: ignore[misc]
        for number, lr in enumerate(lrs):
            study = number * given.studies // budget
            job = Job(fake.name, "trial", number, given.tuning_seed, {"lr": lr}, _words(fake, lr, 1), study)
            writer.run(fake, job, fails=fake.all_trials_diverge)
        failed = fake.crashes or fake.all_trials_diverge
        for number, seed in enumerate(() if failed else seeds):
            if seed not in fake.missing:
                job = Job(fake.name, "seed", number, seed, {"lr": best}, _words(fake, best, seed))
                writer.run(fake, job, fails=seed in fake.diverges)
    return folder


def _words(fake: Fake, lr: float, seed: int) -> tuple[str, ...]:
    return (f"optimizer={fake.name}", f"optimizer.lr={lr}", f"seed={seed}")


class _Writer:
    def __init__(self, folder: Path, mode: str, noise: float, start: int, validations: int, steps: int) -> None:
        self.folder, self.mode, self.noise, self.start = folder, mode, noise, start
        self.validations, self.steps = validations, steps
        self.metric = "val/acc" if mode == "max" else "val/loss"

    def run(self, fake: Fake, job: Job, *, fails: bool) -> None:
        place = self.folder / job.folder
        place.mkdir(parents=True)
        (place / JOB).write_text(as_json(job), encoding="utf-8")
        if fake.crashes:
            (place / "error.txt").write_text(fake.crashes, encoding="utf-8")
            return
        of_seed = random.Random(f"{self.start}/{job.seed}").gauss(0, 2 * self.noise)  # paired: that of all contenders
        draw = random.Random(f"{self.start}/{fake.name}/{job.kind}/{job.number}/{job.seed}")
        decades = math.log10(job.values["lr"] / fake.best_lr)
        quality = fake.level - 0.05 * decades**2 + of_seed + draw.gauss(0, self.noise)
        steps = self.steps // 2 if fails else self.steps
        every = self.steps // self.validations
        seconds = fake.step_seconds * draw.uniform(0.95, 1.05)
        metrics = []
        for step in range(every, steps + 1, every):
            reached = reached_by(step / self.steps, quality)
            value = math.nan if fails and step == steps else reached if self.mode == "max" else 1 - reached
            row = {"step": step, "epoch": step // every - 1, "seconds": round(step * seconds, 6)}
            metrics += [{**row, "name": self.metric, "value": value}, {**row, "name": "val/other", "value": 0.5}]
        rows = []
        for step in range(every // 2, steps + 1, every // 2):
            lr = job.values["lr"] * min(step / (0.1 * self.steps), 0.5 + 0.5 * math.cos(math.pi * step / self.steps))
            loss = math.nan if fails and step == steps else 2 - reached_by(step / self.steps, quality)
            row = {"step": step, "epoch": step // every, "seconds": round(step * seconds, 6), "loss": loss}
            rows.append({**row, "grad_norm": 1.0, "update_norm": 0.1 * lr, "lr": lr, **fake.drives})
        (place / RECORD).mkdir()
        _write_rows(place / RECORD / "metrics.csv", ["step", "epoch", "seconds", "name", "value"], metrics)
        _write_rows(place / RECORD / "steps.csv", [*rows[0]], rows)
        run = run_json(fake.name, job.seed, fails, steps, seconds, fake.state_bytes, job.values["lr"])
        (place / RECORD / "run.json").write_text(json.dumps(run, indent=1), encoding="utf-8")


def reached_by(share: float, quality: float) -> float:
    return quality * (1 - math.exp(-6 * share))


def run_json(
    optimizer: str, seed: int, fails: bool, steps: int, seconds: float, state_bytes: int, lr: float
) -> dict[str, Any]:
    """What `optim_callbacks=record` writes of a run."""
    return {
        "format": 1,
        "outcome": "diverged" if fails else "finished",
        "spec": {
            "optimizer": {"_target_": f"torch.optim.{optimizer}", "lr": lr},
            "scheduler": {"_target_": "lit_optim.scheduler.ScheduleLR"},
            "param_groups": {},
            "optim_callbacks": {"Record": {"every_n_steps": 10}},
        },
        "optimizers": [optimizer],
        "seed": seed,
        "versions": {"python": "3.11.0", "torch": "2.9.0", "lightning": "2.6.0", "lit_optim": "1.0", "hydra": "1.3.2"},
        "hardware": {"cpu": "A processor", "cores": 2, "device": "cpu", "processes": 1},
        "precision": "32-true",
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "command": ["train.py"],
        "parameters": {"all": 100_000, "trained": 100_000},
        "state_bytes": state_bytes,
        "start": {"parameters": seed, "batch": 7 * seed},
        "groups": [
            {"name": "decay", "tensors": 4, "parameters": 90_000, "lr": lr, "weight_decay": 0.01},
            {"name": "no_decay", "tensors": 6, "parameters": 10_000, "lr": lr, "weight_decay": None},
        ],
        "every_n_steps": 10,
        "diverged_above": 10.0,
        "resumed_at": [],
        "switches": [],
        "divergence": {"step": steps, "loss": "nan", "reason": "the loss is nan"} if fails else None,
        "steps": steps,
        "measured": {
            "began": "2026-01-01T00:00:00+00:00",
            "seconds": round(steps * seconds, 6),
            "step_seconds": {"first": 0.5, "median": seconds, "p90": seconds, "steps": steps - 1},
            "peak_memory": 300_000_000,
        },
    }


def _write_rows(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
