"""Check that an optimizer can take its parameters and groups, by its entry in the capability table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from lit_optim.config import capabilities
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError
from lit_optim.param_groups.parameter_type import OwnedParameter

FOR_BOTH = (
    "choose optimizer=adagrad or sgd, which take both, or a lit_optim.optimizers.Composite with parts: "
    "{sparse: {optimizer: sparse_adam, match: {type: embedding}}, dense: {optimizer: adam}}"
)


def check_parameters_fit(spec: Spec, groups: Sequence[Mapping[str, Any]], owned: Sequence[OwnedParameter] = ()) -> None:
    """Reject parameters and groups that the optimizer cannot take.

    Args:
        spec: the optimizer's.
        groups: as its constructor gets them.
        owned: the parameters with their modules, where these are known: only they say which gradients are sparse.

    Raises:
        ConfigError: where the class would fail at its first step, or compute something else silently.
    """
    needs, name = capabilities.capabilities_of_target(spec.path), spec.path.rpartition(".")[2]
    sparse = [p.name for p in owned if isinstance(p.owner, (nn.Embedding, nn.EmbeddingBag)) and p.owner.sparse]
    dense = [p.name for p in owned if p.name not in sparse]
    if needs.sparse and dense:
        rule = f"{name} takes sparse gradients only, and {len(dense)} of {len(owned)} parameters have dense ones"
        rest = FOR_BOTH if sparse else "choose e.g. optimizer=adam"
        raise ConfigError(f"{spec.key}: {rule} (e.g. {dense[0]}); {rest}")
    refuses = needs.measured is not None and needs.measured.sparse in ("no", "wrong")
    if sparse and refuses and name != "SGD":  # whose presets differ: with momentum it raises an error in its first step
        rule = f"{name} takes dense gradients only, and {len(sparse)} of {len(owned)} parameters have sparse ones"
        rest = FOR_BOTH if dense else "choose optimizer=sparse_adam"
        raise ConfigError(f"{spec.key}: {rule} (e.g. {sparse[0]}); make them dense (sparse=False), or {rest}")
    shapes = [tuple(p.shape) for group in groups for p in group["params"]] if needs.two_d else []
    others = [str(shape) for shape in shapes if len(shape) != 2]
    if others:
        rule = f"{name} takes 2-D parameters only, and {len(others)} of {len(shapes)} are not"
        rest = "give it the matrices alone, or choose e.g. optimizer=muon_adamw or adamw"
        raise ConfigError(f"{spec.key}: {rule} (e.g. {', '.join(others[:3])}); {rest}")
    if needs.one_group and len(groups) > 1:
        raise ConfigError(f"param_groups: {name} takes one group only; choose param_groups=all")
    if needs.one_lr and len({group.get("lr", spec.arguments.get("lr")) for group in groups}) > 1:
        raise ConfigError(f"param_groups: {name} has one lr for all groups; let no group have an lr of its own")
