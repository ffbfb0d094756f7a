"""Write the specs into a checkpoint, and choose between them and the configuration when a run is resumed."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch.optim import Optimizer

from lit_optim.config.build.param_groups import read_grouping
from lit_optim.config.checks.locate import locate
from lit_optim.config.read.named_specs import specs_by_name
from lit_optim.config.read.plain_containers import to_plain, to_serializable, without_omegaconf
from lit_optim.config.read.presets import GROUPS
from lit_optim.config.read.spec import Spec, read_spec
from lit_optim.imports import only_known_packages
from lit_optim.lightning_api import is_instance
from lit_optim.torch_backend.implementation import FLAGS

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
        "spec": {group: to_serializable(specs.get(group)) for group in GROUPS},
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


def environment(world_size: int, compiled: Iterable[str]) -> dict[str, Any]:
    """Return the versions and settings that a bit-for-bit repetition depends on besides the configuration.

    Args:
        world_size: number of processes.
        compiled: names of the optimizers and callbacks that run compiled.
    """
    return {
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "world_size": world_size,
        "compiled": sorted(compiled),
    }


def environment_difference(before: Any, now: Mapping[str, Any]) -> str:
    """Return the warning about a run that is resumed in another environment than its checkpoint's; else ''.

    Example:
        >>> environment_difference({"threads": 4, "world_size": 1}, {"threads": 2, "world_size": 1})
        'ckpt_path: written with threads=4, resumed with threads=2: the run goes on, but not bit for bit'
    """
    if not isinstance(before, Mapping):
        return ""
    names = [name for name in now if name in before and before[name] != now[name]]
    if not names:
        return ""
    then, here = (", ".join(f"{name}={values[name]}" for name in names) for values in (before, now))
    return f"ckpt_path: written with {then}, resumed with {here}: the run goes on, but not bit for bit"


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


def resumed_specs(saved: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the specs that a resumed run is built from, and the warnings about those of the configuration.

    The checkpoint's optimizer and param groups win, because its state fits only the class and the groups that wrote it,
    and the groups restore their hyper-parameters. The schedule is the configuration's; it continues at the restored
    step.

    Args:
        saved: the checkpoint's ``lit_optim``.
        now: the configured specs.

    Raises:
        ConfigError: for an optimizer of a package that a checkpoint may not import.
    """
    spec = saved.get("spec", {})
    if not spec.get("optimizer"):
        return dict(now), []
    named, here = specs_by_name(spec["optimizer"]), specs_by_name(now["optimizer"])
    if named is not None and here is not None:  # in the order of the configuration, as the states are by now
        kept = {name: _resumed_optimizer(named[name], one, f"optimizer.{name}") for name, one in here.items()}
        optimizer = {name: one for name, (one, _) in kept.items()}
        messages = [message for _, found in kept.values() for message in found]
    else:
        optimizer, messages = _resumed_optimizer(spec["optimizer"], now["optimizer"], "optimizer")
    rules, ours = spec.get("param_groups"), now.get("param_groups")
    same = to_serializable(rules) == to_serializable(ours)  # in the checkpoint, a function is its path
    if not same and read_grouping(rules) != read_grouping(ours):
        messages.append("param_groups has no effect: the checkpoint restores the groups that it was written with")
    if not messages:
        return dict(now), []
    messages.append("to change them, begin a new run from the weights (load_from_checkpoint) instead of ckpt_path")
    return {**now, "optimizer": optimizer, "param_groups": spec.get("param_groups")}, messages


def _resumed_optimizer(saved: Any, now: Any, key: str) -> tuple[dict[str, Any], list[str]]:
    """Return the spec of one optimizer of a resumed run, and the warnings about settings that have no effect."""
    before, after = (read_spec(each, "optimizer", key) for each in (saved, now))
    messages = _optimizer_differences(before, after)
    if messages:
        with only_known_packages():
            locate(before.target, Optimizer, "ckpt_path: the checkpoint's optimizer")
    flags = {k: v for k, v in after.arguments.items() if k in FLAGS} if before.path == after.path else {}
    return {**{k: v for k, v in before.as_dict().items() if k not in FLAGS}, **flags}, messages


def _optimizer_differences(before: Spec, after: Spec) -> list[str]:
    key = before.key
    if before.path != after.path:
        return [f"{key}={after.path} has no effect: the checkpoint restores {before.path}, which wrote it"]
    lines = []
    then, now = to_serializable(before.as_dict()), to_serializable(after.as_dict())
    for name in sorted({*then, *now} - set(FLAGS)):
        old, new = then.get(name), now.get(name)
        if (list(old) if isinstance(old, tuple) else old) != (list(new) if isinstance(new, tuple) else new):
            lines.append(f"{key}.{name}={new} has no effect: the checkpoint restores {name}={old}")
    return lines
