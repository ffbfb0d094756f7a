"""Returns the specs of a recipe, the numbers of a field with their sources, for plain Python."""

from __future__ import annotations

from typing import Any

from lit_optim.config.read.plain_containers import to_plain
from lit_optim.config.read.presets import GROUPS, RECIPE, load_preset
from lit_optim.config.read.spec import merge
from lit_optim.errors import ConfigError, did_you_mean


def recipe(name: str, /, **overrides: Any) -> dict[str, Any]:
    """Return the specs of a recipe by group: ``LitNet(net, **lit_optim.recipe("vit"))``.

    Args:
        name: a preset of ``conf/recipe``: ``cnn``, ``vit``, ``lm``; ``lit-optim list --group recipe`` shows all.
        overrides: by group; a mapping is merged into the recipe's spec, anything else replaces it.

    Raises:
        ConfigError: for an unknown recipe or group.

    Example:
        >>> specs = recipe("vit", optimizer={"lr": 1e-3}, scheduler={"warmup": 500})
        >>> list(specs), specs["optimizer"]["lr"], specs["scheduler"]["warmup"]["steps"]
        (['optimizer', 'scheduler', 'param_groups', 'optim_callbacks'], 0.001, 500)
    """
    for group in overrides:
        if group not in GROUPS:
            raise ConfigError(
                f"recipe({name!r}, {group}=...): no such group{did_you_mean(group, GROUPS, list_all=True)}"
            )
    return merge(load_preset(RECIPE, name), to_plain(overrides, RECIPE))
