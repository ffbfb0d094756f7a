"""Reads the search space of an optimizer, the ``# search:`` field in the header of its preset.

    # search: lr log 1e-4..1e-2; weight_decay log 5e-3..1; betas[0] 1-x log 0.02..0.5; from Dahl et al. 2023
    # search: optimizer=momentum; lookahead.k in 5, 10; from Zhang et al. 2019

Entries are separated by ``;``. Of a range, values are uniform (``linear``) or uniform in their logarithm (``log``);
``1-x`` says that the range is one of 1 - value. ``optimizer=NAME`` adds the space of that preset, for a callback
around it; ``from`` is the source, and the last entry. A grid goes over the first range, and trials go beyond it where
the best value is the outermost one. Keys without an entry keep the value of the preset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

from lit_optim.errors import ConfigError

_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_ENTRY = re.compile(
    r"(?P<key>[\w.]+(?:\[\d+\])?) "
    rf"(?:(?P<complement>1-x )?(?P<scale>log|linear) (?P<low>{_NUMBER})\.\.(?P<high>{_NUMBER})"
    rf"|in (?P<choices>{_NUMBER}(?:, {_NUMBER})+))"
)
_FORMS = "write e.g. `lr log 1e-4..1e-2`, `betas[0] 1-x log 0.02..0.5`, `alpha linear 0..1` or `k in 5, 10`"


@dataclass(frozen=True)
class Dimension:
    """Describes the values that are tried of one key.

    Args:
        key: dotted, as in the preset: ``lr``, ``betas[0]``.
        low: lower end of the range.
        high: upper end of the range.
        log: uniform in the logarithm.
        complement: the range is one of 1 - value.
        choices: in place of a range, the values, all alike.
    """

    key: str
    low: float = 0.0
    high: float = 1.0
    log: bool = False
    complement: bool = False
    choices: tuple[float, ...] = ()

    def __str__(self) -> str:
        if self.choices:
            return f"{self.key} in {', '.join(map(str, self.choices))}"
        scale = "log" if self.log else "linear"
        return f"{self.key} {'1-x ' if self.complement else ''}{scale} {self.low:g}..{self.high:g}"

    def value(self, share: float) -> float:
        """Return the value at a share of the range, rounded to four digits, so that it can be typed.

        Args:
            share: from 0 (low) to 1 (high).

        Example:
            >>> Dimension("lr", 1e-4, 1e-2, log=True).value(0.5)
            0.001
            >>> Dimension("momentum", 0.01, 0.1, log=True, complement=True).value(0.0)
            0.99
            >>> [Dimension("k", choices=(5, 10)).value(share) for share in (0.0, 0.49, 0.5, 1.0)]
            [5, 5, 10, 10]
        """
        if self.choices:
            return self.choices[min(int(share * len(self.choices)), len(self.choices) - 1)]
        span = self.low * (self.high / self.low) ** share if self.log else self.low + (self.high - self.low) * share
        rounded = min(max(float(f"{span:.4g}"), self.low), self.high)
        return round(1 - rounded, 12) if self.complement else rounded


@dataclass(frozen=True)
class SearchSpace:
    """Holds what is tried of an optimizer; ``base`` is the preset of the optimizer that a callback wraps."""

    dimensions: tuple[Dimension, ...]
    source: str = ""
    base: str = ""


def parse_search_space(text: str, key: str = "search") -> SearchSpace:
    """Parse the ``search`` field of a header.

    Args:
        text: the field's text.
        key: what messages call it.

    Raises:
        ConfigError: for entries that are none, with all of them.

    Example:
        >>> space = parse_search_space("lr log 1e-4..1e-2; betas[0] 1-x log 0.02..0.5; from A 2020; and B")
        >>> [str(dimension) for dimension in space.dimensions], space.source
        (['lr log 0.0001..0.01', 'betas[0] 1-x log 0.02..0.5'], 'A 2020; and B')
        >>> parse_search_space("lr log 1e-2..1e-4; k between 1 and 3", "adamw: search")
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: adamw: search='lr log 1e-2..1e-4': 0.01 is not below 0.0001
        adamw: search='k between 1 and 3': not an entry; write e.g. `lr log 1e-4..1e-2`, \
`betas[0] 1-x log 0.02..0.5`, `alpha linear 0..1` or `k in 5, 10`
    """
    entries, _, source = text.partition("; from ")
    dimensions: list[Dimension] = []
    problems, base = [], ""
    for entry in filter(None, map(str.strip, entries.split(";"))):
        if entry.startswith("optimizer="):
            base = entry.partition("=")[2]
            continue
        found = _ENTRY.fullmatch(entry)
        dimension = _dimension(found) if found else None
        if problem := _problem(dimension, dimensions):
            problems.append(f"{key}={entry!r}: {problem}")
        elif dimension:
            dimensions.append(dimension)
    if problems or not dimensions:
        raise ConfigError(*(problems or [f"{key}={text!r}: no entry; {_FORMS}"]))
    return SearchSpace(tuple(dimensions), source, base)


def _dimension(found: re.Match[str]) -> Dimension:
    if found["choices"]:
        return Dimension(found["key"], choices=tuple(map(_number, found["choices"].split(", "))))
    low, high = float(found["low"]), float(found["high"])
    return Dimension(found["key"], low, high, log=found["scale"] == "log", complement=bool(found["complement"]))


def _number(text: str) -> float:
    return int(text) if text.isdigit() else float(text)


def _problem(dimension: Dimension | None, before: Sequence[Dimension]) -> str:
    if dimension is None:
        return f"not an entry; {_FORMS}"
    if dimension.key in [other.key for other in before]:
        return "named twice"
    if dimension.choices:
        return ""
    if dimension.low >= dimension.high:
        return f"{dimension.low:g} is not below {dimension.high:g}"
    if dimension.log and dimension.low == 0:
        return "a logarithm begins above 0"
    return "1-x lies between 0 and 1" if dimension.complement and dimension.high > 1 else ""


def joined_spaces(base: SearchSpace, callback: SearchSpace) -> SearchSpace:
    """Join the space of an optimizer and that of a callback around it, with the groups in front of the keys.

    Example:
        >>> base, callback = parse_search_space("lr log 1e-3..1"), parse_search_space("lookahead.k in 5, 10; from B")
        >>> [dimension.key for dimension in joined_spaces(base, callback).dimensions]
        ['optimizer.lr', 'optim_callbacks.lookahead.k']
    """
    parts = (("optimizer", base), ("optim_callbacks", callback))
    dimensions = [replace(each, key=f"{group}.{each.key}") for group, space in parts for each in space.dimensions]
    return SearchSpace(tuple(dimensions), "; ".join(filter(None, (base.source, callback.source))), callback.base)


def with_whole_lists(values: Mapping[str, float], preset: Mapping[str, Any]) -> dict[str, Any]:
    """Put the values of list elements into whole lists, which Hydra can override.

    Args:
        values: by the keys of a space.
        preset: the values that the lists have otherwise.

    Example:
        >>> with_whole_lists({"lr": 0.01, "betas[0]": 0.95}, {"betas": [0.9, 0.999]})
        {'lr': 0.01, 'betas': [0.95, 0.999]}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name, _, index = key.partition("[")
        if index:
            whole = found.setdefault(name, [*reduce(lambda inside, word: inside[word], name.split("."), preset)])
            whole[int(index.rstrip("]"))] = value
        else:
            found[name] = value
    return found
