"""Merge parameters with equal values into param groups."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from lit_optim.errors import ConfigError
from lit_optim.param_groups.grouping import DEFAULT, Assignment, Relative


def merge_into_groups(
    assignments: Iterable[Assignment], defaults: Mapping[str, Any], *, apart: Container[str] = (), part: str = ""
) -> list[dict[str, Any]]:
    """Merge parameters with equal values into param groups.

    Args:
        assignments: of the parameters that are trained.
        defaults: of the optimizer, to which relative values are related.
        apart: names of rules, and labels of factors, whose parameters stay apart from others with equal values, as a
            schedule drives them.
        part: put before the names of the groups, for the part of a composite optimizer.

    Raises:
        ConfigError: for a relative value of what the optimizer does not have as a number.

    Returns:
        groups with the keys ``params``, ``name``, and those options that differ from the optimizer's; the one without
        any rule comes first. A name joins the rules that made the group, in alphabetical order.

    Example:
        >>> import torch
        >>> from lit_optim.param_groups.parameter_type import OwnedParameter, Place
        >>> one, two = (OwnedParameter(torch.ones(1), (Place(name, None, name),)) for name in "ab")
        >>> head = Assignment(one, ("head",), {"lr": Relative(10.0)}, order=(0,))
        >>> groups = merge_into_groups([head, Assignment(two)], {"lr": 0.1})
        >>> [(group["name"], group.get("lr")) for group in groups]
        [('default', None), ('head', 1.0)]
    """
    members, known = dict[Any, tuple[dict[str, Any], list[Assignment]]](), dict[Any, list[Assignment]]()
    for each in assignments:
        key = (id(each.options), each.rules, each.apart, *each.factors.items())
        if key not in known:
            values = {key: _absolute(key, value, defaults) for key, value in each.options.items()}
            for factor in each.factors.values():
                values["lr"] = _absolute("lr", Relative(factor), {"lr": values.get("lr", defaults.get("lr"))})
            kept_apart = each.apart.union(name for name in (*each.rules, *each.factors) if name in apart)
            result = bool(each.rules), kept_apart, tuple(sorted((key, repr(value)) for key, value in values.items()))
            known[key] = members.setdefault(result, (values, []))[1]
        known[key].append(each)
    names, groups = dict[str, int](), list[dict[str, Any]]()
    for values, group in sorted(members.values(), key=lambda group: group[1][0].order):
        name = _group_name(group, part)
        names[name] = names.get(name, 0) + 1
        unique = name if names[name] == 1 else f"{name}/{names[name]}"
        groups.append({"params": [each.parameter.tensor for each in group], "name": unique, **values})
    return groups


def _group_name(group: Sequence[Assignment], part: str) -> str:
    rules = sorted({name for each in group for name in each.rules})
    labels = sorted({label for each in group for label in each.factors})
    names = [part, *rules, *labels] if part or rules or labels else [DEFAULT]
    return "/".join(filter(None, names))


def _absolute(key: str, value: Any, defaults: Mapping[str, Any]) -> Any:
    if not isinstance(value, Relative):
        return value
    default = defaults.get(key)
    if isinstance(default, bool) or not isinstance(default, (int, float, Tensor)):
        raise ConfigError(f"param_groups: {key}=x{value.factor:g}: the optimizer has no number {key!r} to multiply")
    return float(default) * value.factor
