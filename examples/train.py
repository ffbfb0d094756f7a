"""Trains a small network on real data; everything about it is chosen on the command line.

python examples/train.py
python examples/train.py optimizer=sgd scheduler=warmup_cosine optimizer.lr=0.1 scheduler.warmup.steps=2ep
python examples/train.py -m optimizer=adamw,sgd seed=1,2,3
"""

from __future__ import annotations

import os

import hydra
from omegaconf import DictConfig

import lit_optim
from app.command_line import run


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
@lit_optim.exit_on_config_error
def main(cfg: DictConfig) -> float:
    """Trains, and returns the metric that a sweeper optimizes."""
    from app.quiet import silence  # imports are here, so that --help does not wait for torch

    silence()
    from lightning.pytorch.utilities import rank_zero_only

    from app.assemble import assemble
    from app.fit import fit
    from app.metrics import check_logged, table

    parts = assemble(cfg)
    show = rank_zero_only(print)  # under trainer=ddp every process runs this function
    show(f"seed: {cfg.seed}")
    fit(parts, cfg.ckpt_path)

    metrics = parts.trainer.callback_metrics
    show(table(metrics))
    show(f"everything about this run: {os.path.relpath(cfg.output_dir)}")
    check_logged("optimized_metric", cfg.optimized_metric, metrics)
    return float(metrics[cfg.optimized_metric])


if __name__ == "__main__":
    run(main)
