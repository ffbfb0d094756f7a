"""Name an optimizer's parameters, and select them by names, patterns and types."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.param_groups.match import read_match
from lit_optim.param_groups.named_model import NamedModel
from lit_optim.param_groups.parameter_type import FAMILIES

COMPILED = "_orig_mod."  # torch.compile's prefix


def parameter_names(optimizer: Optimizer, module: nn.Module | None) -> dict[Tensor, str]:
    """Map parameters to their names: from the module, else the optimizer's ``param_names``, else numbers.

    Example:
        >>> import torch
        >>> layer = nn.Linear(2, 2)
        >>> optimizer = torch.optim.SGD(layer.parameters())
        >>> [*parameter_names(optimizer, layer).values()], [*parameter_names(optimizer, None).values()]
        (['weight', 'bias'], ['0', '1'])
    """
    names: dict[Tensor, str] = {}
    for group in optimizer.param_groups:
        given = group.get("param_names") or [str(len(names) + i) for i in range(len(group["params"]))]
        names.update(zip(group["params"], given, strict=True))
    if module is not None:
        names.update((p, name.replace(COMPILED, "")) for name, p in module.named_parameters())
    return names


def select_excluded(given: Sequence[Any], names: dict[Tensor, str], module: nn.Module | None) -> set[Tensor]:
    """Select the parameters that match any of the entries.

    Args:
        given: names, patterns (``head.*``, ``re:^head``), types (``norm``, ``bias``), and selectors as in
            ``match`` of a rule.
        names: of all parameters.
        module: owner of the parameters; types and selectors need it.

    Raises:
        ConfigError: if an entry matches nothing, or is none.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> names = {p: name for name, p in net.named_parameters()}
        >>> [names[p] for p in names if p in select_excluded(["1.*", {"type": "bias"}], names, net)]
        ['0.bias', '1.weight', '1.bias']
    """
    found: set[Tensor] = set()
    model = None if module is None else NamedModel(module)
    for i, entry in enumerate(given):
        if isinstance(entry, str) and not (entry in FAMILIES and model is not None):
            found |= _matching(entry, names)
        elif model is None:
            raise ConfigError(wrong("exclude", entry, "a selector needs the module; attach(optimizer, module)"))
        else:
            match = read_match({"type": entry} if isinstance(entry, str) else entry, f"exclude[{i}]")
            found |= {parameter.tensor for parameter in match.select(model)}
            if model.unmatched:
                raise ConfigError(*model.unmatched)
    return found


def _matching(word: str, names: dict[Tensor, str]) -> set[Tensor]:
    found: Callable[[str], object]
    if word.startswith("re:"):
        try:
            found = re.compile(word[3:]).search
        except re.error as error:
            raise ConfigError(wrong("exclude", word, f"not a regular expression: {error}")) from error
    else:
        found = functools.partial(fnmatchcase, pat=word)
    matching = {p for p, name in names.items() if found(name)}
    if not matching:
        some = "; there are e.g. " + ", ".join([*names.values()][:: max(len(names) // 5, 1)][:5])
        hint = did_you_mean(word, names.values()) or some
        raise ConfigError(wrong("exclude", word, f"matches no parameter{hint}"))
    return matching
