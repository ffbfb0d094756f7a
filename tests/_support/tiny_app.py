"""A Hydra app of a few steps on a quadratic, whose best lr is known, and `lit-optim compare` of it as a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import lit_optim

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import time
from pathlib import Path

import lightning as L
import torch

import lit_optim


class Net(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    def __init__(self, cfg):
        super().__init__()
        self.optim_spec = {"optimizer": cfg.optimizer, "optim_callbacks": cfg.optim_callbacks}
        self.layer = torch.nn.Linear(2, 1)
        self.cfg = cfg

    def training_step(self, batch, batch_idx):
        time.sleep(self.cfg.seconds_a_step)
        weight, bias = self.layer.parameters()
        return (weight - batch.mean()).square().sum() * self.cfg.curvature / 2 + (bias - 1).square().sum() / 2

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", (self.layer.weight - 1).square().sum())


@lit_optim.hydra_main(config_path="conf", config_name="train")
def main(cfg):
    Path(cfg.log).open("a").write(cfg.optim_callbacks.record.folder + chr(10))
    if cfg.seed_first:
        L.seed_everything(cfg.seed, workers=True)
    data = 1 + cfg.noise * torch.randn(8, 1)
    quiet = dict(logger=False, enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=False)
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=cfg.output_dir, **quiet)
    train, validation = (torch.utils.data.DataLoader(data, batch_size=2, shuffle=each) for each in (True, False))
    trainer.fit(Net(cfg), train, validation)


if __name__ == "__main__":
    main()
"""
CONFIG = """
defaults: [_self_, optimizer: sgd, optim_callbacks: none]
output_dir: ${hydra:runtime.output_dir}
log: log.txt
seed: 1
seed_first: true
curvature: 1.0
noise: 0.1
seconds_a_step: 0
monitor: val/loss
"""


def write_app(folder: Path) -> None:
    """The app, and the Hydra plugin of this checkout, which an installation copies."""
    (folder / "app/conf").mkdir(parents=True)
    (folder / "app/train.py").write_text(SCRIPT)
    (folder / "app/conf/train.yaml").write_text(CONFIG)
    shutil.copytree(Path(lit_optim.__file__).parent / "_hydra_plugin", folder / "plugin/hydra_plugins/lit_optim")


def start_comparison(folder: Path, where: Path, *words: str) -> subprocess.Popen[str]:
    """Start `lit-optim compare` of the app in the folder ``where``, in a process group of its own."""
    path = os.pathsep.join([str(folder / "plugin"), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    where.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "lit_optim", "compare", str(folder / "app/train.py"), *words]
    with (where / "out.txt").open("w") as out, (where / "err.txt").open("w") as err:
        return subprocess.Popen(command, cwd=where, env=env, text=True, stdout=out, stderr=err, start_new_session=True)


def runs_begun(where: Path) -> list[str]:
    """The runs that have begun, in order: ``runs/sgd/trial-00``."""
    log = where / "log.txt"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.partition("/compare/")[2].removesuffix("/record") for line in lines]
