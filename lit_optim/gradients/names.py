"""Name an optimizer's parameters, and select them by names, patterns and types."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import Tensor, nn
from torch.optim import Optimizer

from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.param_groups.parameter_type import TYPES, OwnedParameter

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


def select_excluded(words: Sequence[str], names: dict[Tensor, str], module: nn.Module | None) -> set[Tensor]:
    """Select the parameters that match any of the words.

    Args:
        words: names, patterns (``head.*``), types (``norm``, ``bias``).
        names: of all parameters.
        module: owner of the parameters; types need it.

    Raises:
        ConfigError: if a word matches nothing.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> names = {p: name for name, p in net.named_parameters()}
        >>> [names[p] for p in names if p in select_excluded(["1.*", "bias"], names, net)]
        ['0.bias', '1.weight', '1.bias']
    """
    found: set[Tensor] = set()
    for word in words:
        if word in TYPES and module is not None:
            found.update(parameter.tensor for parameter in _owned(module) if TYPES[word](parameter))
            continue
        matching = {p for p, name in names.items() if fnmatchcase(name, word)}
        if not matching:
            some = "; there are e.g. " + ", ".join([*names.values()][:: max(len(names) // 5, 1)][:5])
            hint = did_you_mean(word, names.values()) or some
            raise ConfigError(wrong("exclude", word, f"matches no parameter{hint}"))
        found |= matching
    return found


def _owned(module: nn.Module) -> list[OwnedParameter]:
    """List all parameters of a module, frozen ones included."""
    owned = []
    for name, tensor in module.named_parameters():
        path, _, attribute = name.rpartition(".")
        owned.append(OwnedParameter(name, tensor, module.get_submodule(path), attribute))
    return owned
