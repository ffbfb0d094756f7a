"""Rounds of a comparison: what comes next, whatever is over; runs are simulated."""

import math
import random
from dataclasses import replace

import pytest

from lit_optim.study.plan import ComparisonPlan, Contender
from lit_optim.study.results import RunResult, trials_of
from lit_optim.study.rounds import last_fifth, next_jobs, total_runs
from lit_optim.study.search_space import parse_search_space
from lit_optim.study.selection import best_trial, why_not_tuned

NAN = float("nan")
SPACE = "lr log 1e-4..1e-2; weight_decay log 1e-3..1"
A, B = (Contender(name, (f"optimizer={name}",), SPACE) for name in ("a", "b"))
PLAN = ComparisonPlan("train.py", (), (A, B), "val/loss", "min", budget=5, seeds=(2, 3))


def at_most(best_lr):
    """A loss that falls with the lr until its best."""
    return lambda job: abs(job.values["lr"] - best_lr)


def result(job, score):
    outcome = "crashed" if score is None else "diverged" if math.isnan(score) else "finished"
    return RunResult(job, outcome, NAN if score is None else score, None)


def in_order(plan, results):
    names = [each.name for each in plan.contenders]
    return sorted(results, key=lambda r: (names.index(r.job.contender), r.job.kind != "trial", r.job.number))


def rounds_of(plan, loss, done=()):
    """Run a comparison, and return its rounds and its results."""
    rounds, results = [], [*done]
    while jobs := next_jobs(plan, in_order(plan, results)):
        rounds.append(jobs)
        results += [result(job, loss(job)) for job in jobs]
        assert len(rounds) < 20
    return rounds, in_order(plan, results)


def folders(jobs):
    return [job.folder.removeprefix("runs/") for job in jobs]


def test_rounds_of_two_optimizers():
    rounds, results = rounds_of(PLAN, at_most(1e-3))
    trials = [f"{name}/trial-0{number}" for name in "ab" for number in range(4)]
    assert [folders(jobs) for jobs in rounds] == [
        ["a/trial-00"],
        trials[1:],
        ["a/trial-04", "b/trial-04"],
        ["a/seed-0", "a/seed-1", "b/seed-0", "b/seed-1"],
    ]
    assert len(results) == total_runs(PLAN) == 14
    assert [job.seed for job in rounds[3]] == [2, 3, 2, 3]
    assert {job.seed for jobs in rounds[:3] for job in jobs} == {1}
    best = min((r for r in trials_of(results, "a")), key=lambda r: r.score)
    assert all(job.values == best.job.values for job in rounds[3])


@pytest.mark.parametrize(("best_lr", "side"), [(1.0, "high"), (1e-9, "low"), (1e-3, "")])
def test_the_last_fifth_goes_beyond_the_edge_at_which_the_best_lies(best_lr, side):
    rounds, results = rounds_of(replace(PLAN, budget=15), at_most(best_lr))
    last = [job for job in rounds[2] if job.contender == "a"]
    assert [job.number for job in last] == [12, 13, 14]
    assert {job.extends for job in last} == {side}
    lrs = [job.values["lr"] for job in last]
    first = [r for r in trials_of(results, "a") if r.job.number < 12]
    best = min(first, key=lambda r: r.score).job.values
    if side:  # three equal steps of the logarithm, from the best lr to a decade beyond the range
        end = 0.1 if side == "high" else 1e-5
        steps = [best["lr"] * (end / best["lr"]) ** (k / 3) for k in (1, 2, 3)]
        assert lrs == pytest.approx(steps, rel=1e-3)
    decays = {job.values["weight_decay"] for job in last}
    assert decays == {best["weight_decay"]} if side else len(decays) == 3


@pytest.mark.parametrize("best_lr", [0.03, 1.0])
def test_an_optimum_outside_of_the_range_is_found_or_marked(best_lr):
    _, results = rounds_of(replace(PLAN, budget=15), at_most(best_lr))
    why = why_not_tuned(parse_search_space(SPACE), [r.trial() for r in trials_of(results, "a")], "min")
    assert bool(why) == (best_lr == 1.0)


