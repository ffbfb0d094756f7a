"""Says of each claim in claims.py whether it holds: from the folders of the comparisons, or from the runs.csv of them.

python examples/benchmark/verdicts.py logs/folklore
python examples/benchmark/verdicts.py docs/_static/folklore.csv
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lit_optim import exit_on_config_error
from lit_optim.study.intervals import resolution_of, trimmed_interval
from lit_optim.study.ranking import holm, paired_t_test
from lit_optim.study.search_space import parse_search_space
from lit_optim.study.selection import TrialResult, best_trial, why_not_tuned
from lit_optim.study.targets import baseline_target, time_to_target

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmark.claims import CLAIMS, SPACES, Check, Claim, Comparison
from benchmark.runs import Run, collect, from_csv, to_csv

EARLY = (0.1, 0.2)  # shares of the steps
LEVEL = 0.05  # of all claims together
HOLDS, OPPOSITE, UNDECIDED = "holds", "does not hold", "cannot be decided"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "folklore.md"
MARKS = "<!-- results of examples/benchmark/verdicts.py -->", "<!-- end of results -->"


class CheckResult(NamedTuple):
    """A check with its numbers: mean difference in favour of ``one`` and its 95 % interval; or why there are none."""

    check: Check
    values: tuple[float, float]  # means of one and of the other
    difference: float = math.nan
    low: float = -math.inf
    high: float = math.inf
    p: float = 1.0
    problem: str = ""


class Verdict(NamedTuple):
    """A claim, what is said of it, the p value behind that (corrected for the number of claims), and its checks."""

    claim: Claim
    verdict: str
    p: float
    results: tuple[CheckResult, ...]


def measured(check: Check, runs: Sequence[Run]) -> tuple[dict[int, float], dict[int, float]]:
    """Returns the numbers of both sides by seed, of which the lower are better."""
    one, other = (
        {run.seed: run for run in runs if run.name == name and run.kind == "seed"} for name in (check.one, check.other)
    )
    sign, mode = (-1.0, "max") if check.metric.endswith("acc") else (1.0, "min")
    curves = [[*zip(run.steps, run.curves[check.metric], strict=False)] for run in other.values()]
    target = baseline_target(curves, mode) if other and check.measure == "steps" else math.nan

    def number(run: Run) -> float:
        if run.outcome != "finished":
            return math.inf
        values, total = run.curves[check.metric], run.steps[-1]
        if check.measure == "steps":  # a miss counts as the whole run, which favours the one that misses
            reached = time_to_target([*zip(run.steps, values, strict=True)], target, mode)
            return math.log2(min(reached, total))
        if check.measure == "end":
            return sign * values[-1]
        early = [v for s, v in zip(run.steps, values, strict=True) if EARLY[0] <= s / total <= EARLY[1]]
        return sign * float(np.mean(early))

    return {seed: number(run) for seed, run in one.items()}, {seed: number(run) for seed, run in other.items()}


def compared(check: Check, runs: Sequence[Run]) -> CheckResult:
    """Tests a check by the paired differences over the seeds that all of its runs have."""
    one, other = measured(check, runs)
    sides = [one, other]
    if check.beyond:
        sides += measured(check._replace(one=check.beyond[0], other=check.beyond[1], beyond=None), runs)
    seeds = sorted(set.intersection(*map(set, sides)))
    middles = _mean(one), _mean(other)
    if len(seeds) < 3:
        return CheckResult(check, middles, problem=f"{len(seeds)} common seeds; at least 3 are needed")
    if not all(math.isfinite(side[seed]) for side in sides for seed in seeds):
        return CheckResult(check, middles, problem="a run failed")
    table = np.array([[side[seed] for seed in seeds] for side in sides])
    differences = table[1] - table[0] - (table[3] - table[2] if check.beyond else 0.0)
    resolution = math.sqrt(len(table)) * resolution_of(table.tolist())
    center, low, high = map(float, trimmed_interval(differences, resolution=resolution))
    return CheckResult(check, middles, center, low, high, float(paired_t_test(differences + check.margin, resolution)))


def _mean(side: dict[int, float]) -> float:
    return float(np.mean([*side.values()])) if side else math.nan


def judged(claims: Sequence[Claim], runs: Sequence[Run]) -> list[Verdict]:
    """Judges the claims together: Holm's correction is for their number.

    A claim holds if all its checks do, so the largest of their p values counts; it does not hold if one of them shows
    the opposite, so the smallest one counts, times their number.
    """
    found = [tuple(compared(check, runs) for check in claim.checks) for claim in claims]
    corrected = holm([_p_value(tests) for tests in found])
    return [
        Verdict(claim, _verdict(tests, p), p, tests) for claim, tests, p in zip(claims, found, corrected, strict=True)
    ]


def _against(tests: Sequence[CheckResult]) -> list[CheckResult]:
    return [each for each in tests if each.difference + each.check.margin < 0]


def _p_value(tests: Sequence[CheckResult]) -> float:
    against = _against(tests)
    return min(1.0, len(tests) * min(each.p for each in against)) if against else max(each.p for each in tests)


def _verdict(tests: Sequence[CheckResult], p: float) -> str:
    if p >= LEVEL:
        return UNDECIDED
    return OPPOSITE if _against(tests) else HOLDS


def in_words(each: CheckResult) -> str:
    """Says what a check has found."""
    check, ahead = each.check, each.difference >= 0
    if each.problem:
        return f"{check.one} against {check.other}: {each.problem}"
    low, high = (each.low, each.high) if ahead else (-each.high, -each.low)
    if check.measure == "steps":
        times, least, most = (2**number for number in (abs(each.difference), low, high))
        numbers = f"{times:.3g} times {'fewer' if ahead else 'more'} steps [{least:.3g}, {most:.3g}], p = {each.p:.2g}"
        return f"{check.one} against {check.other}: {numbers}"
    where = "at the end" if check.measure == "end" else "at 10 to 20 % of the steps"
    one, other = (abs(value) for value in each.values)
    margin = f" (equal within {check.margin:g})" if check.margin else ""
    beyond = f" beyond that of {check.beyond[0]} and {check.beyond[1]}" if check.beyond else ""
    numbers = f"{'better' if ahead else 'worse'} by {abs(each.difference):.2g} [{low:.2g}, {high:.2g}]{beyond}{margin}"
    sides = f"{check.one} {one:.4g} against {check.other} {other:.4g} in {check.metric} {where}"
    return f"{sides}: {numbers}, p = {each.p:.2g}"


def contenders(runs: Sequence[Run]) -> list[list[str]]:
    """Returns a row for each contender: its lr and whether it is tuned, the ends of its runs, switches, seconds."""
    rows = []
    for name in dict.fromkeys(run.name for run in runs):
        trials = [run for run in runs if run.name == name and run.kind == "trial"]
        final = [run for run in runs if run.name == name and run.kind == "seed"]
        metric, mode = ("val/acc", "max") if name.startswith("images") else ("val/loss", "min")
        ends = [TrialResult({"lr": run.lr}, (run.curves[metric] or (math.nan,))[-1], run.outcome) for run in trials]
        comparison, _, optimizer = name.partition("/")
        space = parse_search_space(SPACES[Comparison(comparison, ()).task][optimizer])
        best = best_trial(ends, mode)
        scores = [run.curves[f"test/{metric[4:]}"][-1] for run in final if run.outcome == "finished"]
        failed = f", {len(final) - len(scores)} failed" if len(scores) < len(final) else ""
        center, low, high = map(float, trimmed_interval(scores)) if scores else (math.nan,) * 3
        rows.append([
            name, "" if best is None else f"{trials[best].lr:.3g}", why_not_tuned(space, ends, mode),
            f"{center:.4f} [{low:.4f}, {high:.4f}]{failed}",
            " ".join(run.switched or "-" * any(each.switched for each in final) for run in final).strip(),
            f"{np.median([run.seconds for run in final or trials]):.0f}",
        ])  # fmt: skip
    return rows


def rendered(verdicts: Sequence[Verdict], rows: Sequence[Sequence[str]]) -> str:
    """Returns both tables as Markdown."""
    lines = ["| claim | verdict | numbers |", "|---|---|---|"]
    for each in verdicts:
        numbers = "<br>".join(map(in_words, each.results))
        lines.append(f"| {each.claim.text} ({each.claim.source}) | **{each.verdict}** (p = {each.p:.2g}) | {numbers} |")
    lines += ["", "| run | lr | tuned | test, mean [95 %] | switched at | s |", "|---|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", "Every run, from which all numbers are computed: [folklore.csv](_static/folklore.csv)."]
    return "\n".join(lines) + "\n"


def put(text: str, page: str) -> str:
    """Puts the tables between the marks of a page."""
    begin, end = map(re.escape, MARKS)
    return re.sub(f"({begin}\n).*({end})", lambda found: f"{found[1]}\n{text}\n{found[2]}", page, flags=re.DOTALL)


@exit_on_config_error
def main() -> None:
    """Prints the tables, and writes them and runs.csv where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder of the comparisons, or the runs.csv of them")
    parser.add_argument("--write", action="store_true", help="into docs/: folklore.md and _static/folklore.csv")
    args = parser.parse_args()
    text = args.source.read_text(encoding="utf-8") if args.source.suffix == ".csv" else to_csv(collect(args.source))
    runs = from_csv(text)
    tables = rendered(judged(CLAIMS, runs), contenders(runs))
    print(tables)
    if args.write:
        PAGE.write_text(put(tables, PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        (PAGE.parent / "_static" / "folklore.csv").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
