"""Trains a small network on real data; everything about it is chosen on the command line.

python examples/train.py optimizer=sgd scheduler=warmup_cosine optimizer.lr=0.1 scheduler.warmup.steps=2ep
python examples/train.py -m optimizer=adamw,sgd seed=1,2,3
"""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any

import hydra.utils
from omegaconf import DictConfig, OmegaConf

import lit_optim

if TYPE_CHECKING:  # imported where they are used, so that --help and TAB do not wait for torch
    import lightning as L

    from app.data import TensorData
    from app.task import Task


@lit_optim.hydra_main(config_path="conf", config_name="train")  # a wrong config: one message, exit code 2, no traceback
def main(cfg: DictConfig) -> float | None:
    """Trains, and returns the metric that a sweeper optimizes; None if the run was too short to measure it."""
    from lightning.pytorch.utilities import rank_zero_only

    from app.console import silence, table

    silence()
    trainer, model, data = build(cfg)
    lit_optim.claim_folder(cfg.output_dir)
    show = rank_zero_only(print)  # under trainer=ddp every process runs this function
    show(f"seed: {cfg.seed}")
    ckpt_path = lit_optim.find_checkpoint(cfg.ckpt_path, trainer)
    if ckpt_path is not None:
        show(f"resumed from: {ckpt_path}")
    fit(trainer, model, data, ckpt_path)
    metrics = trainer.callback_metrics
    if not metrics:
        raise lit_optim.ConfigError(f"ckpt_path={cfg.ckpt_path}: a run that has ended; increase trainer.max_epochs")
    show(f"\n{table(metrics)}\n\neverything about this run: {os.path.relpath(cfg.output_dir)}")
    return float(metrics[cfg.optimized_metric]) if cfg.optimized_metric in metrics else None


def build(cfg: DictConfig) -> tuple[L.Trainer, Task, TensorData]:
    """Builds everything: the four groups of lit_optim are built by the model's mixin, all others by Hydra."""
    from hydra.utils import instantiate
    from lightning.pytorch.callbacks import Callback, LearningRateMonitor
    from lightning.pytorch.loggers import Logger

    from app.checks import check_parts, check_settings

    OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)  # fails for a value that cannot be read
    lit_optim.validate(cfg)
    check_settings(cfg)
    cfg.seed = seed_everything(cfg.seed, cfg.threads)
    data = instantiate(cfg.data, _convert_="all")
    net = instantiate(cfg.model.net, shape=data.shape, classes=data.classes, _convert_="all")
    model = instantiate(cfg.model, net=net, classes=data.classes, _recursive_=False, _convert_="all")
    callbacks = build_each(cfg, "callbacks", Callback)
    loggers = build_each(cfg, "logger", Logger)
    if not loggers:
        callbacks = {key: part for key, part in callbacks.items() if not isinstance(part, LearningRateMonitor)}
    trainer = instantiate(cfg.trainer, callbacks=[*callbacks.values()], logger=[*loggers.values()], _convert_="all")
    logged = ["train/loss", "val/loss", model.score] if trainer.limit_val_batches else ["train/loss"]
    check_parts(cfg, logged, callbacks | loggers)
    return trainer, model, data


def build_each(cfg: DictConfig, group: str, kind: type) -> dict[str, Any]:
    """Builds the entries of a group, without those that are null; returns them by their dotted key."""
    built = hydra.utils.instantiate(cfg.get(group) or {}, _convert_="all")
    parts = {f"{group}.{name}": part for name, part in built.items() if part is not None}
    for key, part in parts.items():
        if not isinstance(part, kind):
            raise lit_optim.ConfigError(f"{key}={part!r}: not a {kind.__name__}; give it a _target_")
    return parts


def fit(trainer: L.Trainer, model: Task, data: TensorData, ckpt_path: str | None = None) -> None:
    """Trains, from the beginning or from a checkpoint."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    from app.checks import check_checkpoint

    if ckpt_path is not None:
        check_checkpoint(ckpt_path, model)
    try:
        trainer.fit(model, datamodule=data, ckpt_path=ckpt_path)
    except (MisconfigurationException, ValueError) as error:
        if isinstance(error, MisconfigurationException) or "val_check_interval" in str(error):
            raise lit_optim.ConfigError(f"trainer: {error}") from error
        raise


def seed_everything(seed: int | None, threads: int | None) -> int:
    """Seeds every generator and fixes torch's threads, so that the same run twice gives the same weights."""
    import lightning as L
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
        os.environ["OMP_NUM_THREADS"] = str(threads)  # for the processes that Lightning starts
    if seed is None:  # by chance; a process that another rank has started takes the seed of that rank
        inherited = os.environ.get("PL_GLOBAL_SEED") if "LOCAL_RANK" in os.environ else None
        seed = secrets.randbelow(2**32) if inherited is None else int(inherited)
    return int(L.seed_everything(seed, workers=True, verbose=False))


if __name__ == "__main__":
    main()
