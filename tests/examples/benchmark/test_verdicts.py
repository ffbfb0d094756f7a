"""The verdicts on fabricated runs: a planted claim is found true, false or undecided, and a failed run decides nothing."""

import math
import random
import re

import pytest
from omegaconf import OmegaConf

import lit_optim
from benchmark.claims import CLAIMS, COMPARISONS, SPACES, Check, Claim
from benchmark.run import command
from benchmark.runs import METRICS, Run, as_run, collect, from_csv, to_csv
from benchmark.verdicts import (
    HOLDS,
    MARKS,
    OPPOSITE,
    UNDECIDED,
    compared,
    contenders,
    in_words,
    judged,
    put,
    rendered,
)
from lit_optim.study.plan import ComparisonPlan, Contender, Job, as_json
from lit_optim.study.record_files import MetricRow, RunRecord
from lit_optim.study.results import RunResult
from lit_optim.study.search_space import parse_search_space

SEEDS = range(5)
STEPS = tuple(range(100, 1001, 100))
END = Check("images/a", "images/b", "end", "test/acc")


def final(name, seed, *, test=0.9, curve=None, outcome="finished", switched=""):
    curve = curve or (0.5,) * 10
    curves = {"val/loss": curve, "val/acc": curve, "test/loss": (test,), "test/acc": (test,)}
    return Run(name, "seed", seed, 0.1, outcome, 20.0, switched, STEPS, curves)


def runs(**scores):
    """Final runs, by the name of a contender of the comparison `images` and its scores by seed."""
    return [final(f"images/{n}", seed, test=s) for n, each in scores.items() for seed, s in enumerate(each)]


@pytest.mark.parametrize(
    ("a", "verdict"),
    [
        ([0.93, 0.94, 0.93, 0.92, 0.94], HOLDS),
        ([0.87, 0.88, 0.87, 0.86, 0.88], OPPOSITE),
        ([0.90, 0.91, 0.89, 0.92, 0.88], UNDECIDED),
    ],
)
def test_a_planted_difference(a, verdict):
    claim = Claim("a is better", "a test", (END,))
    found = judged([claim], runs(a=a, b=[0.90, 0.91, 0.90, 0.89, 0.905]))
    assert [each.verdict for each in found] == [verdict]


def test_the_numbers_of_a_difference():
    found = compared(END, runs(a=[0.91, 0.93, 0.95], b=[0.90, 0.91, 0.92]))  # differences 0.01, 0.02, 0.03
    assert found.values == (-0.93, -0.91)  # lower is better
    assert found.difference == pytest.approx(0.02)
    assert (found.low, found.high) == pytest.approx((0.02 - 4.302653 * 0.01 / 3**0.5, 0.02 + 4.302653 * 0.01 / 3**0.5))
    assert found.p == pytest.approx(0.0741799)  # t = 3.4641, 2 degrees of freedom
    assert in_words(found) == (
        "images/a 0.93 against images/b 0.91 in test/acc at the end: better by 0.02 [-0.0048, 0.045], p = 0.074"
    )
    swapped = in_words(
        compared(END._replace(one="images/b", other="images/a"), runs(a=[0.91, 0.93, 0.95], b=[0.90, 0.91, 0.92]))
    )
    assert swapped.endswith("worse by 0.02 [-0.0048, 0.045], p = 0.074")


def test_a_loss_is_to_fall():
    found = compared(END._replace(metric="test/loss"), runs(a=[0.1, 0.2, 0.3], b=[0.2, 0.4, 0.6]))
    assert found.difference == pytest.approx(0.2)


def test_within_a_margin_is_as_good():
    plain, as_good = (Claim("", "", (END._replace(margin=margin),)) for margin in (0.0, 0.005))
    scores = dict(a=[0.901, 0.899, 0.901, 0.899, 0.900], b=[0.9] * 5)
    assert [judged([claim], runs(**scores))[0].verdict for claim in (plain, as_good)] == [UNDECIDED, HOLDS]
    worse = dict(scores, a=[0.880, 0.881, 0.880, 0.879, 0.880])
    assert judged([as_good], runs(**worse))[0].verdict == OPPOSITE
    barely = dict(scores, a=[0.8951, 0.8949, 0.8951, 0.8949, 0.8950])  # worse for sure, by just the margin
    assert [judged([claim], runs(**barely))[0].verdict for claim in (plain, as_good)] == [OPPOSITE, UNDECIDED]


