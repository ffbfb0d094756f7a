"""Trains one of three tasks of the folklore benchmark; `lit-optim compare` runs it.

python examples/benchmark/train.py task=lstm optimizer=adam optimizer.lr=3e-3 optim_callbacks=record
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

import lit_optim

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the example's app, and this folder as `benchmark`

if TYPE_CHECKING:
    import lightning as L

    from benchmark.data import Splits
    from benchmark.task import BenchmarkTask


@lit_optim.hydra_main(config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float | None:
    """Trains, and returns the metric by which trials are selected."""
    from benchmark.data import Batches

    lit_optim.validate(cfg)
    trainer, model, splits = build(cfg)
    train = Batches(splits.train, cfg.batch_size, cfg.seed)
    trainer.fit(model, train, Batches(splits.val, cfg.val_batch_size))
    metrics = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
    print(*(f"{name}={value:.4f}" for name, value in metrics.items()))
    return metrics.get(cfg.optimized_metric)


def build(cfg: DictConfig) -> tuple[L.Trainer, BenchmarkTask, Splits]:
    """Builds everything; the same seed gives every optimizer the same weights and the same order of the data."""
    import lightning as L
    import torch
    from hydra.utils import instantiate

    from app.console import silence
    from benchmark.task import BenchmarkTask

    silence()
    torch.set_num_threads(cfg.threads)
    L.seed_everything(cfg.seed, verbose=False)
    splits = instantiate(cfg.data, _convert_="all")
    specs = OmegaConf.to_container(OmegaConf.masked_copy(cfg, [*BenchmarkTask.SPECS]), resolve=True)
    model = BenchmarkTask(instantiate(cfg.net), splits.test, specs)
    return instantiate(cfg.trainer, _convert_="all"), model, splits


if __name__ == "__main__":
    main()
