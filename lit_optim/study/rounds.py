"""Decides which runs of a comparison come next, from its plan and from the runs that are over.

One run at first, which shows what no later run can do without: a record and the metric. Then the trials of all
contenders, then those of their last fifth, which go on from the best value where it is the outermost one, then final
runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lit_optim.study.plan import ComparisonPlan, Contender, Job
from lit_optim.study.results import OVER, RunResult, trials_of
from lit_optim.study.search_space import SearchSpace, parse_search_space
from lit_optim.study.selection import best_trial, edge_of_best
from lit_optim.study.trial_values import beyond_edge, grid_trials, quasi_random_trials

SOUND = ("finished", "diverged")  # such a run shows that the app works


def next_jobs(plan: ComparisonPlan, results: Sequence[RunResult]) -> list[Job]:
    """Return the runs that can start now, without the overrides of the app; none where the comparison is over.

    Args:
        plan: of the comparison.
        results: of the runs that were begun, as `read_results` returns them.

    Example:
        >>> adamw = Contender("adamw", ("optimizer=adamw",), "lr log 1e-4..1e-2")
        >>> plan = ComparisonPlan("train.py", (), (adamw,), "val/loss", "min", search="grid", budget=3, seeds=(2, 3))
        >>> [(job.folder, job.values) for job in next_jobs(plan, [])]
        [('runs/adamw/trial-00', {'lr': 0.0001})]
        >>> done = [RunResult(job, "finished", 0.5, None) for job in next_jobs(plan, [])]
        >>> [job.folder for job in next_jobs(plan, done)]
        ['runs/adamw/trial-01', 'runs/adamw/trial-02']
    """
    over = {each.job.folder for each in results if each.outcome in OVER}
    started = any(each.outcome in SOUND for each in results)
    starts = [first_trials(plan, each)[0] for each in plan.contenders]
    rounds: list[list[Job]] = [] if started else [[job] for job in starts]
    rounds += [
        [job for each in plan.contenders for job in first_trials(plan, each)],
        [job for each in plan.contenders for job in last_trials(plan, each, results)],
        [job for each in plan.contenders for job in final_runs(plan, each, results)],
    ]
    left = ([job for job in jobs if job.folder not in over] for jobs in rounds)
    return next(filter(None, left), [])


def total_runs(plan: ComparisonPlan) -> int:
    """Return the number of runs of a comparison in which no contender fails."""
    return len(plan.contenders) * (plan.budget + len(plan.seeds))


def count_rounds(plan: ComparisonPlan) -> int:
    """Return how often jobs are launched in a comparison in which no contender fails.

    Example:
        >>> sgd = Contender("sgd", (), "")
        >>> [count_rounds(ComparisonPlan("", (), (sgd,), "", "", budget=n, seeds=(2,))) for n in (1, 4, 5)]
        [2, 3, 4]
    """
    beside_the_first = len(plan.contenders) * (plan.budget - plan.studies * last_fifth(plan)) > 1
    return 1 + beside_the_first + (last_fifth(plan) > 0) + bool(plan.seeds)


def last_fifth(plan: ComparisonPlan) -> int:
    """Return how many trials of each study are placed after the others are over.

    Example:
        >>> [last_fifth(ComparisonPlan("", (), (), "", "", budget=budget)) for budget in (4, 5, 15)]
        [0, 1, 3]
    """
    trials = plan.budget // plan.studies
    return trials // 5 if plan.search == "quasi-random" else 0


def first_trials(plan: ComparisonPlan, contender: Contender) -> list[Job]:
    """Return the trials that depend on no other."""
    return [job for job in _declared_trials(plan, contender) if not _is_last(plan, job)]


def last_trials(plan: ComparisonPlan, contender: Contender, results: Sequence[RunResult]) -> list[Job]:
    """Return the trials of the last fifth: from the best value on where it is the outermost one, else as declared."""
    space = parse_search_space(contender.space, f"{contender.name}: search")
    declared = [job for job in _declared_trials(plan, contender) if _is_last(plan, job)]
    first = [each.trial() for each in trials_of(results, contender.name) if not _is_last(plan, each.job)]
    best = best_trial(first, plan.mode)
    side = edge_of_best(space.dimensions[0], first, plan.mode)
    if best is None or not side or not declared:
        return declared
    key = space.dimensions[0].key
    beyond = beyond_edge(space, side, first[best].values[key], len(declared))
    if beyond is None:
        return declared
    shares = [place / len(declared) for place in range(1, len(declared) + 1)]
    shares = [1 - share for share in shares] if side == "low" else shares
    values = [{**first[best].values, key: beyond.value(share)} for share in shares]
    return [_trial(plan, contender, job.number, each, side) for job, each in zip(declared, values, strict=True)]


def final_runs(plan: ComparisonPlan, contender: Contender, results: Sequence[RunResult]) -> list[Job]:
    """Return the runs of the best trial's values with the fresh seeds; none where all trials have failed."""
    trials = [each.trial() for each in trials_of(results, contender.name)]
    best = best_trial(trials, plan.mode)
    if best is None:
        return []
    values = trials[best].values
    return [Job(contender.name, "seed", number, seed, values) for number, seed in enumerate(plan.seeds)]


def _declared_trials(plan: ComparisonPlan, contender: Contender) -> list[Job]:
    space = parse_search_space(contender.space, f"{contender.name}: search")
    return [_trial(plan, contender, number, values) for number, values in enumerate(_values(plan, space))]


def _values(plan: ComparisonPlan, space: SearchSpace) -> Iterator[dict[str, float]]:
    if plan.search == "grid":
        yield from grid_trials(space, plan.budget)
    else:
        for study in range(plan.studies):
            yield from quasi_random_trials(space, plan.budget // plan.studies, study)


def _trial(plan: ComparisonPlan, contender: Contender, number: int, values: dict[str, float], side: str = "") -> Job:
    study = number // (plan.budget // plan.studies)
    return Job(contender.name, "trial", number, plan.tuning_seed, values, study=study, extends=side)


def _is_last(plan: ComparisonPlan, job: Job) -> bool:
    trials = plan.budget // plan.studies
    return job.number % trials >= trials - last_fifth(plan)