def test_a_claim_holds_if_all_checks_do_and_fails_if_one_shows_the_opposite():
    better, same, worse = (
        Check("images/up", "images/b", *END[2:]),
        Check("images/b2", "images/b", *END[2:]),
        Check("images/down", "images/b", *END[2:]),
    )
    table = runs(
        b=[0.9, 0.901, 0.899, 0.9, 0.9], b2=[0.9, 0.899, 0.901, 0.901, 0.899],
        up=[0.95, 0.951, 0.95, 0.949, 0.95], down=[0.8, 0.8, 0.801, 0.802, 0.8],
    )  # fmt: skip
    claims = [Claim("", "", checks) for checks in ((better,), (better, same), (better, worse), (worse, same))]
    assert [each.verdict for each in judged(claims, table)] == [HOLDS, UNDECIDED, OPPOSITE, OPPOSITE]


def test_p_values_are_corrected_for_the_number_of_claims():
    claim = Claim("", "", (END,))
    table = runs(a=[0.91, 0.93, 0.92, 0.90, 0.94], b=[0.90, 0.91, 0.905, 0.90, 0.915])
    p = compared(END, table).p
    assert 0.01 < p < 0.05
    assert [each.p for each in judged([claim] * 4, table)] == pytest.approx([4 * p] * 4)
    assert judged([claim] * 4, table)[0].verdict == UNDECIDED
    assert judged([claim], table)[0].verdict == HOLDS


def test_of_claims_without_any_difference_hardly_one_is_decided():
    source, wrong = random.Random(0), 0
    checks = [END, END._replace(metric="test/loss")]
    for _ in range(100):
        table = runs(**{name: [source.gauss(0.9, 0.01) for _ in SEEDS] for name in "ab"})
        wrong += any(v.verdict != UNDECIDED for v in judged([Claim("", "", (check,)) for check in checks], table))
    assert wrong <= 10


def test_early_is_the_mean_at_10_to_20_percent_of_the_steps():
    check = END._replace(measure="early", metric="val/acc")
    early = {"a": (0.5, 0.7), "b": (0.4, 0.6)}
    table = [
        final(f"images/{name}", seed, curve=(*(v + 0.01 * seed for v in values), *[0.9] * 8))
        for name, values in early.items() for seed in SEEDS
    ]  # fmt: skip
    assert compared(check, table).values == pytest.approx((-0.62, -0.52))
    assert "at 10 to 20 % of the steps" in in_words(compared(check, table))


def test_steps_are_those_to_the_best_of_the_other():
    fast = (2.0, 1.5, 1.1, 1.0, *[0.9] * 6)  # reaches 1.5 at step 200
    slow = (4.0, 3.5, 3.0, 2.5, 2.4, 2.2, 2.0, 1.5, 1.6, 1.7)  # at step 800
    table = [final(f"images/{n}", seed, curve=c) for n, c in (("a", fast), ("b", slow)) for seed in SEEDS]
    found = compared(END._replace(measure="steps", metric="val/loss"), table)
    assert found.difference == pytest.approx(2.0)  # four times fewer
    assert in_words(found) == "images/a against images/b: 4 times fewer steps [4, 4], p = 0"
    swapped = in_words(compared(Check("images/b", "images/a", "steps", "val/loss"), table))
    assert swapped.startswith("images/b against images/a: 2 times more steps [2, 2]")  # which reaches 0.9 at step 500
    never = [
        each._replace(curves={**each.curves, "val/loss": (3.0,) * 10}) if each.name == "images/a" else each
        for each in table
    ]
    assert compared(END._replace(measure="steps", metric="val/loss"), never).values[0] == math.log2(1000)


