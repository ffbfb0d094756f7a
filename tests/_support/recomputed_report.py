"""Every number of a report, computed anew from the raw files of the runs, without lit_optim: NumPy and SciPy alone.

python tests/_support/recomputed_report.py DIR prints where DIR/report differs.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

NAN = math.nan
Table = list[dict[str, Any]]


def recompute(folder: Path) -> dict[str, Table]:
    """The tables runs, summary and comparisons of a comparison; of comparisons only where no run failed, by names."""
    plan = json.loads((folder / "plan.json").read_text())
    largest = plan["mode"] == "max"
    runs = [_run(file, plan) for file in sorted(folder.glob("runs/*/*/job.json"))]
    runs = [run for run in runs if run["outcome"] in ("finished", "diverged", "crashed")]
    of_baseline = [run for run in runs if run["contender"] == plan["baseline"] and run["kind"] == "seed"]
    target = float(np.median([run["best"] for run in of_baseline])) if of_baseline else NAN
    for run in runs:
        reached = [p for p in run["curve"] if (p[2] >= target if largest else p[2] <= target)]
        run["steps_to_target"], run["measured_seconds_to_target"] = (
            reached[0][:2] if reached else (math.inf, math.inf) if math.isfinite(target) else (NAN, NAN)
        )
    ends = [
        value for run in runs if run["kind"] == "trial" and run["outcome"] == "finished"
        for value in (run["curve"][0][2], run["curve"][-1][2])
    ]  # fmt: skip
    worst = (min(ends) if largest else max(ends)) if ends else NAN
    summary = [_contender(each["name"], runs, plan, worst) for each in plan["contenders"]]
    return {"runs": runs, "summary": summary, "comparisons": _comparisons(runs, plan)}


def _run(file: Path, plan: dict[str, Any]) -> dict[str, Any]:
    job = json.loads(file.read_text())
    record = file.parent / "record"
    found = {key: job[key] for key in ("contender", "kind", "number", "seed", "study")}
    found |= {f"values.{key}": value for key, value in job["values"].items()}
    found |= {"score_metric": plan["metric"], "curve": []}
    found["folder"] = f"runs/{file.parent.parent.name}/{file.parent.name}"
    if not record.exists():
        none = dict.fromkeys(("steps", "state_bytes", "measured_seconds", "measured_peak_memory"), 0)
        return {**found, **none, "outcome": "crashed", "score": NAN, "best": NAN}
    run = json.loads((record / "run.json").read_text())
    with (record / "metrics.csv").open() as lines:
        rows = [row for row in csv.DictReader(lines) if row["name"] == plan["metric"]]
    curve = [(int(row["step"]), float(row["seconds"]), float(row["value"])) for row in rows]
    values = [value for _, _, value in curve if math.isfinite(value)]
    last = curve[-1][2] if run["outcome"] == "finished" else NAN
    return {
        **found,
        "outcome": run["outcome"],
        "score": last,
        "best": max(values) if plan["mode"] == "max" else min(values),
        "curve": curve,
        "steps": run["steps"],
        "state_bytes": run["state_bytes"],
        "measured_seconds": run["measured"]["seconds"],
        "measured_step_seconds": run["measured"]["step_seconds"]["median"],
        "measured_peak_memory": run["measured"]["peak_memory"],
    }


def _contender(name: str, runs: Table, plan: dict[str, Any], worst: float) -> dict[str, Any]:
    trials = [run for run in runs if run["contender"] == name and run["kind"] == "trial"]
    finals = [run for run in runs if run["contender"] == name and run["kind"] == "seed"]
    scores = np.sort([run["score"] for run in finals if math.isfinite(run["score"])])
    largest = plan["mode"] == "max"
    found = {
        "contender": name,
        "seeds": len(finals),
        "seeds_failed": len(finals) - len(scores),
        "trials": len(trials),
        "trials_failed": sum(not math.isfinite(run["score"]) for run in trials),
        "state_bytes": max(run["state_bytes"] for run in finals or trials),
        "measured_tuning_seconds": sum(run.get("measured_seconds", 0.0) for run in trials),
        "measured_peak_memory": max(run.get("measured_peak_memory", 0) for run in finals or trials),
    }
    times = [run["measured_step_seconds"] for run in finals or trials if "measured_step_seconds" in run]
    found["measured_step_seconds"] = float(np.median(times)) if times else NAN
    if len(scores) == 1:
        found |= {"mean": scores[0], "iqm": scores[0], "mean_low": -math.inf, "iqm_low": -math.inf}
        found |= {"mean_high": math.inf, "iqm_high": math.inf}
    elif len(scores):
        mean = stats.ttest_1samp(scores, 0.0)
        found["mean"], (found["mean_low"], found["mean_high"]) = scores.mean(), mean.confidence_interval(0.95)
        found["iqm"] = stats.trim_mean(scores, 0.25)
        cut, kept = len(scores) // 4, len(scores) - 2 * (len(scores) // 4)
        winsorized = np.asarray(stats.mstats.winsorize(scores, (cut / len(scores),) * 2))
        error = math.sqrt((len(scores) - 1) * winsorized.var(ddof=1) / (kept * (kept - 1)))
        found["iqm_low"], found["iqm_high"] = stats.t(kept - 1, found["iqm"], error).interval(0.95)
    if finals:
        found["steps_to_target"] = float(np.median([run["steps_to_target"] for run in finals]))
        found["measured_seconds_to_target"] = float(np.median([run["measured_seconds_to_target"] for run in finals]))
    studies = {run["study"] for run in trials}
    fastest = [min(run["steps_to_target"] for run in trials if run["study"] == study) for study in studies]
    found["steps_to_target_of_studies"] = float(np.median(fastest))
    sound = [run for run in trials if math.isfinite(run["score"])]
    if sound:
        best = (max if largest else min)(sound, key=lambda run: run["score"])
        found["best_trial_score"] = best["score"]
        found |= {f"best.{key[7:]}": value for key, value in best.items() if key.startswith("values.")}
        bounded = [run["score"] if math.isfinite(run["score"]) else worst for run in trials]
        bounded = [max(score, worst) if largest else min(score, worst) for score in bounded]
        found["mean_loss_of_lr"] = abs(best["score"] - np.mean(bounded))
        ranks = np.arange(1, len(bounded) + 1) / len(bounded)
        ascending = np.sort(bounded if largest else np.negative(bounded))
        for k in range(1, len(bounded) + 1):  # the maximum of k has the distribution function of one, to the k
            found[f"best_of_{k}"] = abs(np.sum(ascending * np.diff(ranks**k, prepend=0.0)))
    return found


def _comparisons(runs: Table, plan: dict[str, Any]) -> Table:
    scores: dict[str, dict[int, float]] = {}
    for run in runs:
        if run["kind"] == "seed":
            scores.setdefault(run["contender"], {})[run["seed"]] = run["score"]
    scores = {name: each for name, each in scores.items() if all(map(math.isfinite, each.values()))}
    seeds = sorted(set.intersection(*(set(each) for each in scores.values()))) if scores else []
    found = []
    for pair in combinations(scores if len(seeds) > 1 else (), 2):
        values = [np.array([scores[name][seed] for seed in seeds]) for name in pair]
        better, other = pair if (values[0].mean() > values[1].mean()) == (plan["mode"] == "max") else pair[::-1]
        by_better = (better == pair[0]) == (plan["mode"] == "max")
        test = stats.ttest_rel(*(values if by_better else values[::-1]))
        low, high = test.confidence_interval(0.95)
        difference = abs(values[0].mean() - values[1].mean())
        row = {"better": better, "other": other, "difference": difference, "low": low, "high": high}
        found.append({**row, "p": test.pvalue})
    whole = len(plan["seeds"]) >= 3 and all({*each} == {*plan["seeds"]} for each in scores.values())
    order = np.argsort([row["p"] for row in found])
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, found[index]["p"] * (len(order) - rank)))
        found[index]["p"] = largest
        verdict = "better" if largest < 0.02 else "not distinguishable"
        found[index]["verdict"] = verdict if whole else "not ranked"
    return found


def differences(folder: Path, report: Path) -> list[str]:
    """Where the csv files of a report differ from what is recomputed; each number of theirs must have been computed."""
    keys = {"runs": ("contender", "kind", "number"), "summary": ("contender",), "comparisons": ("better", "other")}
    found = []
    for name, expected in recompute(folder).items():
        with (report / f"{name}.csv").open() as lines:
            rows = {tuple(row[key] for key in keys[name]): row for row in csv.DictReader(lines)}
        known = {tuple(str(row[key]) for key in keys[name]): row for row in expected}
        sound = {key for key, row in rows.items() if row.get("verdict") != "not compared"}
        found += [f"{name}: {key}" for key in sound ^ set(known)]
        for key in sound & set(known):
            found += [f"{name} {key} {problem}" for problem in _cells(rows[key], known[key])]
    return found


WORDS = {
    "place",
    "overrides",
    "space",
    "source",
    "why_not_tuned",
    "failure",
    "extends",
    "error",
}  # and what names a run


def _cells(row: dict[str, str], known: dict[str, Any]) -> list[str]:
    problems = []
    for column, cell in row.items():
        if column not in WORDS:
            value = known.get(column, "")
            shown = "" if value == "" or value != value else value  # noqa: PLR0124
            text_differs = isinstance(shown, str) and shown != cell
            if text_differs or (not isinstance(shown, str) and not _near(cell, float(shown))):
                problems.append(f"{column}: {cell!r} is {shown!r}")
    return problems


def _near(cell: str, value: float) -> bool:
    return bool(cell) and (float(cell) == value or math.isclose(float(cell), value, rel_tol=1e-9, abs_tol=1e-12))


if __name__ == "__main__":
    print("\n".join(differences(Path(sys.argv[1]), Path(sys.argv[1], "report"))) or "every number is the same")
