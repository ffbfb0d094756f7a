"""A whole config -> everything that a run needs; what is wrong anywhere in it comes as one ConfigError."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import lightning as L
from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from lightning.pytorch.loggers import Logger
from torch import nn

import lit_optim
from app.build import Part, build, check
from app.data_module import TensorData
from app.metrics import check_logged
from app.reproducible import reproducible
from app.settings import check_folder, check_settings
from app.task import Task
from app.trainer_ranges import check_ranges
from app.values import check_values
from lit_optim.config.read.plain_containers import to_plain
from lit_optim.config.read.presets import GROUPS
from lit_optim.errors import ConfigError, Problems, did_you_mean, wrong

T = TypeVar("T")
OWN_KEYS = ("data", "model", "trainer", "callbacks", "logger")
SETTINGS = ("task_name", "seed", "threads", "ckpt_path", "optimized_metric", "monitor", "monitor_mode", "output_dir")


@dataclass(frozen=True)
class Run:
    """What `Trainer.fit` is called with."""

    trainer: L.Trainer
    model: Task
    data: TensorData


def assemble(cfg: Any) -> Run:
    """Checks everything first, then builds everything.

    Raises:
        ConfigError: with all that is wrong.
    """
    check_values(cfg)
    problems = Problems()
    known = (*GROUPS, *OWN_KEYS, *SETTINGS)
    for key in cfg:
        if key not in known:
            problems.add(str(key), cfg[key], f"no such key{did_you_mean(str(key), known, list_all=True)}")
    if cfg.get("optimizer") is None:
        problems.append("optimizer: missing; choose one, e.g. optimizer=adamw")
    for check_some in (lit_optim.validate, check_settings):
        try:
            check_some(cfg)
        except ConfigError as error:
            problems.take(error)

    try:
        cfg.seed = reproducible(cfg.get("seed"), cfg.get("threads"))
    except ConfigError as error:
        problems.take(error)

    data_part = check(cfg.get("data"), TensorData, "data", problems)
    net_part, model_part = _check_model(cfg.get("model"), problems)
    callback_parts = _check_each(cfg.get("callbacks"), Callback, "callbacks", problems)
    logger_parts = _check_each(cfg.get("logger"), Logger, "logger", problems)  # type: ignore[type-abstract]  # mypy #4717
    trainer_part = check(cfg.get("trainer"), L.Trainer, "trainer", problems, given=("callbacks", "logger"))

    check_ranges(trainer_part, problems)
    _check_folders(cfg.get("output_dir"), [*callback_parts, *logger_parts, trainer_part], problems)
    data = build(data_part, problems)
    net = build(net_part, problems, shape=data.shape, classes=data.classes) if data else None
    model = build(model_part, problems, net=net, classes=data.classes) if data and net else None
    callbacks = [build(part, problems) for part in callback_parts]
    loggers = [build(part, problems) for part in logger_parts]
    if not loggers:
        callbacks = [c for c in callbacks if not isinstance(c, LearningRateMonitor)]  # it has nowhere to write to
    ready = None not in [*callbacks, *loggers]
    trainer = build(trainer_part, problems, callbacks=callbacks, logger=loggers or False) if ready else None
    if model and trainer:
        _check_metrics(cfg, model, trainer, callback_parts, problems)
    problems.raise_if_any()
    assert trainer is not None
    assert model is not None
    assert data is not None
    return Run(trainer, model, data)


def _check_folders(output_dir: Any, parts: Iterable[Part[Any] | None], problems: Problems) -> None:
    """Of whatever writes elsewhere than into the folder of the run."""
    for part in filter(None, parts):
        for name in ("dirpath", "save_dir", "default_root_dir"):
            path = part.arguments.get(name)
            if isinstance(path, str) and path and not path.startswith(str(output_dir)):
                check_folder(f"{part.key}.{name}", path, problems)


def _check_metrics(
    cfg: Any, model: Task, trainer: L.Trainer, callbacks: Iterable[Part[Any] | None], problems: Problems
) -> None:
    """Whatever is followed is logged: by the model, or by a LearningRateMonitor."""
    logged = [name for name in model.logged if trainer.limit_val_batches or not name.startswith("val")]
    followed = {key: cfg.get(key) for key in ("monitor", "optimized_metric")}
    for part in filter(None, callbacks):
        name = part.arguments.get("monitor")
        if name is not None and name != cfg.get("monitor") and not str(name).startswith("lr"):
            followed[f"{part.key}.monitor"] = name
    for key, name in followed.items():
        try:
            check_logged(key, name, logged)
        except ConfigError as error:
            problems.take(error)


def _check_model(spec: Any, problems: Problems) -> tuple[Part[nn.Module] | None, Part[Task] | None]:
    spec = to_plain(spec, "model")
    if not isinstance(spec, dict):
        problems.add("model", spec, "expects a mapping")
        return None, None
    net = check(spec.pop("net", None), nn.Module, "model.net", problems, given=("shape", "classes"))
    specs = {name: spec.pop(name) for name in GROUPS if name in spec}  # which `lit_optim.validate` has checked
    task = check(spec, Task, "model", problems, given=("net", "classes"))
    return net, replace(task, arguments={**task.arguments, **specs}) if task else None


def _check_each(specs: Any, base: type[T], key: str, problems: Problems) -> list[Part[T] | None]:
    """A group of things by name; one that is null is left out."""
    if specs is None:
        return []
    try:
        specs = to_plain(specs, key)
        if not isinstance(specs, dict):
            raise ConfigError(wrong(key, specs, "expects a mapping name -> mapping with _target_"))
    except ConfigError as error:
        problems.take(error)
        return []
    return [check(spec, base, f"{key}.{name}", problems) for name, spec in specs.items() if spec is not None]
