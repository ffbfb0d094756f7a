"""Translate the state that an optimizer of one class has saved into that of another class, where both mean the same."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from lit_optim.errors import ConfigError
from lit_optim.state_loading.compatible_state import malformed
from lit_optim.state_loading.expected_state import FirstStates
from lit_optim.state_loading.match_by_name import LiveParameter, match
from lit_optim.state_loading.parameter_names import optimizer_names
from lit_optim.state_loading.saved_param_state import is_shadow_key, own_state

MOMENTS = "running averages of the gradient and of its square, uncorrected, and the number of steps"
MOMENTUM = "decaying sum of gradients"
MEANINGS = {
    **dict.fromkeys(("Adam", "AdamW", "NAdam", "RAdam", "AdaBound", "AdaBoundW", "SWATS"), MOMENTS),
    **dict.fromkeys(("SGD", "SGDW"), MOMENTUM),
}
UNTRANSLATED = ("Composite", "LBFGS")  # state of several classes, or of all parameters in one


def meaning_of_state(cls: str) -> str:
    """Return what the state of a class means: equal texts for classes whose state can be exchanged.

    Args:
        cls: import path of the class, or its name where it is torch's or ours.

    Example:
        >>> meaning_of_state("AdamW") == meaning_of_state("lit_optim.optimizers.compiled.NAdam")
        True
        >>> meaning_of_state("torch.optim.Adamax"), meaning_of_state("pytorch_optimizer.SGDW")
        ('Adamax', 'pytorch_optimizer.SGDW')
    """
    package, _, name = cls.rpartition(".")
    known = not package or package.partition(".")[0] in ("torch", "lit_optim")
    return MEANINGS.get(name, name) if known else cls


def translated(state_dict: Mapping[str, Any], saved_class: str, optimizer: Optimizer) -> dict[str, Any] | None:
    """Return saved state in the form of an optimizer of another class; None where it has another meaning there.

    Classes of the Adam family exchange their averages and step counts, those of the SGD family their buffer; SWATS
    belongs to the first, or after its switch to the second. Any other class takes only what its own name has saved.
    Tensors are passed on as they are, so sharded ones stay sharded.

    Args:
        state_dict: as `torch.optim.Optimizer.state_dict` returns it; it is not changed.
        saved_class: import path of the class that saved it, or its name where it is torch's or ours.
        optimizer: that is going to load the result.

    Returns:
        State by the ids of the optimizer's own state dict, with its own param groups.

    Raises:
        ConfigError: for what is no state dict of these parameters.

    Example:
        >>> p = torch.zeros(2, requires_grad=True)
        >>> state = {"step": 3.0, "exp_avg": torch.ones(2), "exp_avg_sq": torch.ones(2)}
        >>> saved = {"state": {0: state}, "param_groups": [{"params": [0], "lr": 0.1}]}
        >>> found = translated(saved, "torch.optim.AdamW", torch.optim.NAdam([p]))
        >>> sorted(found["state"][0]), found["param_groups"][0]["lr"]
        (['exp_avg', 'exp_avg_sq', 'mu_product', 'step'], 0.002)
        >>> translated(saved, "torch.optim.AdamW", torch.optim.SGD([p])) is None
        True
    """
    if problem := malformed(state_dict):
        raise ConfigError(f"state_dict: {problem}")
    optimizer = inner_of(optimizer, state_dict)
    live = [
        [LiveParameter(*pair) for pair in zip(names, group["params"], strict=True)]
        for names, group in zip(optimizer_names(optimizer), optimizer.param_groups, strict=True)
    ]
    saved_groups = match(state_dict, live)
    own, meaning = _class_path(optimizer), meaning_of_state(saved_class)
    if meaning_of_state(own) in UNTRANSLATED:
        return None
    first_state, state, number = FirstStates(optimizer), {}, 0
    for saved, group in zip(saved_groups, optimizer.param_groups, strict=True):
        in_sgd = saved.get("phase") == "sgd"  # of SWATS
        other = bool(saved.get("maximize")) != bool(group.get("maximize"))  # sums of gradients of the other sign
        if other or (MOMENTUM if in_sgd else meaning) != meaning_of_state(own):
            return None
        for i, p in zip(saved["params"], group["params"], strict=True):
            entry = {**state_dict["state"].get(i, {})}
            if in_sgd and "exp_avg" in entry:
                entry["momentum_buffer"] = entry["exp_avg"]
            if not is_lazy(p) and entry:
                new = translated_entry(entry, first_state(group, p).required, group)
                if new is None:
                    return None
                state[number] = new
            number += 1
    groups = [{**group} for group in optimizer.state_dict()["param_groups"]]
    return {"state": state, "param_groups": groups} if any(map(own_state, state.values())) else None


def inner_of(optimizer: Optimizer, state_dict: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer that a state dict is of: with a planned change, the one before or after it.

    Raises:
        ConfigError: where it has changed to another class than here.
    """
    try:
        found: Optimizer = optimizer.inner_of(state_dict) if hasattr(optimizer, "inner_of") else optimizer
    except ConfigError as error:
        raise ConfigError(*(f"ckpt_path: {problem}" for problem in error.problems)) from None
    return found


def translated_entry(
    entry: Mapping[str, Any], required: Collection[str], group: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the state of one parameter in the keys of another class of equal meaning; None where it lacks one.

    ``max_exp_avg_sq`` begins as the present average: torch takes the maximum before the bias correction. SGDW's
    ``step`` only tells the first step from later ones. The second weights of averages are kept.

    Args:
        entry: saved state.
        required: keys that the class keeps; without one besides its step count, it keeps nothing.
        group: its param group, for NAdam's product of momenta.

    Example:
        >>> entry = {"step": torch.tensor(2.0), "exp_avg": torch.ones(1), "exp_avg_sq": torch.ones(1)}
        >>> group = {"betas": (0.5, 0.9), "momentum_decay": 0.0}
        >>> translated_entry(entry, ["step", "mu_product"], group)["mu_product"].item()
        0.0625
    """
    shadows = {key: value for key, value in entry.items() if is_shadow_key(key)}
    own = own_state(entry)
    if not own or not {*required} - {"step"}:
        return shadows
    if "step" not in own and "momentum_buffer" in own:
        own["step"] = torch.ones(())
    if "max_exp_avg_sq" in required and "max_exp_avg_sq" not in own and "exp_avg_sq" in own:
        own["max_exp_avg_sq"] = own["exp_avg_sq"].clone()
    if "mu_product" in required and "mu_product" not in own and "step" in own:
        product = nadam_product(int(own["step"]), group["betas"][0], group["momentum_decay"])
        own["mu_product"] = torch.tensor(product, dtype=torch.float64)
    return {key: own[key] for key in required} | shadows if {*required} <= own.keys() else None


@functools.cache
def nadam_product(steps: int, beta1: float, momentum_decay: float) -> float:
    """Return the product of NAdam's momenta ``beta1 (1 - 0.96^(t momentum_decay) / 2)`` over the first steps.

    Example:
        >>> nadam_product(2, 0.5, 0.0)
        0.0625
    """
    momenta = (beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay)) for t in range(1, steps + 1))
    return float(math.prod(momenta))


def _class_path(optimizer: Optimizer) -> str:
    return f"{type(optimizer).__module__}.{type(optimizer).__qualname__}"
