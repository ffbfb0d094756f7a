"""Reads objects that only hold settings - of dataclasses, attrs and pydantic - as mappings."""

from __future__ import annotations

import dataclasses
from typing import Any

from lit_optim.duration import Duration


def object_fields(value: Any) -> Any:
    """Return the fields of a dataclass, attrs or pydantic object as a dict, and any other value as it is.

    What can be called or has a state (a callback, say) is no settings.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Momentum:
        ...     lr: float = 0.1
        ...     _target_: str = "momentum"
        >>> object_fields(Momentum(lr=0.2)), object_fields("momentum")
        ({'lr': 0.2, '_target_': 'momentum'}, 'momentum')
    """
    cls = type(value)
    if isinstance(value, (type, Duration)) or callable(value) or hasattr(cls, "state_dict"):
        return value
    if hasattr(cls, "model_dump"):  # pydantic, where a name with an underscore in front can be an alias only
        return value.model_dump(by_alias=True)
    fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else getattr(cls, "__attrs_attrs__", None)
    return value if fields is None else {field.name: getattr(value, field.name) for field in fields}
