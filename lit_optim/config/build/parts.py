"""Check the parts of a composite optimizer, each as an optimizer by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from torch.optim import Optimizer

from lit_optim.config import capabilities
from lit_optim.config.build.lr_scaling import check_lr_scaling
from lit_optim.config.build.optimizer import CheckedOptimizer, check_optimizer
from lit_optim.config.build.param_groups import read_value
from lit_optim.config.checks.keyword_arguments import check_call
from lit_optim.config.checks.locate import locate
from lit_optim.config.checks.signature import call_signature
from lit_optim.config.read import presets
from lit_optim.config.read.plain_containers import import_path_of
from lit_optim.config.read.spec import HYDRA_KEYS, LR_SCALING, Spec, read_spec
from lit_optim.errors import ConfigError, Problems, wrong
from lit_optim.optimizers import Composite
from lit_optim.optimizers.matrix_shape import takes_matrices_only
from lit_optim.param_groups import Grouping, Relative
from lit_optim.param_groups.match import read_match
from lit_optim.param_groups.selectors import Match

COMPOSITE = "lit_optim.optimizers.Composite"
OURS = {"torch.optim.Muon": "lit_optim.optimizers.Muon"}  # which takes convolutions, and the same steps on matrices
NOTHING: Mapping[str, Any] = {}
INVALID = object()
INHERITED = ("lr", "weight_decay")
EXAMPLE = "write e.g. {adamw: {optimizer: adamw, match: {ndim: '<2'}}, muon: {optimizer: muon}}"


class CheckedPart(NamedTuple):
    """A checked part of a composite.

    Attributes:
        name: of the part, and the beginning of the names of its groups.
        optimizer: its own spec, checked.
        match: which parameters it takes; None: those that no other part takes.
        split: pattern of names -> how Muon splits these matrices.
    """

    name: str
    optimizer: CheckedOptimizer
    match: Match | None
    split: Mapping[str, Any]


def check_one_or_composite(spec: Spec) -> CheckedOptimizer:
    """Check the spec of an optimizer, which may be a composite.

    Raises:
        ConfigError: with all that is wrong.
    """
    return check_composite(spec) if spec.path in (COMPOSITE, import_path_of(Composite)) else check_optimizer(spec)


def check_composite(spec: Spec) -> CheckedOptimizer:
    """Check a composite's spec: its parts as full specs of optimizers, and which of them takes the rest.

    Returns:
        It with the parts in plain form: absolute values, and for each part all its arguments.

    Raises:
        ConfigError: with all that is wrong.
    """
    problems = Problems()
    parts = spec.arguments.get("parts")
    own = {name: value for name, value in spec.arguments.items() if name != "parts"}
    own = check_call(Composite, {**own, "parts": {}}, spec.key, problems, supplied=1, finite=True)
    for name in INHERITED:
        if isinstance(own.get(name), (int, float)) and own[name] < 0:
            problems.add(f"{spec.key}.{name}", own[name], "must be at least 0")
    inherited = {name: own[name] for name in INHERITED if own.get(name) is not None} if not problems else {}
    if not isinstance(parts, Mapping) or not parts:
        problems.add(f"{spec.key}.parts", parts, f"expects optimizers by name; {EXAMPLE}")
        parts = {}
    checked = _read_parts(parts, inherited, spec.key, problems)
    problems.raise_if_any()
    composed = _composed(spec, inherited, checked)
    check_lr_scaling(*composed, problems)
    problems.raise_if_any()
    return composed


def parts_of(checked: CheckedOptimizer) -> list[CheckedPart]:
    """Return the parts of a composite that was checked."""
    return _read_parts(checked.arguments["parts"], {}, checked.spec.key, Problems())


def with_rules(checked: CheckedOptimizer, grouping: Grouping) -> CheckedOptimizer:
    """Return a composite of an optimizer and those that rules name, which take what their rules match.

    Raises:
        ConfigError: with all that is wrong in these specs.
    """
    problems, added = Problems(), []
    for rule in reversed(grouping.rules):  # a later rule beats earlier ones
        if rule.optimizer is not None:
            try:
                key = f"{rule.key}.optimizer"
                added.append(_check_part(rule.name, read_spec(rule.optimizer, "optimizer", key), rule.match))
            except ConfigError as error:
                problems.take(error)
    problems.raise_if_any()
    if not added:
        return checked
    spec, cls, arguments = checked
    if cls is Composite:
        parts = [*added, *parts_of(checked)]
    elif not isinstance(cls, type):
        raise ConfigError(f"{added[0].optimizer.spec.key}: {spec.path} is a function; name a class as {spec.key}")
    else:
        name = presets.preset_of_target(spec.path) or cls.__name__.lower()
        parts = [_check_part(name, replace(spec, arguments=arguments, lr_scaling=None), None), *added]
    names = [part.name for part in parts]
    for name in [part.name for part in added if names.count(part.name) > 1]:
        raise ConfigError(
            f"param_groups.rules.{name}: a part of {spec.key} has this name too; give the rule another one"
        )
    return _composed(spec, {}, parts)


def _composed(spec: Spec, own: Mapping[str, Any], parts: Sequence[CheckedPart]) -> CheckedOptimizer:
    rest = [part.name for part in parts if part.match is None]
    if len(rest) > 1:
        rule = "have no match, so that each takes the rest; give all but one of them a match"
        raise ConfigError(f"{spec.key}.parts: {' and '.join(rest)} {rule}")
    arguments = {**own, "parts": {part.name: _as_plain(part) for part in parts}}
    return CheckedOptimizer(replace(spec, target=COMPOSITE, arguments=arguments), Composite, arguments)


def _as_plain(part: CheckedPart) -> dict[str, Any]:
    match = {} if part.match is None else {"match": part.match.source}
    split = {"split": dict(part.split)} if part.split else {}
    return {"optimizer": part.optimizer.spec.target, **match, **part.optimizer.arguments, **split}


def _read_parts(
    parts: Mapping[str, Any], inherited: Mapping[str, Any], key: str, problems: Problems
) -> list[CheckedPart]:
    checked = []
    for name, given in parts.items():
        try:
            checked.append(_read_part(str(name), given, inherited, f"{key}.parts.{name}"))
        except ConfigError as error:
            problems.take(error)
    return checked


def _read_part(name: str, given: Any, inherited: Mapping[str, Any], key: str) -> CheckedPart:
    """Read a part as it stands in a composite's spec, and check it."""
    given = {"optimizer": given} if isinstance(given, (str, type)) else given
    if not isinstance(given, Mapping) or "optimizer" not in given:
        raise ConfigError(wrong(key, given, f"a part names its optimizer; {EXAMPLE}"))
    if not name or "/" in name:
        raise ConfigError(f"{key}: the name of a part has no '/', which joins the names of groups")
    problems = Problems()
    options = {k: v for k, v in given.items() if k not in ("optimizer", "match", *HYDRA_KEYS)}
    options = {k: _absolute(k, v, inherited, f"{key}.{k}", problems) for k, v in options.items()}
    options = {k: v for k, v in options.items() if v is not INVALID}
    match = None
    try:
        match = read_match(given["match"], f"{key}.match") if given.get("match") is not None else None
    except ConfigError as error:
        problems.take(error)
    try:
        spec = read_spec(given["optimizer"], "optimizer", key, options)
        if spec.lr_scaling is not None:
            problems.append(f"{key}.{LR_SCALING}: scales the lrs of all parts; write it at the composite")
        return _check_part(name, spec, match, {k: v for k, v in inherited.items() if k not in given}, problems)
    except ConfigError as error:
        problems.take(error)
    raise ConfigError(*problems)


