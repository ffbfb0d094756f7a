"""Defines the annotation from which LightningCLI parses a module's four specs."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from lit_optim.config.read.class_path import CLASS_PATH, is_name
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


def group_of(name: Any) -> str | None:
    """Return the group of a preset's name that one group alone has, or of an optimizer's import path.

    Example:
        >>> group_of("sgd"), group_of("warmup_cosine"), group_of("torch.optim.SGD"), group_of("mine")
        ('optimizer', 'scheduler', 'optimizer', None)
    """
    if not is_name(name):
        return (
            "optimizer"
            if str(name).startswith(("torch.optim.", "lit_optim.optimizers.")) and "lr_sch" not in name
            else None
        )
    groups = [group for group in preset_groups() if group != RECIPE and name in preset_names(group)]
    return groups[0] if len(groups) == 1 else None


def is_preset(value: Any, cls: type) -> bool:
    """Return whether the parser has a value as a mapping of ours already; it asks for the whole specs too.

    Raises:
        SystemExit: for a spec with a wrong key, with one message in place of a traceback in the middle of fit.
    """
    if isinstance(value, Mapping):
        name = value.get("_target_", value.get(CLASS_PATH, value.get("name")))
        group = group_of(name) if isinstance(name, str) else None
        if group in ("optimizer", "scheduler"):
            from lit_optim.config.resolve_named import resolve  # imports torch

            try:
                resolve({"optimizer": "adamw", group: value})
            except ConfigError as error:
                wrong_keys = [text for text in error.problems if "has no argument" in text or "no such key" in text]
                if wrong_keys:
                    print(ConfigError(*wrong_keys), file=sys.stderr)
                    raise SystemExit(ConfigError.exit_code) from None
    return isinstance(value, cls)


if TYPE_CHECKING:
    SpecLike: TypeAlias = str | Mapping[str, Any] | list[Any] | Callable[..., Any] | None
else:
    SpecLike = Union[Preset, dict[str, Any], list[Any], None]  # noqa: UP007 - what jsonargparse tries, in this order
    try:
        from jsonargparse.typing import register_type
    except ImportError:  # no LightningCLI without it
        pass
    else:
        register_type(Preset, dict, mapping_of, type_check=is_preset)
