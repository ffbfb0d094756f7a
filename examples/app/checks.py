"""Checks of what neither lit_optim nor Hydra knows: the keys of this app, before anything is trained."""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Collection, Mapping
from typing import Any

import fsspec
import torch
from lightning import LightningModule
from omegaconf import DictConfig, OmegaConf

from lit_optim import ConfigError

KEYS = {"data", "model", "optimizer", "scheduler", "param_groups", "optim_callbacks", "callbacks", "logger", "trainer"}
KEYS |= {"resume", "report", "task_name", "seed", "threads", "ckpt_path", "monitor", "monitor_mode", "optimized_metric"}
KEYS |= {"output_dir"}
NEEDED = {"optimizer": "optimizer=adamw", "model.net": "model=cnn"}
GIVEN = ("model.classes", "trainer.callbacks", "trainer.logger")
CLIP, DETERMINISTIC = "trainer.gradient_clip_val", "trainer.deterministic"
MOST = 2**32 - 1
LEAST = {"seed": 0, "threads": 1, "trainer.max_epochs": -1}  # whole numbers
LEAST |= {f"trainer.{name}": 1 for name in ("log_every_n_steps", "check_val_every_n_epoch", "accumulate_grad_batches")}


def check_settings(cfg: DictConfig) -> None:
    """Raises a ConfigError for unknown keys, and for values that neither Hydra nor Lightning checks."""
    values = {key: OmegaConf.select(cfg, key) for key in (*KEYS, *NEEDED, *GIVEN, *LEAST, CLIP, DETERMINISTIC)}
    problems = [f"{key}: missing; choose one, e.g. {NEEDED[key]}" for key in NEEDED if values[key] is None]
    problems += [f"{key!s}={cfg[key]!r:.120}: no such key; there are: {sorted(KEYS)}" for key in cfg if key not in KEYS]
    rules = {key: "set by this app; remove it" for key in GIVEN if values[key] is not None}
    for key, least in LEAST.items():
        most = 1024 if key == "threads" else MOST
        if not (values[key] is None or (type(values[key]) is int and least <= values[key] <= most)):
            rules[key] = f"must be a whole number from {least} to {most}"
    name, clip = values["task_name"], values[CLIP]
    if not (clip is None or (isinstance(clip, (int, float)) and 0 <= clip < math.inf)):
        rules[CLIP] = "must be a number of at least 0"
    if values[DETERMINISTIC] not in (True, False, "warn", None):
        rules[DETERMINISTIC] = "must be true, false or warn"
    if not isinstance(name, str) or not name or name.startswith(".") or "/" in name:
        rules["task_name"] = "names a folder under logs/; write a name without '/'"
    if not isinstance(values["output_dir"], str):
        rules["output_dir"] = "must be the path of a folder"
    problems += [f"{key}={values[key]!r:.120}: {rule}" for key, rule in rules.items()]
    if problems:
        raise ConfigError(*problems)


def check_parts(cfg: DictConfig, logged: Collection[str], parts: Mapping[str, Any]) -> None:
    """Raises a ConfigError for a metric that is followed but not logged, and for a folder that cannot be made."""
    metrics = {"monitor": cfg.monitor, "optimized_metric": cfg.optimized_metric}
    folders = {"output_dir": cfg.output_dir}
    for key, part in parts.items():
        metrics[f"{key}.monitor"] = getattr(part, "monitor", None) or cfg.monitor
        for attribute in ("dirpath", "save_dir"):
            path = str(getattr(part, attribute, None) or cfg.output_dir)
            folders |= {} if path.startswith(cfg.output_dir) or "://" in path else {f"{key}.{attribute}": path}
    problems: dict[str, str] = {}  # by value: the first key is the one that the others refer to
    for key, name in metrics.items():
        if name not in logged and not str(name).startswith("lr"):  # which a LearningRateMonitor logs
            rule = f"no such metric is logged; there are: {', '.join(sorted(logged)) or 'none'}"
            problems.setdefault(str(name), f"{key}={name!r:.120}: {rule}")
    for key, path in folders.items():
        try:
            os.makedirs(path, exist_ok=True)
        except OSError as error:
            problems[path] = f"{key}={path!r:.120}: {error}"
    if problems:
        raise ConfigError(*problems.values())


def check_checkpoint(path: str, model: LightningModule) -> None:
    """Raises a ConfigError if a file holds weights of another model, or more than tensors; it runs no code of it."""
    if os.path.isdir(path):
        return  # a sharded checkpoint, which its strategy reads
    try:
        with fsspec.open(path, "rb") as file:
            model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True)["state_dict"])
    except pickle.UnpicklingError:
        raise ConfigError(f"ckpt_path={path!r:.120}: contains more than tensors and plain containers") from None
    except RuntimeError as error:
        raise ConfigError(f"ckpt_path={path!r:.120}: {error!s:.300}") from None