def test_a_gap_beyond_another_gap():
    table = runs(a=[0.95, 0.96, 0.97], b=[0.9, 0.9, 0.9], c=[0.92, 0.92, 0.92], d=[0.9, 0.9, 0.9])
    found = compared(END._replace(beyond=("images/c", "images/d")), table)
    assert found.difference == pytest.approx(0.06 - 0.02)
    assert "beyond that of images/c and images/d" in in_words(found)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda run: run._replace(outcome="diverged"), "a run failed"),
        (lambda run: run._replace(curves={**run.curves, "test/acc": (math.nan,)}), "a run failed"),
        (lambda run: run._replace(seed=run.seed + 100), "0 common seeds; at least 3 are needed"),
        (lambda run: run._replace(kind="trial"), "0 common seeds; at least 3 are needed"),
    ],
)
def test_what_cannot_be_compared_is_undecided(change, problem):
    table = [change(run) if run.name == "images/a" else run for run in runs(a=[0.99] * 5, b=[0.1] * 5)]
    found = judged([Claim("", "", (END,))], table)[0]
    assert (found.verdict, in_words(found.results[0])) == (UNDECIDED, f"images/a against images/b: {problem}")


def test_the_table_of_contenders():
    trials = [
        Run("images/adam", "trial", 1, lr, "finished", 20.0, "", (1000,), dict.fromkeys(METRICS, (score,)))
        for lr, score in ((0.001, 0.8), (0.003, 0.9), (0.01, 0.7))
    ]
    finals = [final("images/adam", seed, test=0.9 + 0.01 * seed, switched="232") for seed in range(3)]
    row = contenders([*trials, *finals])
    assert row == [["images/adam", "0.003", "", "0.9100 [0.8852, 0.9348]", "232 232 232", "20"]]
    row = contenders([*trials[:2], finals[0]._replace(outcome="diverged"), *finals[1:]])[0]
    assert row[2] == "not tuned: 2 values of lr tried"
    assert row[3].endswith("1 failed")


@pytest.mark.parametrize(
    ("switched", "shown"),
    [(("", "816", ""), "- 816 -"), (("816", "", ""), "816 - -"), (("", "", ""), ""), (("7", "8", "9"), "7 8 9")],
)
def test_a_seed_that_never_switched_is_seen(switched, shown):
    assert contenders([final("images/adam", seed, switched=each) for seed, each in enumerate(switched)])[0][4] == shown


def test_the_adam_of_the_wider_gap_must_be_ahead():
    """On the transformer equal, on the LSTM behind: that difference of differences is no lead."""
    ends = {"transformer/adam": 1.9, "transformer/momentum": 1.9, "lstm/adam": 1.8, "lstm/momentum": 1.7}
    jitter = (0.01, -0.01, 0.0, 0.01, -0.01)
    table = [
        final(name, seed, test=end + (jitter[seed] if "adam" in name else 0.0))
        for name, end in ends.items()
        for seed in range(5)
    ]
    (claim,) = (each for each in CLAIMS if "by more than on an LSTM" in each.text)
    verdict = judged([claim], table)[0]
    assert verdict.verdict == UNDECIDED
    assert verdict.results[1].p < 0.05 < verdict.results[0].p


def test_runs_survive_the_csv_and_give_the_same_verdicts():
    table = [*runs(a=[0.91, 0.92, 0.93], b=[0.9, 0.9, 0.91]), final("images/c", 0, outcome="diverged", switched="7")]
    table.append(Run("images/c", "trial", 1, math.nan, "crashed", 0.0, "", (), dict.fromkeys(METRICS, ())))
    again = from_csv(to_csv(table))
    assert to_csv(again) == to_csv(table)
    assert again[:-1] == table[:-1]
    assert judged(CLAIMS[:1], again)[0].results[0].problem.startswith("0 common seeds")


def recorded(folder, job, values):
    rows = tuple(MetricRow(step, 0, 1.0, name, value) for step in (10, 20) for name, value in values.items())
    run = {"outcome": "finished", "switches": [{"step": 12}], "measured": {"seconds": 3.25}}
    return RunResult(job, "finished", 0.0, RunRecord(folder, run, (), rows))


def test_a_run_becomes_a_row(tmp_path):
    values = {"val/loss": 0.5, "val/acc": 0.8, "test/acc": 0.7}
    seed = as_run("images/adam", recorded(tmp_path, Job("adam", "seed", 0, 7, {"optimizer.lr": 0.1}), values))
    assert (seed.lr, seed.seed, seed.steps, seed.switched) == (0.1, 7, (10, 20), "12")
    assert seed.curves == {"val/loss": (0.5, 0.5), "val/acc": (0.8, 0.8), "test/loss": (), "test/acc": (0.7, 0.7)}
    trial = as_run("images/adam", recorded(tmp_path, Job("adam", "trial", 0, 7, {"lr": 0.1}), values))
    assert (trial.steps, trial.curves["val/acc"]) == ((20,), (0.8,))