@pytest.mark.parametrize("budget", [5, 10, 15])
@pytest.mark.parametrize("diverges_above", [1.5, 100.0])
@pytest.mark.parametrize("exponent", [x / 10 for x in range(-60, 15)])
def test_an_optimum_anywhere_is_found_within_half_a_decade_or_marked(exponent, diverges_above, budget):
    """Of a loss that rises on both sides of the optimum; above it runs diverge, soon or late."""
    optimum = 10**exponent

    def loss(job):
        lr = job.values["lr"]
        return NAN if lr > diverges_above * optimum else abs(math.log10(lr / optimum))

    _, results = rounds_of(replace(PLAN, budget=budget, contenders=(A,)), loss)
    trials = [r.trial() for r in trials_of(results, "a")]
    best = best_trial(trials, "min")
    if not why_not_tuned(parse_search_space(SPACE), trials, "min"):
        assert abs(math.log10(trials[best].values["lr"] / optimum)) <= 0.51
    if -4 <= exponent <= -2 and diverges_above > 10:
        assert abs(math.log10(trials[best].values["lr"] / optimum)) <= 0.51


@pytest.mark.parametrize(("best_lr", "budget"), [(1e-3, 5), (1.0, 5), (0.03, 15)])
def test_a_comparison_that_was_killed_at_any_moment_comes_to_the_same_runs(best_lr, budget):
    plan = replace(PLAN, budget=budget)
    _, whole = rounds_of(plan, at_most(best_lr))
    source = random.Random(1)
    for _ in range(30):
        results = []
        while jobs := next_jobs(plan, in_order(plan, results)):
            over = source.sample(jobs, source.randint(0, len(jobs)))  # in whatever order a launcher ran them
            results = [r for r in results if r.outcome != "running"]
            assert not {*folders(jobs)} & {*folders(r.job for r in results)}
            killed = [job for job in jobs if job not in over]
            results += [result(job, at_most(best_lr)(job)) for job in over]
            results += [RunResult(job, "running", NAN, None) for job in killed[:1]]
        assert in_order(plan, results) == whole


def test_a_first_contender_that_cannot_train_stands_for_itself_alone():
    rounds, results = rounds_of(PLAN, lambda job: None if job.contender == "a" else job.values["lr"])
    assert [folders(jobs) for jobs in rounds[:2]] == [["a/trial-00"], ["b/trial-00"]]
    assert {job.contender for job in rounds[-1]} == {"b"}  # without a best trial, no final runs
    assert len(trials_of(results, "a")) == len(trials_of(results, "b")) == 5


def test_a_divergence_shows_that_the_app_works():
    rounds, results = rounds_of(PLAN, lambda job: NAN)
    assert [len(jobs) for jobs in rounds] == [1, 7, 2]
    assert len(results) == 10


@pytest.mark.parametrize(
    ("budget", "studies", "search", "count"),
    [(4, 1, "quasi-random", 0), (5, 1, "quasi-random", 1), (15, 1, "quasi-random", 3), (15, 3, "quasi-random", 1),
     (15, 1, "grid", 0)],
)  # fmt: skip
def test_how_many_trials_wait_for_the_others(budget, studies, search, count):
    plan = replace(PLAN, budget=budget, studies=studies, search=search)
    assert last_fifth(plan) == count
    rounds, results = rounds_of(plan, at_most(1.0))
    assert all(len(trials_of(results, name)) == budget for name in "ab")
    assert sum(bool(job.extends) for jobs in rounds for job in jobs) == 2 * studies * count


def test_each_study_has_its_own_points():
    plan = replace(PLAN, budget=15, studies=3)
    _, results = rounds_of(plan, at_most(1e-3))
    trials = trials_of(results, "a")
    assert [r.job.study for r in trials] == [number // 5 for number in range(15)]
    assert len({r.job.values["lr"] for r in trials}) == 15


def test_a_screening_has_no_final_runs():
    rounds, _ = rounds_of(replace(PLAN, search="grid", seeds=()), at_most(1.0))
    assert [job.values for job in rounds[1][:4]] == [{"lr": lr} for lr in (0.0003162, 0.001, 0.003162, 0.01)]
    assert len(rounds) == 2


def test_an_optimizer_and_seeds_that_are_added_run_alone():
    _, done = rounds_of(PLAN, at_most(1e-3))
    more = replace(PLAN, contenders=(A, B, replace(A, name="c")), seeds=(2, 3, 4))
    rounds, _ = rounds_of(more, at_most(1e-3), done)
    assert {job.contender for job in rounds[0]} == {"c"}
    assert folders(rounds[-1]) == ["a/seed-2", "b/seed-2", "c/seed-0", "c/seed-1", "c/seed-2"]
