"""List a module's parameters with the modules that own them, and find their types by the class of the owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from lit_optim.state_loading.parameter_names import normalize_name

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.LocalResponseNorm, nn.CrossMapLRN2d)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
RECURRENT = (nn.RNNBase, nn.RNNCellBase)


class Place(NamedTuple):
    """One place of a parameter: its dotted name, the module that owns it, and the attribute that it is there."""

    name: str
    owner: nn.Module
    attribute: str


@dataclass(frozen=True, eq=False)
class OwnedParameter:
    """A parameter with its places: several where it is tied, the first in the order of ``named_parameters`` first."""

    tensor: Tensor
    places: tuple[Place, ...]

    @property
    def name(self) -> str:
        """Return its first name."""
        return self.places[0].name

    @property
    def owner(self) -> nn.Module:
        """Return the module that owns it at its first place."""
        return self.places[0].owner

    @property
    def ndim(self) -> int:
        """Return the number of dimensions, of a lazy parameter the one that it will have."""
        if not is_lazy(self.tensor):
            return self.tensor.ndim
        _, owner, attribute = self.places[0]
        if attribute == "bias" or isinstance(owner, NORMS):
            return 1
        return 2 + len(owner.kernel_size) if isinstance(owner, _ConvNd) else 2


def owned_parameters(module: nn.Module, *, frozen: bool = False) -> Iterator[OwnedParameter]:
    """Yield the parameters of a module once each, in the order of ``named_parameters``.

    Args:
        module: the module; prefixes of ``torch.compile`` and of wrappers are removed from names.
        frozen: yield those too that do not require grad.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        >>> net[1].weight = net[0].weight
        >>> [[place.name for place in p.places] for p in owned_parameters(net)]
        [['0.weight', '1.weight'], ['0.bias'], ['1.bias']]
    """
    found: dict[Tensor, tuple[Place, ...]] = {}
    for path, owner in module.named_modules(remove_duplicate=False):
        before = normalize_name(f"{path}.") if path else ""
        for attribute, tensor in owner._parameters.items():
            if tensor is not None and (frozen or tensor.requires_grad):
                found[tensor] = (*found.get(tensor, ()), Place(f"{before}{attribute}", owner, attribute))
    for tensor, places in found.items():
        yield OwnedParameter(tensor, places)


def _is_norm(parameter: OwnedParameter, place: Place) -> bool:
    """Test for torch's normalization layers, and for vectors of classes with ``norm`` in their name.

    Of a user's class (``LlamaRMSNorm``) only vectors count, as a ``NormedLinear`` may own a matrix.
    """
    if isinstance(place.owner, NORMS):
        return True
    return "norm" in type(place.owner).__name__.lower() and parameter.ndim <= 1


def _is_bias(parameter: OwnedParameter, place: Place) -> bool:
    """Test for ``bias``, an LSTM's ``bias_ih_l0``, attention's ``in_proj_bias``."""
    is_word = "bias" in place.attribute.split("_")
    return is_word and (parameter.ndim <= 1 or type(place.owner).__module__.startswith("torch.nn."))


def _is_linear(_: OwnedParameter, place: Place) -> bool:
    """Test for torch's linear layers, and for the matrices that GPT-2 of transformers calls ``Conv1D``."""
    is_conv1d = type(place.owner).__name__ == "Conv1D" and not isinstance(place.owner, _ConvNd)
    return is_conv1d or isinstance(place.owner, (nn.Linear, nn.Bilinear))


def _is_embedding(parameter: OwnedParameter, place: Place) -> bool:
    """Test for torch's embeddings, and for the tables of classes whose name ends in ``Embedding``."""
    if isinstance(place.owner, EMBEDDINGS):
        return True
    return type(place.owner).__name__.endswith("Embedding") and place.attribute == "weight" and parameter.ndim == 2


def _is_of(*classes: type) -> Callable[[OwnedParameter, Place], bool]:
    return lambda _, place: isinstance(place.owner, classes)


FAMILIES: dict[str, Callable[[OwnedParameter, Place], bool]] = {
    "norm": _is_norm,
    "bias": _is_bias,
    "conv": _is_of(_ConvNd),
    "linear": _is_linear,
    "embedding": _is_embedding,
    "recurrent": _is_of(*RECURRENT),
}


def is_of_family(parameter: OwnedParameter, family: str) -> bool:
    """Return whether a parameter is of a family at any of its places: ``norm``, ``bias``, ``conv``, ...

    Example:
        >>> [is_of_family(p, "bias") for p in owned_parameters(nn.LayerNorm(2))]
        [False, True]
    """
    return any(FAMILIES[family](parameter, place) for place in parameter.places)


def is_of_class(parameter: OwnedParameter, cls: Any) -> bool:
    """Return whether a module that owns the parameter is of a class, given as the class or by its name."""
    if isinstance(cls, type):
        return any(isinstance(place.owner, cls) for place in parameter.places)
    return any(cls == base.__name__ for place in parameter.places for base in type(place.owner).__mro__)