def test_folders_are_read(tmp_path):
    with pytest.raises(lit_optim.ConfigError, match="holds no comparison; run `make benchmark`"):
        collect(tmp_path)
    job = Job("adam", "seed", 0, 7, {"lr": 0.1})
    folder = tmp_path / "lstm" / job.folder
    folder.mkdir(parents=True)
    plan = ComparisonPlan("train.py", (), (Contender("adam", (), "lr log 1e-3..1e-1"),), "val/loss", "min")
    (tmp_path / "lstm" / "plan.json").write_text(as_json(plan))
    (folder / "job.json").write_text(as_json(job))
    (folder / "error.txt").write_text("RuntimeError: no\n")
    assert [(run.name, run.outcome) for run in collect(tmp_path)] == [("lstm/adam", "crashed")]


def test_the_page_gets_both_tables_between_its_marks():
    table = runs(a=[0.91, 0.92, 0.93], b=[0.9, 0.9, 0.91])
    tables = rendered(judged([Claim("a is better", "A 2020", (END,))], table), [["images/a", "0.1", "", "x", "", "2"]])
    assert tables.startswith("| claim | verdict | numbers |\n|---|---|---|\n| a is better (A 2020) | **")
    page = put(tables, f"above\n{MARKS[0]}\nold\n{MARKS[1]}\nbelow\n")
    assert page == f"above\n{MARKS[0]}\n\n{tables}\n{MARKS[1]}\nbelow\n"
    assert put(tables, page) == page


def test_claims_are_about_runs_that_the_benchmark_has():
    known = {f"{each.name}/{optimizer}" for each in COMPARISONS for optimizer in each.optimizers}
    checks = [check for claim in CLAIMS for check in claim.checks]
    assert {name for check in checks for name in (check.one, check.other, *(check.beyond or ()))} <= known
    assert {check.metric for check in checks} <= {*METRICS}
    assert all(re.search(r"\d{4}, \S", claim.source) for claim in CLAIMS)


def test_all_claims_are_decided_on_runs_of_the_whole_benchmark():
    names = [f"{each.name}/{optimizer}" for each in COMPARISONS for optimizer in each.optimizers]
    source, table = random.Random(0), []
    for place, name in enumerate(names):
        for seed in SEEDS:
            noise, height = source.gauss(0, 1e-4), 0.4 + 0.001 * place**1.7
            curve = tuple(height - 0.005 * number + noise for number in range(10))
            table.append(final(name, seed, test=height + noise, curve=curve))
    verdicts = judged(CLAIMS, from_csv(to_csv(table)))
    assert {each.verdict for each in verdicts} == {HOLDS, OPPOSITE}
    assert not [result.problem for each in verdicts for result in each.results if result.problem]
    assert len(rendered(verdicts, contenders(table)).splitlines()) == len(CLAIMS) + len(names) + 7


@pytest.mark.parametrize("each", COMPARISONS, ids=lambda each: each.name)
def test_a_comparison_is_a_command_that_composes(each):
    from lit_optim.config.read.app_config import app_config

    words = command(each, "logs", ["hydra.launcher.n_jobs=2"])
    assert words[1:4] == ["-m", "lit_optim", "compare"]
    chosen = [f"optimizer={','.join(each.optimizers)}", f"task={each.task}", *each.overrides]
    spaces = [word for name in each.optimizers for word in ("--space", f"{name}: {SPACES[each.task][name]}")]
    options = ["--dir", f"logs/{each.name}", "--budget", "5", "--seeds", "5", *spaces]
    assert words[5:] == [*chosen, "hydra.launcher.n_jobs=2", *options]
    assert all(parse_search_space(SPACES[each.task][name]).dimensions[0].key == "lr" for name in each.optimizers)
    config = app_config(
        words[4].replace("train.py", "conf"), "train", [f"task={each.task}", *each.overrides, "optimizer=adam"]
    )
    lit_optim.validate(
        OmegaConf.create({k: v for k, v in config.values.items() if k in ("optimizer", "scheduler", "optim_callbacks")})
    )
