"""Read the stages of an unfreezing, and find the parameters of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lit_optim.config.build.param_groups import read_value
from lit_optim.config.checks.coerce import Mismatch, coerce, not_finite
from lit_optim.config.read.plain_containers import to_plain
from lit_optim.duration import Duration, parse
from lit_optim.errors import ConfigError, Problems, did_you_mean, wrong
from lit_optim.param_groups import Match, NamedModel, Relative, Rule, read_match
from lit_optim.param_groups.grouping import DEFAULT
from lit_optim.param_groups.named_model import Selected

KEYS = ("at", "match", "lr", "warmup")
EXAMPLE = "write e.g. {head: {at: 0, match: {role: output}}, rest: {at: 1ep}}"
NONE = parse(0)


@dataclass(frozen=True)
class Stage:
    """Parameters that are trained from a step on.

    Args:
        name: part of the names of their groups.
        at: when they begin to be trained.
        match: which ones; None: the rest.
        lr: their lr, absolute or `Relative`; None: as the rules say.
        warmup: length of a linear warmup that begins with the stage.
        key: dotted name of its configuration.
    """

    name: str
    at: Duration
    match: Match | None = None
    lr: Any = None
    warmup: Duration = NONE
    key: str = "stages"


def read_stages(stages: Any, key: str = "stages") -> list[Stage]:
    """Read stages as far as that needs no model.

    Args:
        stages: name -> ``at``, ``match``, ``lr``, ``warmup``; or just the duration ``at``.
        key: dotted name, for messages.

    Raises:
        ConfigError: with all that is wrong.

    Example:
        >>> stages = read_stages({"head": {"at": 0, "match": {"role": "output"}}, "rest": "10%"})
        >>> [(stage.name, stage.at.unit) for stage in stages]
        [('head', 'steps'), ('rest', 'share')]
    """
    stages = to_plain(stages, key)
    if not isinstance(stages, Mapping) or not any(stage is not None for stage in stages.values()):
        raise ConfigError(wrong(key, stages, f"expects stages by name; {EXAMPLE}"))
    problems = Problems()
    read = [_read_stage(str(n), s, f"{key}.{n}", problems) for n, s in stages.items() if s is not None]
    problems.raise_if_any()
    rest = [stage for stage in read if stage.match is None]
    for second in rest[1:]:
        problems.append(f"{second.key}.match: missing, and {rest[0].key} takes the rest already; write a match")
    if rest and all(stage.at.amount for stage in read):
        problems.append(f"{key}: no stage begins at 0, so that nothing is trained at first; {EXAMPLE}")
    matched = [stage for stage in read if stage.match is not None]
    for one, other in pairwise(matched):
        if _begins_before(other, one):
            problems.append(f"{other.key}.at: before {one.key}, which is listed first; list stages as they begin")
    problems.raise_if_any()
    return read


def _begins_before(one: Stage, other: Stage) -> bool:
    """Return whether a stage is known to begin before another, whatever the length of the run."""
    comparable = one.at.unit == other.at.unit or not one.at.amount
    return comparable and one.at.amount < other.at.amount


def _read_stage(name: str, stage: Any, key: str, problems: Problems) -> Stage:
    given = stage if isinstance(stage, Mapping) else {"at": stage}
    for unknown in [k for k in given if k not in KEYS]:
        hint = did_you_mean(str(unknown), KEYS, list_all=True)
        problems.add(f"{key}.{unknown}", given[unknown], f"a stage has no such key{hint}")
    if not name or "/" in name or name == DEFAULT:
        problems.add(key, name, f"a stage's name is part of the names of groups; not {DEFAULT!r}, and without '/'")
    if "at" not in given:
        problems.append(f"{key}.at: missing; write when it begins to be trained, e.g. 0, 500, 10% or 2ep")
    at = _read(parse, given.get("at", 0), f"{key}.at", problems)
    warmup = _read(parse, given.get("warmup") or 0, f"{key}.warmup", problems)
    match = None if given.get("match") is None else _read(read_match, given["match"], f"{key}.match", problems)
    lr = None if given.get("lr") is None else _read_lr(given["lr"], f"{key}.lr", problems)
    return Stage(name, at or NONE, match, lr, warmup or NONE, key)


def _read(read: Any, value: Any, key: str, problems: Problems) -> Any:
    try:
        return read(value, key)
    except ConfigError as error:
        problems.take(error)
        return None


def _read_lr(value: Any, key: str, problems: Problems) -> Any:
    before = len(problems)
    value = read_value(value, key, problems)
    if isinstance(value, Relative) or len(problems) > before:
        return value
    try:
        number = coerce(value, float)
    except Mismatch:
        number = None
    if number is None or not_finite(number) or number < 0:
        problems.add(key, value, "write a factor of the optimizer's lr, e.g. x0.1, or an absolute lr of at least 0")
    return number


def select(model: NamedModel, stages: Sequence[Stage]) -> list[Selected]:
    """Return the parameters of each stage: of several that match one, the first listed has it.

    What a stage does not find is noted in ``model.unmatched``.
    """
    matched = {stage.name: stage.match.select(model) for stage in stages if stage.match is not None}
    found: list[Selected] = []
    for i, stage in enumerate(stages):
        before = {other.name: matched[other.name] for other in stages[:i] if other.match is not None}
        others = before if stage.match is not None else matched
        own = matched.get(stage.name, {*model.parameters})
        found.append(own - set().union(*others.values()))
        if own and not found[-1]:
            owners = ", ".join(name for name, theirs in others.items() if theirs & own)
            model.unmatched.append(f"{stage.key}: all its parameters belong to other stages: {owners}")
        elif not own and not model.unmatched:
            model.unmatched.append(f"{stage.key}.match={_source(stage)}: matches no parameter")
    return found


def _source(stage: Stage) -> Any:
    return "the rest" if stage.match is None else stage.match.source


def rules_of(stages: Sequence[Stage]) -> list[Rule]:
    """Return rules that put the parameters of each stage into groups that are named after it."""

    def rule(i: int, stage: Stage) -> Rule:
        match = Match(_source(stage), lambda model: select(model, stages)[i])
        options = {} if stage.lr is None else {"lr": stage.lr}
        return Rule(stage.name, match, options, apart=True, key=f"unfreeze.{stage.key}")

    return [rule(i, stage) for i, stage in enumerate(stages)]
