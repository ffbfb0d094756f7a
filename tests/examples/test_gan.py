"""The GAN that a user would copy."""

import subprocess
import sys
from pathlib import Path

import lightning as L
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch.utils.data import DataLoader, Subset

import lit_optim
from gan import Gan, digits

FILE = Path(__file__).resolve().parents[2] / "examples" / "gan.py"


def composed(*overrides):
    with initialize_config_dir(str(FILE.parent / "conf"), version_base="1.3"):
        return compose("gan", [*overrides, "trainer.max_epochs=2", "+trainer.enable_progress_bar=false"])


def fitted(tmp_path, *overrides):
    cfg = composed(*overrides)
    lit_optim.validate(cfg)
    torch.manual_seed(0)
    module = Gan(cfg.optimizer, cfg.scheduler, cfg.n_critic)
    data = Subset(digits(), range(256))
    trainer = L.Trainer(**cfg.trainer, default_root_dir=tmp_path)
    trainer.fit(module, DataLoader(data, cfg.batch_size), DataLoader(data, 256))
    return trainer


def test_names_choose_optimizers_and_schedules(tmp_path):
    assert len(FILE.read_text(encoding="utf-8").splitlines()) <= 100
    trainer = fitted(
        tmp_path,
        "optimizer@optimizer.discriminator=nadam",
        "optimizer.discriminator.lr=0.25",
        "scheduler@scheduler.discriminator=constant",
    )
    assert [type(optimizer).__name__ for optimizer in trainer.optimizers] == ["Adam", "NAdam"]
    assert [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers] == [0, 0.25]
    assert trainer.optimizers[0].param_groups[0]["betas"] == (0.5, 0.999)


def test_fewer_steps_of_the_generator(tmp_path):
    trainer = fitted(tmp_path, "n_critic=2", "+scheduler.generator.total_steps=4")
    assert [config.scheduler.last_epoch for config in trainer.lr_scheduler_configs] == [4, 8]


@pytest.mark.slow
def test_runs_as_a_script_and_ends_with_one_message_for_a_wrong_name(tmp_path):
    def run(*words):
        command = [sys.executable, str(FILE), "trainer.max_epochs=1", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    outcome = run()
    assert outcome.returncode == 0, outcome.stderr
    assert "val/mean_error: " in outcome.stdout
    outcome = run("+scheduler.genrator=cosine")
    assert outcome.returncode == 2
    assert outcome.stderr.strip() == "scheduler.genrator='cosine': no optimizer of that name; did you mean 'generator'?"
