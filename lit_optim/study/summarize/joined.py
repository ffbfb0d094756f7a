"""Joins several comparisons into one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from lit_optim.errors import ConfigError
from lit_optim.study.plan import ComparisonPlan, Contender, comparable
from lit_optim.study.results import RunResult
from lit_optim.study.summarize.plain_records import RECORDS


class Study(NamedTuple):
    """Holds what was read of a folder.

    Args:
        folder: its name, which tells contenders of the same name apart.
        plan: that was declared, or that of its records.
        results: of its runs.
        problems: what could not be read, or was left out.
    """

    folder: str
    plan: ComparisonPlan
    results: list[RunResult]
    problems: list[str]


def _scored_by(plan: ComparisonPlan) -> tuple[str, ...]:
    return (plan.metric, plan.mode, *((plan.test_metric, plan.score_mode) if plan.test_metric else ()))


def join_studies(studies: Sequence[Study]) -> Study:
    """Join studies; contenders of the same name get that of their folder too, the baseline is that of the first study.

    Raises:
        ConfigError: where metric, mode, script or overrides differ, and for a folder that is named twice.
    """
    if len(studies) == 1:
        return studies[0]
    first = studies[0].plan
    scores = {study.folder: _scored_by(study.plan) for study in studies}
    if len(set(scores.values())) > 1:
        given = "; ".join(f"{folder}: {' '.join(each)}" for folder, each in scores.items())
        raise ConfigError(f"the comparisons have different metrics ({given}); report them one by one")
    if repeated := [name for name, count in Counter(study.folder for study in studies).items() if count > 1]:
        raise ConfigError(f"{repeated[0]}: named twice; name each folder once")
    ran = {study.folder: study.plan for study in studies if study.plan.tier != RECORDS}
    if len({(comparable("script", each.script), comparable("overrides", each.overrides)) for each in ran.values()}) > 1:
        given = "; ".join(f"{folder}: {' '.join((each.script, *each.overrides))}" for folder, each in ran.items())
        raise ConfigError(f"the comparisons trained in different ways ({given}); report them one by one")
    counts = Counter(each.name for study in studies for each in study.plan.contenders)
    contenders, results, problems = list[Contender](), list[RunResult](), list[str]()
    for study in studies:
        names = {e.name: f"{e.name} ({study.folder})" if counts[e.name] > 1 else e.name for e in study.plan.contenders}
        contenders += [replace(each, name=names[each.name]) for each in study.plan.contenders]
        problems += study.problems
        results += [
            each._replace(
                job=replace(each.job, contender=names[each.job.contender]), folder=f"{study.folder}/{each.folder}"
            )
            for each in study.results
        ]
    plans = [study.plan for study in studies]
    baseline = f"{first.baseline} ({studies[0].folder})" if counts[first.baseline] > 1 else first.baseline
    plan = replace(
        first,
        contenders=tuple(contenders),
        baseline=baseline,
        tier=RECORDS if any(plan.tier == RECORDS for plan in plans) else first.tier,
        budget=min(plan.budget for plan in plans),
        seeds=tuple(seed for seed in first.seeds if all(seed in plan.seeds for plan in plans)),
        overrides=tuple(word for word in first.overrides if all(word in plan.overrides for plan in plans)),
        command=tuple(word for plan in plans for word in ("&&", *plan.command))[1:],
    )
    return Study(" ".join(study.folder for study in studies), plan, results, problems)
