"""Stand in for a model where its parameters are given without the module."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from lit_optim.param_groups import NamedModel, OwnedParameter
from lit_optim.param_groups.parameter_type import Place
from lit_optim.param_groups.selectors import Match

OF_MODULES = ("type", "role", "declared")  # selectors that parameters without their module cannot answer


class NamedParameters(NamedModel):
    """Parameters without their module: types and roles of modules are not known.

    Args:
        names: of the parameters.
    """

    def __init__(self, names: Mapping[Tensor, str]) -> None:
        super().__init__(nn.Module())
        self.parameters = [_without_module(name, p) for p, name in names.items()]

    def with_role(self, role: str) -> set[OwnedParameter]:  # noqa: ARG002
        """Select nothing."""
        return set()


def _without_module(name: str, p: Tensor) -> OwnedParameter:
    return OwnedParameter(p, (Place(name, nn.Module(), name.rpartition(".")[2]),))


def warn_of_shapes(matches: Mapping[str, Match | None], routes: Mapping[OwnedParameter, str]) -> None:
    """Warn where the part of a matrix depends on what its module is, which is not known.

    Args:
        matches: the selectors of the parts, by name.
        routes: the part of each parameter.
    """
    asking = [name for name, match in matches.items() if match is not None and _asks_for_modules(match.source)]
    if asking and any(p.ndim > 1 and name not in asking for p, name in routes.items()):
        rule = (
            "asks for the modules of parameters, which are not known here: embeddings and the output layer go by shape"
        )
        warnings.warn(f"parts.{asking[0]}.match {rule}; pass the module in place of its parameters", stacklevel=5)


def _asks_for_modules(source: Any) -> bool:
    if isinstance(source, Mapping):
        return any(kind in OF_MODULES or _asks_for_modules(value) for kind, value in source.items())
    return any(map(_asks_for_modules, source)) if isinstance(source, (list, tuple)) else callable(source)
