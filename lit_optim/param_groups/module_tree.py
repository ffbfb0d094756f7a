"""The tree of a module's parameters, and the layers in it: blocks in lists, or a chain of modules with matrices."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from torch import nn
from torch.nn.parameter import is_lazy

from lit_optim.param_groups.parameter_type import NORMS
from lit_optim.state_loading.parameter_names import WRAPPERS

PARALLEL = re.compile("head|expert")  # names of lists whose elements stand side by side


@dataclass(slots=True)
class ModuleNode:
    """A module that has parameters: a range of the names of all, without wrappers and shared places."""

    path: str
    module: nn.Module
    begin: int
    end: int = 0
    children: list[ModuleNode] = field(default_factory=list)
    matrices: int = 0
    has_norm: bool = False


def module_tree(module: nn.Module, path: str, names: list[str], seen: set[int]) -> ModuleNode | None:
    """Return a module's tree and append its names in the order of ``named_parameters``."""
    while len(module._modules) == 1 and WRAPPERS.fullmatch(f"{next(iter(module._modules))}."):
        (module,) = module.children()
    node = ModuleNode(path, module, len(names))
    prefix = f"{path}." if path else ""
    if module._parameters:
        is_norm = isinstance(module, NORMS)
        for name, p in module._parameters.items():
            if p is not None and id(p) not in seen:
                seen.add(id(p))
                names.append(prefix + name)
                node.has_norm = is_norm or "norm" in type(module).__name__.lower()
                node.matrices += not is_norm and ("weight" in name if is_lazy(p) else p.ndim > 1)
    for name, child in module._modules.items():
        if child is not None and id(child) not in seen:
            seen.add(id(child))
            if (child._parameters or child._modules) and (found := module_tree(child, prefix + name, names, seen)):
                node.children.append(found)
                node.matrices += found.matrices
                node.has_norm |= found.has_norm
    node.end = len(names)
    return node if node.end > node.begin else None


def walk_tree(node: ModuleNode | None) -> Iterable[ModuleNode]:
    """Yield the modules of a tree in the order of their declaration."""
    if node is not None:
        yield node
        for child in node.children:
            yield from walk_tree(child)


def number_blocks(node: ModuleNode) -> tuple[list[int], bool]:
    """Number a range of names by the blocks in it; say whether something follows the last block."""
    blocks = _blocks(node)
    begins = [block.begin for block in blocks]
    end = blocks[-1].end if blocks else node.end
    return [bisect_right(begins, i) + (i >= end) for i in range(node.begin, node.end)], end < node.end


def _blocks(node: ModuleNode, nested: bool = False) -> list[ModuleNode]:
    """Return the elements of the lists of blocks in a module, and within stages of them (Swin, ConvNeXt).

    An element is a stage where most of its matrices lie in blocks that are alike: each has a normalization layer, two
    matrices or more, and all submodules of the smallest. Experts and attention heads in a list are no blocks.
    """
    children = [child for child in node.children if child.children]
    if not (_is_list(node, len(children)) and (not nested or _alike(node.children))):
        return [block for child in children for block in _blocks(child, nested)]
    found = []
    for element in node.children:
        inner = _blocks(element, nested=True)
        found += inner if 2 * sum(block.matrices for block in inner) > element.matrices else [element]
    return found


def _is_list(node: ModuleNode, composite: int) -> bool:
    """Return whether a module is a list of blocks, given how many of its elements have submodules."""
    all_needed = isinstance(node.module, nn.Sequential)
    if composite < (len(node.children) if all_needed else 1) or PARALLEL.search(node.path.rpartition(".")[2]):
        return False
    return isinstance(node.module, (nn.ModuleList, nn.Sequential))


def _alike(blocks: list[ModuleNode]) -> bool:
    names = [{n.path.removeprefix(block.path) for n in walk_tree(block)} for block in blocks]
    smallest = min(names, key=len, default=set())
    return all(b.has_norm and b.matrices > 1 for b in blocks) and all(smallest <= other for other in names)


def number_chain(node: ModuleNode) -> list[int]:
    """Number a range of names by the modules with a matrix: the first is layer 0, vectors belong to the one before."""
    begins = [leaf.begin for leaf in _leaves(node) if leaf.matrices][1:]
    return [bisect_right(begins, i) for i in range(node.begin, node.end)]


def _leaves(node: ModuleNode) -> Iterable[ModuleNode]:
    """Yield modules without submodules, and torch's own layers (attention), which are one layer each."""
    is_list = isinstance(node.module, (nn.ModuleList, nn.ModuleDict, nn.Sequential))
    if not node.children or (type(node.module).__module__.startswith("torch.nn.") and not is_list):
        yield node
    else:
        for child in node.children:
            yield from _leaves(child)
