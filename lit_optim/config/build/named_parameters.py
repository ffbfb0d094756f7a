"""Give every named optimizer the parameters that its ``of`` names."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lit_optim.errors import ConfigError, Problems, did_you_mean, wrong
from lit_optim.lightning_api import rank_zero_warn
from lit_optim.state_loading.parameter_names import join_names, module_names, normalize_name

Parameters = frozenset[Tensor]  # by identity, as tensors hash


def parameters_by_name(of: Mapping[str, tuple[Any, str]], module: nn.Module) -> dict[str, Parameters]:
    """Return the trainable parameters of each optimizer; warn of those that no optimizer trains.

    Two optimizers may train the same parameters only where both name exactly them, as those of an adversarial
    autoencoder do: ``of: [encoder, decoder]`` and ``of: encoder``.

    Args:
        of: by the optimizer's name: its ``of`` and its dotted name.
        module: whose parameters they are.

    Raises:
        ConfigError: for paths that the module does not have, for an optimizer without parameters, and for parameters
            that two optimizers claim.

    Example:
        >>> net = nn.ModuleDict({"actor": nn.Linear(1, 1), "critic": nn.Linear(1, 1)})
        >>> found = parameters_by_name({"actor": ("actor", "optimizer.actor"), "q": ("critic", "optimizer.q")}, net)
        >>> found["q"] == {*net["critic"].parameters()}
        True
    """
    problems, names = Problems(), module_names(module)
    parts = {name: _parts_of(entry, key, name, module, problems) for name, (entry, key) in of.items()}
    problems.raise_if_any()
    found = {name: frozenset[Tensor]().union(*sets) for name, sets in parts.items()}
    for name, (_, key) in of.items():
        if not found[name]:
            problems.append(f"{key}: no parameter of {_shown(of[name][0])} requires grad, so there is nothing to train")
    for one, other in itertools.combinations(of, 2):
        meant = frozenset[Tensor]().union(*({*parts[one]} & {*parts[other]}))
        if twice := found[one] & found[other] - meant:
            rule = f"{of[one][1]} trains it too ({_joined(twice, names)})"
            advice = "leave it out of one 'of'; where both are to train it, both have to name exactly that module"
            problems.append(f"{of[other][1]}.of={_shown(of[other][0])}: {rule}; {advice}")
    problems.raise_if_any()
    trained = frozenset[Tensor]().union(*found.values())
    if left := frozenset(p for p in names if p.requires_grad) - trained:
        text = f"optimizer: none of {', '.join(of)} trains {_joined(left, names)}"
        rank_zero_warn(f"{text}; add the module to an 'of', or freeze it (requires_grad_(False))")
    return found


def _parts_of(of: Any, key: str, name: str, module: nn.Module, problems: Problems) -> list[Parameters]:
    """Return the trainable parameters of each entry of an ``of``."""
    found = []
    for entry in of if isinstance(of, (list, tuple)) else [of]:
        try:
            found.append(_parameters_at(entry, key, module))
        except ConfigError as error:
            default = f"; give it the path of its module, {key}.of" if of == name else ""
            problems.extend(f"{problem}{default}" for problem in error.problems)
    return found


def _parameters_at(entry: Any, key: str, module: nn.Module) -> Parameters:
    if not isinstance(entry, str) or not entry:
        raise ConfigError(wrong(f"{key}.of", entry, "expects a module's path, or a list of them"))
    inside, below = f"{entry}.", module_names(module)
    found = {
        p
        for p, names in below.items()
        if p.requires_grad and any((normalize_name(n) + ".").startswith(inside) for n in names)
    }
    paths = {normalize_name(path) for path, _ in module.named_modules(remove_duplicate=False) if path}
    known = {*paths, *(normalize_name(n) for names in below.values() for n in names)}
    if entry not in known:
        near = did_you_mean(entry, known)
        top = sorted({path.partition(".")[0] for path in known})
        raise ConfigError(
            wrong(f"{key}.of", entry, f"the module has no such part{near or '; there are: ' + join_names(top)}")
        )
    return frozenset(found)


def _joined(parameters: Parameters, names: Mapping[Tensor, tuple[str, ...]]) -> str:
    return join_names([normalize_name(found[0]) for p, found in names.items() if p in parameters])


def _shown(of: Any) -> str:
    return repr(of) if isinstance(of, str) else str(of)
