"""Holds all that a report shows of a comparison, as numbers and words: computed once, by ``summarize``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lit_optim.study.intervals import Interval
from lit_optim.study.ranking import Comparison


class Point(NamedTuple):
    """A value of a run against optimizer steps done and seconds of training.

    Args:
        step: optimizer steps done.
        seconds: of training since its start, validations included; measured.
        value: of the metric, or the loss; may be nan or infinite where a run diverged.
    """

    step: int
    seconds: float
    value: float


class Band(NamedTuple):
    """The mean over the final runs at one step, with its 95 % t interval.

    Args:
        step: that all final runs of the contender which finished have logged.
        seconds: mean over these runs.
        center: mean of the metric.
        low: -inf of one run.
        high: inf of one run.
    """

    step: int
    seconds: float
    center: float
    low: float
    high: float


@dataclass(frozen=True)
class RunSummary:
    """Summarizes one run.

    Args:
        folder: relative to that of the comparison, with /.
        kind: ``trial`` or ``seed`` (a final run).
        number: from 0, in the order of the contender's trials or of the plan's seeds.
        seed: of the run.
        study: the number of the study that a trial belongs to.
        values: what was tried, by the keys of the search space.
        overrides: all of the run, as on the app's command line.
        extends: ``low`` or ``high`` where a trial went on from the lowest or highest value tried; else ''.
        outcome: finished, diverged or crashed; running or interrupted where the run is not over.
        score: the last value of the metric; nan where the run did not finish, or logged none.
        best: the best value of the metric in the run; nan where there is none.
        error: first line of what ended it; '' where nothing did.
        curve: the validation metric.
        losses: the training loss, of the steps that were recorded.
        driven: what the param groups used, by name (``lr``, ``lr/head``, ``momentum``): (step, value).
        switches: (first step, words) of each change of the optimizer.
        steps: optimizer steps done.
        seconds: of training; measured.
        step_seconds: median time of a step; nan where unknown; measured.
        peak_memory: bytes; 0 where unknown; measured. On a CPU that of the whole process.
        state_bytes: of the optimizer's state; 0 where unknown.
        steps_to_target: until the curve first reached the target; inf where it missed it.
        seconds_to_target: measured.
        groups: the param groups, as run.json has them; () where it has none.
        repeats: the seed of the final run that this one has repeated; None for a run of its own.
    """

    folder: str
    kind: str
    number: int
    seed: int
    study: int
    values: Mapping[str, float]
    overrides: tuple[str, ...]
    extends: str
    outcome: str
    score: float
    best: float
    error: str
    curve: tuple[Point, ...]
    losses: tuple[Point, ...]
    driven: Mapping[str, tuple[tuple[int, float], ...]]
    switches: tuple[tuple[int, str], ...]
    steps: int
    seconds: float
    step_seconds: float
    peak_memory: int
    state_bytes: int
    steps_to_target: float
    seconds_to_target: float
    groups: tuple[Mapping[str, Any], ...]
    repeats: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the run has no score."""
        return math.isnan(self.score)


