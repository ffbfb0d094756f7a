"""Whether parameters and groups are the kind that an optimizer takes, by its entry in the capability table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from lit_optim.config import capabilities
from lit_optim.config.read.spec import Spec
from lit_optim.errors import ConfigError
from lit_optim.param_groups.match import OwnedParameter


def check_parameters_fit(spec: Spec, groups: Sequence[Mapping[str, Any]]) -> None:
    """Refuses parameters and groups that the optimizer cannot take.

    Args:
        spec: the optimizer's.
        groups: as its constructor gets them.

    Raises:
        ConfigError: in words, where the class would fail at its first step, or compute something else in silence.
    """
    needs = capabilities.of_target(spec.path)
    name = spec.path.rpartition(".")[2]
    parameters: list[Tensor] = [p for group in groups for p in group["params"]]
    if needs.two_d:
        others = [p for p in parameters if p.ndim != 2]
        if others:
            shapes = ", ".join(str(tuple(p.shape)) for p in others[:3])
            raise ConfigError(
                f"{spec.key}: {name} takes 2-D parameters only, and {len(others)} of {len(parameters)} are not "
                f"(e.g. {shapes}); give it the matrices alone, or choose e.g. optimizer=adamw"
            )
    if needs.one_group and len(groups) > 1:
        raise ConfigError(f"param_groups: {name} takes one group only; choose param_groups=all")
    if needs.one_lr and len({group.get("lr", spec.arguments.get("lr")) for group in groups}) > 1:
        raise ConfigError(f"param_groups: {name} has one lr for all groups; let no group have an lr of its own")


def check_sparse_fit(spec: Spec, owned: Sequence[OwnedParameter]) -> None:
    """Refuses parameters with dense gradients where the optimizer takes sparse ones only.

    Raises:
        ConfigError: with the first of them.
    """
    if not capabilities.of_target(spec.path).sparse:
        return
    dense = [p.name for p in owned if not getattr(p.owner, "sparse", False)]
    if dense:
        name = spec.path.rpartition(".")[2]
        rule = f"{name} takes sparse gradients only, and {len(dense)} of {len(owned)} parameters have dense ones"
        raise ConfigError(f"{spec.key}: {rule} (e.g. {dense[0]}); choose e.g. optimizer=adam")
