"""Trains a small network on real data; everything about it is chosen on the command line.

python examples/train.py
python examples/train.py optimizer=sgd scheduler=warmup_cosine optimizer.lr=0.1 scheduler.warmup.steps=2ep
python examples/train.py -m optimizer=adamw,sgd seed=1,2,3
"""

from __future__ import annotations

import os
import re
import sys

import hydra
from omegaconf import DictConfig

import lit_optim


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
    from app.reproducible import reproducible

    show = rank_zero_only(print)  # under trainer=ddp every process runs this function
    cfg.seed = reproducible(cfg.get("seed"), cfg.get("threads"))
    show(f"seed: {cfg.seed}")

    run = assemble(cfg)
    logged = [name for name in run.model.logged if run.trainer.limit_val_batches or not name.startswith("val")]
    check_logged("monitor", cfg.monitor, logged)
    check_logged("optimized_metric", cfg.optimized_metric, logged)
    fit(run, cfg.ckpt_path)

    metrics = run.trainer.callback_metrics
    show(table(metrics))
    show(f"everything about this run: {os.path.relpath(cfg.output_dir)}")
    check_logged("optimized_metric", cfg.optimized_metric, metrics)
    return float(metrics[cfg.optimized_metric])


if __name__ == "__main__":
    # Hydra takes no null for a group that has choices; everybody writes logger=null all the same
    sys.argv = [re.sub(r"^(logger|callbacks|scheduler|optim_callbacks)=null$", r"\1=none", word) for word in sys.argv]
    main()