@dataclass(frozen=True)
class ContenderSummary:
    """Summarizes one optimizer of a comparison.

    Args:
        name: as typed.
        overrides: of the app, which choose it.
        space: its search space, as text; '' of plain records.
        source: of the space.
        place: 1 for the best; 0 where the contenders cannot be ranked, or where a run of this one failed.
        trials: that are over, in order.
        finals: final runs that are over, in the order of the seeds.
        missing_trials: how many are not over yet.
        missing_seeds: whose final runs are not over yet.
        best_trial: number of the selected trial in `trials`; None where none has finished.
        best_values: of the final runs, by the keys of the space.
        at_ends: keys beside the first whose best value lies at an end of their range, see `best_at_ends`.
        why_not_tuned: in words; '' where it is tuned, or where nothing is known of its tuning.
        failure: in words why it is last: a final run, or all trials, diverged or crashed; '' for a sound one.
        mean: of the scores of the final runs that finished and repeat no other; infinite ends of one run, nan of none.
        iqm: interquartile mean of the same; both with 95 % t intervals, that of the IQM with winsorized variance.
        band: mean curve of the metric over the same runs.
        steps_to_target: median over the final runs, inf for those that missed the target; nan where there are none.
        seconds_to_target: the same in seconds; measured.
        steps_of_studies: median over the studies of the steps to target of the fastest trial (AlgoPerf's score).
        sensitivity_key: first key of the space: the one that the next two go over; '' where there are no trials.
        sensitivity: (value, score, outcome) of each trial, sorted by value; the score of a failed one is nan.
        mean_loss_of_lr: how much worse than the best a trial is on average, in units of the metric; nan without one.
        best_of: expected best score of k trials, for k = 1, 2, ...; () where no trial has finished.
        step_seconds: median of those of the final runs, else of the trials; nan where unknown; measured.
        peak_memory: bytes, the highest of the same runs; 0 where unknown; measured.
        state_bytes: of the optimizer's state; 0 where unknown.
        tuning_runs: trials that are over.
        tuning_seconds: of training in all of them; measured.
        model: the final run, else the best trial, whose `driven`, `groups` and `losses` stand for all; None without.
    """

    name: str
    overrides: tuple[str, ...]
    space: str
    source: str
    place: int
    trials: tuple[RunSummary, ...]
    finals: tuple[RunSummary, ...]
    missing_trials: int
    missing_seeds: tuple[int, ...]
    best_trial: int | None
    best_values: Mapping[str, float]
    at_ends: tuple[str, ...]
    why_not_tuned: str
    failure: str
    mean: Interval
    iqm: Interval
    band: tuple[Band, ...]
    steps_to_target: float
    seconds_to_target: float
    steps_of_studies: float
    sensitivity_key: str
    sensitivity: tuple[tuple[float, float, str], ...]
    mean_loss_of_lr: float
    best_of: tuple[float, ...]
    step_seconds: float
    peak_memory: int
    state_bytes: int
    tuning_runs: int
    tuning_seconds: float
    model: RunSummary | None


@dataclass(frozen=True)
class Provenance:
    """Says where the numbers come from.

    Args:
        command: the words that made the plan; () of plain records.
        script: of the app.
        overrides: of every run.
        config_hash: first 12 digits of the SHA-256 of plan.json, with that of the app's config; else of the specs.
        tuning_seed: of every trial.
        seeds: of the final runs.
        versions: of each package, all that the runs have had: ``{"torch": ("2.9.0",)}``.
        hardware: in words, all that there were.
        commits: of the app's repository, with `` + changes`` where tracked files differed.
    """

    command: tuple[str, ...]
    script: str
    overrides: tuple[str, ...]
    config_hash: str
    tuning_seed: int
    seeds: tuple[int, ...]
    versions: Mapping[str, tuple[str, ...]]
    hardware: tuple[str, ...]
    commits: tuple[str, ...]


@dataclass(frozen=True)
class Summary:
    """Summarizes a comparison.

    Args:
        title: a line: which contenders, and by which metric.
        metric: of the curves, and by which trials are selected.
        score_metric: of the final scores: the test metric, or `metric`.
        mode: ``min`` or ``max``, of `score_metric`.
        tier: quick, default or paper; ``records`` where there is no plan.
        search: grid or quasi-random.
        budget: trials of each contender; 0 of plain records.
        studies: into how many they are divided.
        baseline: the contender whose best values are the target.
        target: median over the final runs of the baseline of the best value of each; nan where there is none.
        worst: what a failed trial counts as: the worst score that a finished one has logged first or last; else nan.
        contenders: in order of rank, failed ones last.
        comparisons: of every pair, in the order of the contenders.
        sentences: what can be said, the answer first; each complete.
        no_ranking: why there is no ranking, in words; '' where there is one.
        warnings: what is missing, damaged, failed or not tuned, each complete.
        next_steps: what to try next, each complete.
        notes: how the numbers are made: intervals, tests, target; each complete.
        provenance: where they come from.
    """

    title: str
    metric: str
    score_metric: str
    mode: str
    tier: str
    search: str
    budget: int
    studies: int
    baseline: str
    target: float
    worst: float
    contenders: tuple[ContenderSummary, ...]
    comparisons: tuple[Comparison, ...]
    sentences: tuple[str, ...]
    no_ranking: str
    warnings: tuple[str, ...]
    next_steps: tuple[str, ...]
    notes: tuple[str, ...]
    provenance: Provenance = field(repr=False)
