"""Defines the annotation from which LightningCLI parses a module's four specs."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from lit_optim.config.read.class_path import is_name
from lit_optim.config.read.presets import RECIPE, preset_groups, preset_names
from lit_optim.errors import ConfigError, did_you_mean


class Preset(dict[str, Any]):
    """A preset's name or an import path as a mapping, so that the parser can add single keys to it."""


def mapping_of(name: Any) -> dict[str, Any]:
    """Convert a word of the command line to the mapping that the parser works on.

    Raises:
        ConfigError: for what is no name.
        SystemExit: for a name that no group has, with one line in place of the parser's page.

    Example:
        >>> mapping_of("sgd"), mapping_of("torch.optim.SGD")
        ({'_target_': 'sgd'}, {'_target_': 'torch.optim.SGD'})
    """
    if not isinstance(name, str):
        raise ConfigError(f"{name!r}: not a name")
    known = {*itertools.chain.from_iterable(preset_names(group) for group in preset_groups() if group != RECIPE)}
    if is_name(name) and name not in known:
        print(f"{name!r}: no preset of that name{did_you_mean(name.lower(), known)}", file=sys.stderr)
        raise SystemExit(ConfigError.exit_code)
    return {"_target_": name}


if TYPE_CHECKING:
    SpecLike: TypeAlias = str | Mapping[str, Any] | list[Any] | Callable[..., Any] | None
else:
    SpecLike = Union[Preset, dict[str, Any], list[Any], None]  # noqa: UP007 - what jsonargparse tries, in this order
    try:
        from jsonargparse.typing import register_type
    except ImportError:  # no LightningCLI without it
        pass
    else:
        register_type(Preset, dict, mapping_of, type_check=isinstance)
