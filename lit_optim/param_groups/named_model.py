"""Holds a module with the names and roles of its parameters, which selectors ask for."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from lit_optim.errors import ConfigError
from lit_optim.param_groups.parameter_type import OwnedParameter, is_of_family, owned_parameters
from lit_optim.state_loading.parameter_names import normalize_name

Selected = set[OwnedParameter]
DECLARATIONS = ("no_weight_decay", "no_weight_decay_keywords")  # timm's: names or patterns, and parts of names


class NamedModel:
    """A module with all its parameters, frozen ones included.

    Args:
        module: the model, e.g. a LightningModule.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.parameters = list(owned_parameters(module, frozen=True))
        self.unmatched: list[str] = []  # patterns that matched nothing, in words

    @functools.cached_property
    def trainable(self) -> list[OwnedParameter]:
        """List the parameters that require grad."""
        return [p for p in self.parameters if p.tensor.requires_grad]

    @functools.cached_property
    def names(self) -> list[str]:
        """List the dotted names of all parameters, and of the modules that hold them."""
        names = [place.name for p in self.parameters for place in p.places]
        parents = (".".join(name.split(".")[:i]) for name in names for i in range(1, name.count(".") + 1))
        return list(dict.fromkeys([*parents, *names]))

    def where(self, test: Callable[[OwnedParameter], Any]) -> Selected:
        """Select the parameters for which a test is true."""
        return {p for p in self.parameters if test(p)}

    def with_role(self, role: str) -> Selected:
        """Select the embeddings with what is tied to them, or the output layer.

        Raises:
            ConfigError: where the output layer cannot be found.
        """
        if role == "embedding":
            return self.where(lambda p: is_of_family(p, "embedding"))
        layer = output_layer(self.module)
        own = {id(tensor) for tensor in layer.parameters()}
        return self.where(lambda p: id(p.tensor) in own)

    def declared(self, declaration: str) -> Selected:
        """Select what the model declares: by ``no_weight_decay()``, or by an attribute ``_optim`` of parameters."""
        if declaration == "_optim":
            return self.where(lambda p: getattr(p.tensor, "_optim", None))
        selected: Selected = set()
        for path, owner in _with_any(self.module, DECLARATIONS):
            below = f"{normalize_name(f'{path}.')}" if path else ""
            names, words = (_declared_names(owner, name) for name in DECLARATIONS)
            if names or words:
                selected |= self.where(functools.partial(_is_named, below=below, names=names, words=words))
        return selected


def _with_any(module: nn.Module, names: Sequence[str]) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that may have one of these attributes; a module's own lookup is slow where it has none."""
    known: dict[type, bool] = {}
    for path, inner in module.named_modules():
        cls = type(inner)
        if cls not in known:
            known[cls] = cls.__getattr__ is not nn.Module.__getattr__ or any(hasattr(cls, name) for name in names)
        if known[cls] or not vars(inner).keys().isdisjoint(names):
            yield path, inner


def _declared_names(owner: nn.Module, attribute: str) -> list[str]:
    declared = getattr(owner, attribute, None)
    if callable(declared):
        try:
            inspect.signature(declared).bind()
        except (TypeError, ValueError):  # a method of another meaning, which takes arguments
            return []
        declared = declared()
    if isinstance(declared, str):
        return [declared]
    return [str(name) for name in declared] if isinstance(declared, Iterable) else []


def _is_named(parameter: OwnedParameter, below: str, names: list[str], words: list[str]) -> bool:
    found = [place.name[len(below) :] for place in parameter.places if place.name.startswith(below)]
    return any(fnmatchcase(name, each) for name in found for each in names) or any(
        word in name for name in found for word in words
    )


def output_layer(module: nn.Module) -> nn.Module:
    """Return the output layer: what the model says it is, else the last Linear of its last child.

    The outermost module with ``get_output_embeddings()`` (transformers) or ``get_classifier()`` (timm) decides. Else
    wrappers with a single child are opened, and the last child with parameters is looked at.

    Raises:
        ConfigError: where that child has no Linear, or several side by side.

    Example:
        >>> output_layer(nn.ModuleDict({"body": nn.Linear(2, 3), "head": nn.Sequential(nn.Linear(3, 1), nn.Sigmoid())}))
        Linear(in_features=3, out_features=1, bias=True)
    """
    for inner in module.modules():
        for method in ("get_output_embeddings", "get_classifier"):
            layer = _said_by(inner, method)
            if isinstance(layer, nn.Module) and any(True for _ in layer.parameters()):
                return layer
    path, last = "", module
    while children := [(name, each) for name, each in last.named_children() if any(True for _ in each.parameters())]:
        wrapper, (name, last) = len(children) == 1, children[-1]
        path = f"{path}.{name}".lstrip(".")
        if not wrapper:
            break
    linears = [(name, each) for name, each in last.named_modules() if isinstance(each, (nn.Linear, nn.Bilinear))]
    if not linears:
        raise ConfigError(_ask(f"the last child, {path!r} ({type(last).__name__}), has no Linear", path or "head"))
    name, layer = linears[-1]
    lists = [each for each in last.modules() if isinstance(each, (nn.ModuleDict, nn.ModuleList)) and len(each) > 1]
    if any(layer is branch for each in lists for branch in each.children()):
        names = ", ".join(f"{path}.{name}".rstrip(".") for name, _ in linears)
        raise ConfigError(_ask(f"there are several: {names}", path))
    if any(layer is inner for each in lists for inner in each.modules()):
        raise ConfigError(_ask(f"the last Linear, '{path}.{name}', is part of a list of blocks", f"{path}.{name}"))
    return layer


def _said_by(module: nn.Module, method: str) -> Any:
    """Return what a model says is its output layer; several (distilled DeiT has two) are put into one list."""
    if not hasattr(type(module), method):
        return None
    try:
        layer = getattr(module, method)()
    except NotImplementedError:  # the base class of transformers
        return None
    several = isinstance(layer, (tuple, list)) and layer and all(isinstance(each, nn.Module) for each in layer)
    return nn.ModuleList(layer) if several else layer


def _ask(problem: str, example: str) -> str:
    return (
        f"role: the output layer is not known: {problem}; write {{module: {example}}} in place of "
        "{role: output}, or give the model a method get_output_embeddings() that returns the layer"
    )
