"""Find the type of a parameter - norm, bias - by the class of the module that owns it, not by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.LocalResponseNorm, nn.CrossMapLRN2d)


@dataclass(frozen=True, eq=False)
class OwnedParameter:
    """A parameter with the module that owns it and the attribute it has there."""

    name: str
    tensor: Tensor
    owner: nn.Module
    attribute: str


def owned_parameters(module: nn.Module) -> Iterator[OwnedParameter]:
    """Yield all parameters that require grad, once each, in the order of ``named_parameters``.

    Example:
        >>> [(p.name, type(p.owner).__name__) for p in owned_parameters(nn.Sequential(nn.Linear(2, 2)))]
        [('0.weight', 'Linear'), ('0.bias', 'Linear')]
    """
    for name, tensor in module.named_parameters():
        if tensor.requires_grad:
            path, _, attribute = name.rpartition(".")
            yield OwnedParameter(name, tensor, module.get_submodule(path), attribute)


def is_norm(parameter: OwnedParameter) -> bool:
    """Return whether a parameter belongs to a normalization layer: torch's, or a class with ``norm`` in its name.

    Of a user's class (``LlamaRMSNorm``) only vectors count, as a ``NormedLinear`` may own a matrix.
    """
    if isinstance(parameter.owner, NORMS):
        return True
    return "norm" in type(parameter.owner).__name__.lower() and parameter.tensor.ndim <= 1


def is_bias(parameter: OwnedParameter) -> bool:
    """Return whether a parameter is a bias: ``bias``, an LSTM's ``bias_ih_l0``, attention's ``in_proj_bias``."""
    words = parameter.attribute.split("_")
    return "bias" in words and (parameter.tensor.ndim <= 1 or type(parameter.owner).__module__.startswith("torch.nn."))


TYPES: dict[str, Callable[[OwnedParameter], bool]] = {"norm": is_norm, "bias": is_bias}
