"""Read the selector language of `match`: properties of parameters, and `all`, `any` and `not` of them.

A selector is a function from a model to the set of its parameters that it selects; `all`, `any` and `not` are the
operations on sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lit_optim.errors import Problems, did_you_mean
from lit_optim.param_groups.named_model import Selected
from lit_optim.param_groups.selectors import EXAMPLE, SELECTORS, Match, by_function


def read_match(match: Any, key: str = "match") -> Match:
    """Read a selector.

    Args:
        match: a mapping with any of ``name``, ``module``, ``type``, ``role``, ``ndim``, ``declared``, ``all``,
            ``any``, ``not`` (several keys: all of them); or a function ``(name, parameter, module) -> bool``, or the
            dotted path of one.
        key: dotted name, for messages.

    Raises:
        ConfigError: with all that is wrong and can be seen without a model.

    Example:
        >>> from torch import nn
        >>> from lit_optim.param_groups import NamedModel
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
        >>> select = read_match({"type": ["norm", "bias"], "not": {"module": "1"}}).select
        >>> [p.name for p in select(NamedModel(net))]
        ['0.bias']
    """
    problems = Problems()
    found = _read(match, key, problems)
    problems.raise_if_any()
    return found


def _read(match: Any, key: str, problems: Problems) -> Match:
    if callable(match) or isinstance(match, str):
        return Match(match, by_function(match, key, problems), named=True)
    if not isinstance(match, Mapping) or not match:
        problems.add(key, match, f"not a selector; {EXAMPLE}")
        return Match(match, lambda _: set())
    parts = []
    for kind, value in match.items():
        if kind not in READERS:
            problems.add(f"{key}.{kind}", value, f"no such selector{did_you_mean(str(kind), READERS, list_all=True)}")
        else:
            parts.append(READERS[kind](value, f"{key}.{kind}", problems))
    return _joined(match, parts, lambda sets: set.intersection(*sets))


def _joined(source: Any, parts: Sequence[Match], join: Callable[[list[Selected]], Selected]) -> Match:
    return Match(
        source,
        lambda model: join([part.select(model) for part in parts]),
        named=any(part.named for part in parts),
        reads_optim=any(part.reads_optim for part in parts),
    )


def _all(value: Any, key: str, problems: Problems) -> Match:
    return _joined(value, _read_each(value, key, problems), lambda sets: set.intersection(*sets))


def _any(value: Any, key: str, problems: Problems) -> Match:
    return _joined(value, _read_each(value, key, problems), lambda sets: set.union(*sets))


def _read_each(value: Any, key: str, problems: Problems) -> list[Match]:
    items = [value] if isinstance(value, Mapping) else value
    if not isinstance(items, (list, tuple)) or not items:
        problems.add(key, value, "expects a list of selectors; write e.g. [{type: norm}, {ndim: '<2'}]")
        return [Match(value, lambda _: set())]
    return [_read(item, f"{key}[{i}]", problems) for i, item in enumerate(items)]


def _not(value: Any, key: str, problems: Problems) -> Match:
    inner = _read(value, key, problems)
    return Match(value, lambda model: {*model.parameters} - inner.select(model), inner.named, inner.reads_optim)


READERS: dict[str, Callable[[Any, str, Problems], Match]] = {**SELECTORS, "all": _all, "any": _any, "not": _not}