def _check_part(
    name: str, spec: Spec, match: Match | None, inherited: Mapping[str, Any] = NOTHING, problems: Sequence[str] = ()
) -> CheckedPart:
    """Check the optimizer of a part by itself, and reject what can be no part."""
    spec = replace(spec, target=OURS.get(spec.path, spec.target))
    cls = locate(spec.target, Optimizer, spec.key)
    if cls is Composite:
        raise ConfigError(f"{spec.key}: a composite in a composite; list its parts here")
    takes = call_signature(cls, 1)
    arguments = {**spec.arguments, **{k: v for k, v in inherited.items() if k in takes.hints or takes.takes_any}}
    split = arguments.get("split")
    patterns = split if takes_matrices_only(cls) and isinstance(split, Mapping) and "heads" not in split else {}
    if patterns:
        del arguments["split"]
    checked = check_optimizer(replace(spec, arguments=arguments))
    needs = capabilities.capabilities_of_target(spec.path)
    reasons = {
        "calls the closure by itself, which the composite calls once for all parts": needs.closure,
        "averages its weights, and has to be switched between training and evaluation": needs.modes,
        "needs gradients that can be differentiated once more": needs.second_order,
    }
    for reason in [reason for reason, applies in reasons.items() if applies]:
        raise ConfigError(f"{spec.key}: {cls.__name__} {reason}; it can be no part, only the whole optimizer")
    if problems:
        raise ConfigError(*problems)
    return CheckedPart(name, checked, match, patterns)


def _absolute(name: str, value: Any, inherited: Mapping[str, Any], key: str, problems: Problems) -> Any:
    """Multiply a relative value, ``x0.1``, with that of the composite."""
    before = len(problems)
    value = read_value(value, key, problems)
    if not isinstance(value, Relative):
        return value if len(problems) == before else INVALID
    if isinstance(inherited.get(name), (int, float)):
        return inherited[name] * value.factor
    rule = f"the composite has no {name!r} to multiply; give it one, or write a number"
    problems.add(key, f"x{value.factor:g}", rule)
    return INVALID
