"""Write the specs into a checkpoint, and read what it says of its run."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from lit_optim.config.read.plain_containers import to_plain, to_serializable, without_omegaconf
from lit_optim.config.read.presets import GROUPS
from lit_optim.errors import ConfigError
from lit_optim.lightning_api import is_instance

VERSION = 1
HPARAMS = "hyper_parameters"  # Lightning's keys
HPARAMS_TYPE = "hparams_type"


def stamp(
    checkpoint: dict[str, Any],
    specs: Mapping[str, Any],
    param_names: list[list[str]],
    environment: Mapping[str, Any] | None = None,
    optimizers: Iterable[str] = (),
) -> None:
    """Write ``checkpoint["lit_optim"]``, and plain containers in place of OmegaConf and partials.

    Args:
        checkpoint: as Lightning has collected it.
        specs: the four specs in force.
        param_names: names of the optimizers' parameters, by group.
        environment: see `environment`.
        optimizers: names of their classes.
    """
    specs = {**specs, "optim_callbacks": _without_objects(specs.get("optim_callbacks"))}
    checkpoint["lit_optim"] = {
        "version": VERSION,
        "spec": {group: to_serializable(specs.get(group)) for group in GROUPS if group != "resume"},
        "param_names": param_names,
        "environment": dict(environment or {}),
        "optimizers": list(optimizers),
    }
    for name, entry in list(checkpoint.items()):  # of a datamodule, say
        if name not in (HPARAMS, "state_dict", "optimizer_states"):
            checkpoint[name] = without_omegaconf(entry)
    checkpoint.pop("datamodule_hparams_type", None)
    if HPARAMS in checkpoint:
        hparams = to_plain(checkpoint[HPARAMS], "hparams", keep_objects=True)
        if "optim_callbacks" in hparams:
            hparams["optim_callbacks"] = specs["optim_callbacks"]
        checkpoint[HPARAMS] = {k: to_serializable(v) if k in GROUPS else v for k, v in hparams.items()}
        checkpoint.pop(HPARAMS_TYPE, None)


def environment(world_size: int, compiled: Iterable[str], precision: Any = None) -> dict[str, Any]:
    """Return the versions and settings that a bit-for-bit repetition depends on besides the configuration.

    Args:
        world_size: number of processes.
        compiled: names of the optimizers and callbacks that run compiled.
        precision: the Trainer's.
    """
    return {
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "world_size": world_size,
        "compiled": sorted(compiled),
        "precision": None if precision is None else str(precision),
    }


def stamp_of(checkpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a checkpoint's ``lit_optim``; empty where lit-optim has not written it.

    Raises:
        ConfigError: for one of a newer version, or a damaged one.

    Example:
        >>> stamp_of({"lit_optim": {"version": 99}})
        Traceback (most recent call last):
        lit_optim.errors.ConfigError: ckpt_path: its entry 'lit_optim' has version 99, and this lit-optim reads 1; \
update lit-optim, or begin a new run from the weights (load_from_checkpoint)
    """
    saved = checkpoint.get("lit_optim", {})
    if not isinstance(saved, Mapping) or not isinstance(saved.get("spec", {}), Mapping):
        raise ConfigError("ckpt_path: its entry 'lit_optim' is not one that lit-optim has written")
    version = saved.get("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        advice = "update lit-optim, or begin a new run from the weights (load_from_checkpoint)"
        rule = f"has version {version!r}, and this lit-optim reads {VERSION}"
        raise ConfigError(f"ckpt_path: its entry 'lit_optim' {rule}; {advice}")
    return saved


def _without_objects(callbacks: Any) -> Any:
    """Drop the callbacks that were given as objects, with a warning: only specs can be written."""
    named = callbacks if isinstance(callbacks, Mapping) else None
    entries = named or dict(enumerate(callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]))
    objects = {key: type(entry).__name__ for key, entry in entries.items() if is_instance(entry, "Callback")}
    if not objects:
        return callbacks
    names = ", ".join(objects.values())
    warnings.warn(f"checkpoints do not hold callbacks that were given as objects ({names}); give specs", stacklevel=2)
    kept = {key: entry for key, entry in entries.items() if key not in objects}
    return kept if named else [*kept.values()]
