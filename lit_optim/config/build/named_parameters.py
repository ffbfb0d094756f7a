"""Give every named optimizer the parameters that its ``of`` names."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from lit_optim.errors import ConfigError, Problems
from lit_optim.lightning_api import rank_zero_warn
from lit_optim.param_groups import Match, NamedModel, read_match
from lit_optim.param_groups.selectors import SELECTORS
from lit_optim.state_loading.parameter_names import join_names

Parameters = frozenset[Tensor]  # by identity, as tensors hash


def read_of(of: Any, key: str) -> list[Match]:
    """Read which parameters an optimizer takes: a module's (or a parameter's) path, a selector, or a list of both.

    Raises:
        ConfigError: with all that is wrong and can be seen without a module.
    """
    problems, found = Problems(), []
    for entry in of if isinstance(of, (list, tuple)) and of else [of]:
        if isinstance(entry, Mapping):
            try:
                found.append(read_match(entry, key))
            except ConfigError as error:
                problems.take(error)
        else:
            found.append(SELECTORS["module"](entry, key, problems))
    problems.raise_if_any()
    return found


def parameters_by_name(of: Mapping[str, tuple[Any, str]], module: nn.Module) -> dict[str, Parameters]:
    """Return the trainable parameters of each optimizer; warn of those that no optimizer trains.

    Two optimizers may train the same parameters only where both name exactly them, as those of an adversarial
    autoencoder do: ``of: [encoder, decoder]`` and ``of: encoder``.

    Args:
        of: by the optimizer's name: its ``of`` and its dotted name.
        module: whose parameters they are.

    Raises:
        ConfigError: for what matches no parameter, for an optimizer without parameters, and for parameters
            that two optimizers claim.

    Example:
        >>> net = nn.ModuleDict({"actor": nn.Linear(1, 1), "critic": nn.Linear(1, 1)})
        >>> found = parameters_by_name({"actor": ("actor", "optimizer.actor"), "q": ("critic", "optimizer.q")}, net)
        >>> found["q"] == {*net["critic"].parameters()}
        True
    """
    model, problems = NamedModel(module), Problems()
    parts: dict[str, list[Parameters]] = {}
    for name, (entry, key) in of.items():
        selected = [match.select(model) for match in read_of(entry, f"{key}.of")]
        parts[name] = [frozenset(p.tensor for p in each if p.tensor.requires_grad) for each in selected]
        default = f"; write its module's path as {key}.of" if entry == name else ""
        problems.extend(f"{problem}{default}" for problem in model.unmatched)
        if not model.unmatched and not any(parts[name]):
            problems.add(f"{key}.of", entry, "none of these parameters requires grad, so there is nothing to train")
        model.unmatched.clear()
    found = {name: _union(sets) for name, sets in parts.items()}
    for one, other in itertools.combinations(of, 2):
        meant = _union({*parts[one]} & {*parts[other]})
        if twice := _names(found[one] & found[other] - meant, model):
            rule = f"{of[one][1]} trains it too ({twice})"
            advice = "leave it out of one 'of'; where both are to train it, both have to name exactly that module"
            problems.add(f"{of[other][1]}.of", of[other][0], f"{rule}; {advice}")
    problems.raise_if_any()
    trained = _union(found.values())
    if left := _names(frozenset(p.tensor for p in model.trainable) - trained, model):
        text = f"optimizer: none of {', '.join(of)} trains {left}"
        rank_zero_warn(f"{text}; add the module to an 'of', or freeze it (requires_grad_(False))")
    return found


def _union(sets: Iterable[Parameters]) -> Parameters:
    return frozenset(itertools.chain.from_iterable(sets))


def _names(parameters: Parameters, model: NamedModel) -> str:
    return join_names([p.name for p in model.parameters if p.tensor in parameters])
