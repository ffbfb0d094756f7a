"""A Hydra app whose jobs do what they are asked for: end, fail, die or train."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import lit_optim

ROOT = Path(__file__).resolve().parents[3]
APP = """
import json, os, signal, time
from pathlib import Path

import lit_optim


@lit_optim.hydra_main(config_path="conf", config_name="train")
def main(cfg):
    folder = Path(cfg.output_dir)
    with open(cfg.log, "a") as file:
        print(cfg.name, os.getpid(), file=file)
    time.sleep(cfg.seconds)
    if cfg.wait_for:
        while not Path(cfg.wait_for).exists():
            time.sleep(0.01)
    if cfg.what == "raise":
        raise RuntimeError("out of luck\\nand more")
    if cfg.what == "reject":
        raise lit_optim.ConfigError("optimizer.lr=-1: must be positive")
    if cfg.what == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if cfg.what == "train":
        import training  # beside this file
        training.train(cfg)
    if cfg.what == "record":
        (folder / "record").mkdir()
        (folder / "record/steps.csv").write_text("step,epoch,seconds,loss,grad_norm,update_norm\\n")
        (folder / "record/metrics.csv").write_text("step,epoch,seconds,name,value\\n")
        (folder / "record/run.json").write_text(json.dumps({"format": 1, "outcome": "finished"}))


if __name__ == "__main__":
    main()
"""
TRAINING = """
import lightning as L
import torch

import lit_optim


class Net(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    def __init__(self, cfg):
        super().__init__()
        self.optim_spec = {"optimizer": cfg.optimizer, "optim_callbacks": cfg.optim_callbacks}
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch).square().mean()


def train(cfg):
    quiet = dict(logger=False, enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=False)
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=cfg.output_dir, **quiet)
    trainer.fit(Net(cfg), torch.utils.data.DataLoader(torch.ones(16, 2), batch_size=2))
"""
CONFIG = """
defaults: [_self_, optimizer: sgd, optim_callbacks: record]
output_dir: ${hydra:runtime.output_dir}
log: ???
name: ???
what: record
seconds: 0
wait_for: null
hydra:
  callbacks: {validate_sweep: {_target_: lit_optim.ValidateSweep}}
  sweeper: {max_batch_size: 1}
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the app, and let its processes find this checkout, with its Hydra plugin, which an installation copies."""
    folder = tmp_path / "it's an app"
    (folder / "conf").mkdir(parents=True)
    (folder / "conf/train.yaml").write_text(CONFIG)
    (folder / "training.py").write_text(TRAINING)
    (folder / "app.py").write_text(APP)
    shutil.copytree(Path(lit_optim.__file__).parent / "_hydra_plugin", tmp_path / "plugin/hydra_plugins/lit_optim")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(tmp_path / "plugin"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return folder / "app.py"
