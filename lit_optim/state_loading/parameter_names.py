"""Read and write the names of parameters: in a module, on an optimizer, in a saved state dict."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.weak import WeakTensorKeyDictionary

WRAPPERS = re.compile(r"(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
SHOWN = 5  # names in a message
_NAMES = "_lit_optim_names"  # on an optimizer: the names of its parameters, by weak reference


def module_names(module: nn.Module) -> dict[Tensor, tuple[str, ...]]:
    """Return all parameters of a module with their names, several where they are shared.

    Example:
        >>> [*module_names(nn.Linear(2, 2)).values()]
        [('weight',), ('bias',)]
    """
    found: dict[Tensor, tuple[str, ...]] = {}
    for name, p in module.named_parameters(remove_duplicate=False):
        found[p] = (*found.get(p, ()), name)
    return found


def remember_names(optimizer: Optimizer, names: Mapping[Tensor, tuple[str, ...]] | None) -> None:
    """Keep the names of parameters on an optimizer, and write them into its state dict.

    Args:
        optimizer: of any class.
        names: of its parameters, and of others that may be added to it.
    """
    known: MutableMapping[Tensor, tuple[str, ...]] = WeakTensorKeyDictionary()
    known.update(names or {})
    optimizer.__dict__[_NAMES] = known
    optimizer.register_state_dict_post_hook(_write_names)


def optimizer_names(optimizer: Optimizer) -> list[list[tuple[str, ...]]]:
    """Return the names of an optimizer's parameters by group; an empty tuple where they are unknown."""
    known = optimizer.__dict__.get(_NAMES, {})
    found = []
    for group in optimizer.param_groups:
        by_torch = group.get("param_names") or [None] * len(group["params"])
        pairs = zip(by_torch, group["params"], strict=True)
        found.append([known.get(p) or ((name,) if name else ()) for name, p in pairs])
    return found


def names_by_parameter(optimizer: Optimizer) -> dict[Tensor, tuple[str, ...]]:
    """Return the names of an optimizer's parameters, where they are known."""
    pairs = zip(optimizer_names(optimizer), optimizer.param_groups, strict=True)
    found = (pair for names, group in pairs for pair in zip(group["params"], names, strict=True))
    return {p: names for p, names in found if names}


def saved_names(saved: Mapping[str, Any]) -> list[list[str | None]]:
    """Return the names in a saved state dict by group, None where unknown.

    Ids that are names, as in distributed checkpoints, come first; then ``param_names`` of a group (torch's), then
    ``param_names`` of the state dict (ours).
    """
    groups = saved["param_groups"]
    ours = saved.get("param_names")
    ours = ours if isinstance(ours, (list, tuple)) and len(ours) == len(groups) else [None] * len(groups)
    found: list[list[str | None]] = []
    for group, own in zip(groups, ours, strict=True):
        ids = group["params"]
        names = next((n for n in (group.get("param_names"), own) if _are_names(n, len(ids))), [None] * len(ids))
        own_names = (i if isinstance(i, str) else n for i, n in zip(ids, names, strict=True))
        found.append([name and normalize_name(name) for name in own_names])
    return found


def normalize_name(name: str) -> str:
    """Remove the prefixes of ``torch.compile`` and of wrappers from a name.

    Example:
        >>> normalize_name("_orig_mod.layer._checkpoint_wrapped_module.weight")
        'layer.weight'
    """
    return WRAPPERS.sub("", name) if "_module." in name or "_orig_mod." in name else name


def join_names(names: Sequence[str]) -> str:
    """Join the first names for a message, with the number of those left out.

    Example:
        >>> join_names(list("abcdefg"))
        'a, b, c, d, e and 2 more'
    """
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _are_names(names: Any, length: int) -> bool:
    return isinstance(names, (list, tuple)) and len(names) == length and all(isinstance(n, str) for n in names)


def _write_names(optimizer: Optimizer, state_dict: dict[str, Any]) -> None:
    """State-dict post-hook: write names beside the groups; distributed checkpoints repeat what is in a group."""
    names = [[names[0] if names else "" for names in group] for group in optimizer_names(optimizer)]
    if any(name for group in names for name in group):
        state_dict["param_names"] = names
