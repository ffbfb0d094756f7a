"""Layer-wise lr decay: number the layers of a module by depth, and turn the numbers into factors on the lr."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from lit_optim.errors import ConfigError, did_you_mean, wrong
from lit_optim.param_groups.module_tree import ModuleNode, module_tree, number_blocks, number_chain, walk_tree
from lit_optim.state_loading.parameter_names import join_names

MERGES = 99999  # timm's last number of a group that belongs to the group before it


@dataclass(frozen=True)
class Layers:
    """Holds the key ``layers`` of ``param_groups``.

    Args:
        decay: factor from a layer to the one before it, in (0, 1].
        of: path of the submodule whose layers count, without ``_orig_mod``; None: the whole module.
        min: smallest factor, in [0, 1].
        key: dotted name of its configuration.
    """

    decay: float
    of: str | None = None
    min: float = 0.0
    key: str = field(default="param_groups.layers", compare=False, repr=False)

    def factor(self, distance: int) -> float:
        """Return the factor of a layer from its distance to the last one: ``max(min, decay ** distance)``."""
        return max(self.min, self.decay**distance)


def layer_factors(module: nn.Module, layers: Layers) -> dict[str, float]:
    """Return the factor on the lr of every parameter, ``max(min, decay ** (last - id))``, and 1 outside of ``of``.

    The rule of BEiT's fine-tuning (Bao et al. 2022, arXiv:2106.08254, appendix F).

    Example:
        >>> mlp = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
        >>> [factor for name, factor in layer_factors(mlp, Layers(0.5)).items() if name.endswith("weight")]
        [0.25, 0.5, 1.0]
    """
    ids, last = layer_ids(module, layers.of, layers.key)
    return {name: layers.factor(last - i) for name, i in ids.items()}


def layer_labels(module: nn.Module, layers: Layers) -> dict[str, dict[str, float]]:
    """Return the name of every parameter's layer with its factor; parameters whose factor is 1 are left out.

    Example:
        >>> layer_labels(nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)), Layers(0.5))
        {'0.weight': {'layer_0': 0.5}}
    """
    ids, last = layer_ids(module, layers.of, layers.key)
    return {name: {f"layer_{i}": f} for name, i in ids.items() if (f := layers.factor(last - i)) != 1}


def layer_ids(module: nn.Module, of: str | None = None, key: str = "param_groups.layers") -> tuple[dict[str, int], int]:
    """Return the layer of every parameter by its first name, and the last one, to which all outside of ``of`` belongs.

    The module's ``layer_id(name)``, or timm's ``group_matcher``, of the outermost submodule that has one, decides.
    Otherwise the elements of lists of blocks are layers 1, 2, ... in the order of declaration: what is declared before
    the first block is layer 0, what is declared between blocks belongs to the block before, all that follows the last
    block is the last layer. Lists in parallel (two towers) count one after the other: name one with ``of``. In a module
    without blocks every layer with a matrix counts. Frozen parameters count.

    Args:
        module: its parameters may be shared, lazy, frozen or wrapped by ``torch.compile``.
        of: path of a submodule.
        key: of the config, for errors.

    Raises:
        ConfigError: for an unknown path, and where there are fewer than two layers.

    Example:
        >>> encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 1, 4), 2, enable_nested_tensor=False)
        >>> ids, last = layer_ids(nn.Sequential(nn.Linear(3, 4), encoder, nn.Linear(4, 2)))
        >>> ids["0.weight"], ids["1.layers.0.linear1.bias"], ids["1.layers.1.norm2.weight"], ids["2.weight"], last
        (0, 1, 2, 3, 3)
    """
    names: list[str] = []
    node: ModuleNode | None = module_tree(module, "", names, set())
    if of is not None and (node := next((n for n in walk_tree(node) if n.path == of), None)) is None:
        raise ConfigError(wrong(f"{key}.of", of, f"no such module with parameters{_near(module, of)}"))
    declared = [*_declared(node)] if node else []
    if len(declared) > 1:
        paths = join_names([found.path for found in declared])
        raise ConfigError(f"{key}: {paths} number their own layers; name one of them, {key}.of={declared[0].path}")
    node = declared[0] if declared else node
    inside = names[node.begin : node.end] if node else []
    if node is None or not inside:
        raise ConfigError(f"{key}: {type(module).__name__} has no parameters")
    local = [name[len(node.path) + 1 if node.path else 0 :] for name in inside]
    numbers, has_head = _by_model(node.module, local, key) if declared else number_blocks(node)
    if not declared and len({*numbers}) < 2:
        numbers, has_head = number_chain(node), False
    if len({*numbers}) < 2:
        advice = f"write {key}.of=path.to.a.submodule, or give the model a method layer_id(name) -> int"
        raise ConfigError(f"{key}: {type(node.module).__name__} has no two layers to tell apart; {advice}")
    last = max(numbers) + (len(inside) < len(names) and not has_head)
    return {**dict.fromkeys(names, last), **dict(zip(inside, numbers, strict=True))}, last


def _near(module: nn.Module, path: str) -> str:
    return did_you_mean(path, [n.path for n in walk_tree(module_tree(module, "", [], set())) if n.path])


def _method(module: nn.Module, name: str) -> Callable[..., Any] | None:
    """Return a method of a module's class; a block may keep its own number in ``layer_id``."""
    return getattr(module, name) if callable(getattr(type(module), name, None)) else None


def _declared(node: ModuleNode) -> Iterable[ModuleNode]:
    """Yield the outermost modules that number their own layers."""
    if _method(node.module, "layer_id") or _method(node.module, "group_matcher"):
        yield node
    else:
        for child in node.children:
            yield from _declared(child)


def _by_model(module: nn.Module, names: list[str], key: str) -> tuple[list[int], bool]:
    """Number names by a model's ``layer_id(name)`` or ``group_matcher(coarse=False)``; say whether one is a head."""
    if (layer_id := _method(module, "layer_id")) is None:
        return _by_matcher(getattr(module, "group_matcher")(coarse=False), names)  # noqa: B009 - unknown to mypy
    numbers = [layer_id(name) for name in names]
    for name, number in zip(names, numbers, strict=True):
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            call = f"{type(module).__name__}.layer_id({name!r})"
            raise ConfigError(f"{key}: {call} returns {number!r}; a layer is a whole number, 0 or more")
    return numbers, True


def _by_matcher(matcher: Mapping[str, Any] | Callable[[str], Any], names: list[str]) -> tuple[list[int], bool]:
    """Number names by timm's ``group_matcher``: regular expressions for stem and blocks, or a function of the name.

    A name's group is (position of its entry, captured digits, suffix of its expression); groups are numbered in their
    order. A group that ends in 99999 belongs to the one before it, names that nothing matches are the last layer.
    """
    patterns = [
        (re.compile(pattern), (position, suffix or ()))
        for position, entry in enumerate(matcher.values() if isinstance(matcher, Mapping) else ())
        for pattern, suffix in ([(entry, ())] if isinstance(entry, str) else entry or ())
    ]

    def group_of(name: str) -> tuple[float, ...]:
        if not isinstance(matcher, Mapping):
            group = matcher(name)
            return tuple(group) if isinstance(group, Iterable) else (group,)
        for pattern, (position, suffix) in patterns:
            if found := pattern.match(name):
                return (position, *(float(digits) for digits in found.groups() if digits), *suffix)
        return (math.inf,)

    groups = [*map(group_of, names)]
    number, numbers = -1, {}
    for group in sorted({*groups}):
        number += number < 0 or group[-1] != MERGES
        numbers[group] = number
    return [numbers[group] for group in groups], (math.inf,) in numbers
