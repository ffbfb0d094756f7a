"""Picks the specs of a whole configuration, to pass them on to a module at once."""

from __future__ import annotations

from typing import Any

from lit_optim.config.read.config_objects import object_fields
from lit_optim.config.read.presets import GROUPS, REPORT
from lit_optim.config.validate import validate
from lit_optim.errors import ConfigError


def specs(cfg: Any) -> dict[str, Any]:
    """Check a configuration as `validate` does and return all its specs: ``LitNet(net, **lit_optim.specs(cfg))``.

    A module that does not take one of them gets an unexpected argument, so none is lost in silence.

    Args:
        cfg: DictConfig, mapping or dataclass object with the key optimizer and any of scheduler, param_groups,
            optim_callbacks, resume, report.

    Raises:
        ConfigError: with all that is wrong, or if there is no optimizer.

    Example:
        >>> specs({"optimizer": "sgd", "optim_callbacks": ["ema"], "seed": 1})
        {'optimizer': 'sgd', 'optim_callbacks': ['ema']}
    """
    validate(cfg)
    fields = object_fields(cfg)
    found = {group: fields[group] for group in GROUPS if group in fields}
    if isinstance(fields.get(REPORT), int):  # a bool is one; any other value is a key of the app's
        found[REPORT] = fields[REPORT]
    if found.get("optimizer") is None:
        hint = "write lit_optim.specs(cfg.model)" if "model" in fields else "add `- lit_optim` to the defaults list"
        raise ConfigError(f"optimizer: not in the configuration; {hint}")
    return found
