"""Read the keys ``layers`` and ``mup`` of ``param_groups``, which put one more factor each on the lr."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from lit_optim.errors import ConfigError, Problems, did_you_mean, wrong
from lit_optim.param_groups.depth import Layers
from lit_optim.param_groups.mup import Mup

T = TypeVar("T", Layers, Mup)
Rule = tuple[Callable[[Any], bool], str]

WIDTH: Rule = (lambda value: _is_number(value) and value >= 1 and value == int(value), "a whole number, 1 or more")
LAYERS: dict[str, Rule] = {
    "decay": (lambda value: _is_number(value) and 0 < value <= 1, "a number above 0, at most 1; write e.g. 0.75"),
    "of": (lambda value: value is None or isinstance(value, str), "the path of a submodule; write e.g. model.encoder"),
    "min": (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
}
MUP: dict[str, Rule] = {"base_width": WIDTH, "width": WIDTH}


def read_layers(spec: Any, key: str = "param_groups.layers") -> Layers:
    """Read the decay of the lr by depth.

    Raises:
        ConfigError: for unknown or missing keys and for values out of range, all at once.

    Example:
        >>> read_layers({"decay": 0.75, "of": "model.encoder"})
        Layers(decay=0.75, of='model.encoder', min=0.0)
        >>> read_layers({"decay": 1.5, "off": "model"})
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: 2 errors in the configuration:
          - param_groups.layers.off='model': no such key; did you mean 'of'?
          - param_groups.layers.decay=1.5: a number above 0, at most 1; write e.g. 0.75
    """
    return _read(Layers, LAYERS, spec, key, "{decay: 0.75}")


def read_mup(spec: Any, key: str = "param_groups.mup") -> Mup:
    """Read the two widths of the maximal update parametrization.

    Raises:
        ConfigError: for unknown or missing keys and for values out of range, all at once.

    Example:
        >>> read_mup({"base_width": 256, "width": 1024})
        Mup(base_width=256, width=1024)
    """
    return _read(Mup, MUP, spec, key, "{base_width: 256, width: 1024}")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def _read(cls: type[T], rules: Mapping[str, Rule], spec: Any, key: str, example: str) -> T:
    if not isinstance(spec, Mapping):
        raise ConfigError(wrong(key, spec, f"a mapping; write e.g. {example}"))
    problems = Problems()
    given = {name: value for name, value in spec.items() if value != "???"}  # OmegaConf's mark of a missing value
    values = {name: _plain(value, is_path=name == "of") for name, value in given.items()}
    for name, value in values.items():
        if name not in rules:
            problems.add(f"{key}.{name}", value, f"no such key{did_you_mean(str(name), rules, list_all=True)}")
    optional = {field.name for field in dataclasses.fields(cls) if field.default is not dataclasses.MISSING}
    for name, (fits, rule) in rules.items():
        if name in values and not fits(values[name]):
            problems.add(f"{key}.{name}", values[name], rule)
        elif name not in values and name not in optional:
            problems.append(f"{key}.{name}: missing; write e.g. {example}")
    problems.raise_if_any()
    return cls(**values, key=key)


def _plain(value: Any, is_path: bool) -> Any:
    """Read a number that YAML took for text (``1e-1``), and a path that YAML took for a number (``0``)."""
    if is_path:
        return str(value) if type(value) is int else value
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
