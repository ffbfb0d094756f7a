"""Maximal update parametrization: factors on the lr that make it the same for every width of a model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from lit_optim.errors import ConfigError, wrong
from lit_optim.param_groups.named_model import NamedModel
from lit_optim.param_groups.parameter_type import OwnedParameter

# exponents of the ratio of widths
POWERS = {
    "sgd": {"input": 1.0, "hidden": 0.0, "output": -1.0, "fixed": 0.0},
    "adam": {"input": 0.0, "hidden": -1.0, "output": -1.0, "fixed": 0.0},
    "muon": {"input": 0.0, "hidden": 0.0, "output": -0.5, "fixed": 0.0},
    "muon_match_rms": {"input": 0.0, "hidden": -0.5, "output": -1.0, "fixed": 0.0},
}
TRUST_RATIO = {"lars", "lamb", "lbfgs"}  # classes that choose the length of a step themselves


@dataclass(frozen=True)
class Mup:
    """Holds the key ``mup`` of ``param_groups``.

    Args:
        base_width: width of the model whose lr was tuned.
        width: of this model: the smallest hidden size that grows with it (``d_model``, channels of the first stage).
        key: dotted name of its configuration.
    """

    base_width: int
    width: int
    key: str = field(default="param_groups.mup", compare=False, repr=False)


def width_factor(kind: str, ratio: float, update: str) -> float:
    r"""Return the factor on the lr at ``ratio`` times the width for which it was tuned.

    .. math::
        \text{SGD: } r,\ 1,\ 1/r \qquad \text{Adam: } 1,\ 1/r,\ 1/r

    for input weights and biases, hidden weights, output weights: Yang et al. 2022, arXiv:2203.03466, Table 3. Muon
    keeps the spectral norm of an update at sqrt(outputs / inputs) (Yang, Simon and Bernstein 2023, arXiv:2310.17813,
    condition 1), so a hidden lr stays; with ``adjust_lr_fn: match_rms_adamw`` that norm grows with sqrt(width).
    Initial values are the model's business: in Table 3 an output layer starts with a standard deviation of 1/inputs.
    A model that multiplies its output by ``base_width / width`` (Table 8) needs an output lr like an input's.

    Args:
        kind: ``input``, ``hidden``, ``output``, or ``fixed`` (does not grow with the width).
        ratio: ``width / base_width``.
        update: ``sgd``, ``adam``, ``muon`` or ``muon_match_rms``.

    Example:
        >>> [width_factor(kind, 4, "adam") for kind in ("input", "hidden", "output")]
        [1.0, 0.25, 0.25]
        >>> [width_factor(kind, 4, "sgd") for kind in ("input", "hidden", "output")]
        [4.0, 1.0, 0.25]
    """
    return math.pow(ratio, POWERS[update][kind])


def update_rule(optimizer: Any, adjust_lr_fn: str | None = None, key: str = "param_groups.mup") -> str:
    """Return the row of ``width_factor`` for an optimizer: SGD's for classes named so, Adam's for all that normalize.

    Raises:
        ConfigError: for optimizers that choose the length of a step, for which the paper has no rule.

    Example:
        >>> import torch
        >>> update_rule(torch.optim.ASGD), update_rule(torch.optim.RMSprop)
        ('sgd', 'adam')
    """
    if not isinstance(optimizer, type):
        raise ConfigError(f"{key}: {optimizer!r} is no class, so how it steps is unknown; write the optimizer's class")
    names = [cls.__name__.lower() for cls in optimizer.__mro__]
    if TRUST_RATIO & {*names}:
        raise ConfigError(f"{key}: {optimizer.__name__} sets the length of its steps; no rule for its lr is known")
    if "muon" in names:
        return "muon_match_rms" if adjust_lr_fn == "match_rms_adamw" else "muon"
    return "sgd" if any("sgd" in name for name in names) else "adam"


def width_kinds(model: NamedModel, mup: Mup) -> dict[OwnedParameter, str]:
    """Return the kind of every parameter, for `width_factor`.

    Hidden is a matrix with at least ``width`` inputs, but for the module's first, whose inputs are data; the output
    layer's weight is output, its bias is fixed, and so are single numbers; all others are input: vectors, embeddings
    with what is tied to them, tokens and positions, depthwise convolutions.

    Args:
        model: the model.
        mup: the widths.

    Raises:
        ConfigError: for lazy parameters, and where the output layer or a hidden matrix is not found.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Linear(9, 4), nn.Linear(4, 4), nn.Linear(4, 2))
        >>> [(p.name, kind) for p, kind in width_kinds(NamedModel(net), Mup(2, width=4)).items() if p.ndim == 2]
        [('0.weight', 'input'), ('1.weight', 'hidden'), ('2.weight', 'output')]
    """
    if lazy := next((p.name for p in model.parameters if is_lazy(p.tensor)), None):
        raise ConfigError(f"{mup.key}: {lazy} has no shape yet; run a batch through the module before that")
    embeddings = model.with_role("embedding")
    try:
        outputs = model.with_role("output") - embeddings
    except ConfigError as error:
        advice = "give the model a method get_output_embeddings() that returns the layer"
        raise ConfigError(f"{mup.key}: the output layer is not known; {advice}") from error
    matrices = (p for p in model.parameters if "weight" in p.places[0].attribute and _inputs(p))
    first = next((p for p in matrices if p not in outputs), None)

    not_hidden = embeddings | {first}

    def kind_of(p: OwnedParameter) -> str:
        if p in outputs:
            return "output" if p.ndim > 1 else "fixed"
        if p.tensor.numel() == 1:
            return "fixed"
        return "hidden" if p.ndim > 1 and _inputs(p) >= mup.width and p not in not_hidden else "input"

    kinds = {p: kind_of(p) for p in model.parameters}
    if "hidden" not in kinds.values():
        widest = max((_inputs(p) for p in {*kinds} - outputs - not_hidden), default=0)
        raise ConfigError(wrong(f"{mup.key}.width", mup.width, f"the widest hidden matrix has {widest} inputs"))
    return kinds


def width_labels(model: NamedModel, mup: Mup, update: str) -> dict[str, dict[str, float]]:
    """Return the kind of every parameter with its factor on the lr; parameters whose factor is 1 are left out."""
    kinds = width_kinds(model, mup)
    factors = {kind: width_factor(kind, mup.width / mup.base_width, update) for kind in {*kinds.values()}}
    return {p.name: {f"mup_{kind}": factors[kind]} for p, kind in kinds.items() if factors[kind] != 1}


def _inputs(p: OwnedParameter) -> int:
    """Return the number of inputs of a matrix, 0 for what multiplies no activations."""
    shape = p.tensor.shape
    if isinstance(p.owner, _ConvNd) and len(shape) > 1:
        return p.owner.in_channels if p.owner.groups < p.owner.in_channels else 1
    if "weight" in p.places[0].attribute or len(shape) < 2:
        return shape[-1] if len(shape) > 1 else 0
    # A bare parameter: with a first size of 1 it is added to a batch; otherwise its orientation is unknown
    return 0 if len(shape) > 2 and shape[0] == 1 else min(shape[-2:])
