"""Runs whose checkpoints are kept: a tiny net on data without random numbers, saved in the middle of an epoch.

The old commit runs this file too: it uses public names of lit_optim only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader

import lit_optim

EPOCHS, BATCHES = 6, 4
SAVED_AT = 18  # in the fifth epoch, with one epoch without improvement on the count of a plateau
PLATEAU = {
    "warmup": 3,
    "main": {"shape": "plateau", "factor": 0.5, "patience": 1},
    "monitor": "val/loss",
    "drive": {"weight_decay": {"main": {"shape": "plateau", "factor": 0.3, "patience": 1}}},
}
SWATS = {"swats": {"_target_": "lit_optim.callbacks.SWATS", "at": 6}}
LOOKAHEAD = {"lookahead": {"_target_": "lit_optim.callbacks.Lookahead", "k": 5}}
EMA = {"ema": {"_target_": "lit_optim.callbacks.ExponentialMovingAverage", "decay": 0.8}}
ONE_PROCESS: dict[str, dict[str, Any]] = {
    "momentum": {"optimizer": "momentum"},
    "adamw_plateau": {"optimizer": "adamw", "scheduler": PLATEAU, "param_groups": "no_decay"},
    "swats": {"optimizer": "adamw", "scheduler": "warmup_cosine", "optim_callbacks": SWATS},
    "lookahead": {"optimizer": "adamw", "optim_callbacks": LOOKAHEAD},
    "lookahead_ema": {"optimizer": "adamw", "scheduler": "cosine", "optim_callbacks": {**LOOKAHEAD, **EMA}},
    "compiled_nadam": {"optimizer": "compiled/nadam", "scheduler": "warmup_cosine"},
}
_fsdp2 = {"optimizer": "adamw", "scheduler": PLATEAU, "param_groups": "no_decay", "optim_callbacks": LOOKAHEAD}
TWO_PROCESSES: dict[str, dict[str, Any]] = {"fsdp2_whole": _fsdp2, "fsdp2_sharded": _fsdp2}

GROUP_KEYS = ("lr", "initial_lr", "weight_decay", "phase", "k", "switched_at", "sgd_lr", "gamma", "lam",
              "lookahead_k", "lookahead_alpha", "lookahead_step", "average_decay")  # fmt: skip


class Net(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """A regression whose batches and first weights are sines, and whose validation never improves."""

    def __init__(
        self, optimizer: Any, scheduler: Any = None, param_groups: Any = None, optim_callbacks: Any = None
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        with torch.no_grad():
            for i, parameter in enumerate(self.parameters()):
                parameter.copy_(0.7 * sines(i, *parameter.shape))
        self.lrs: list[list[float]] = []

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """This rank's rows of the batch of the coming step, which does not depend on what the loader gives."""
        step, rank, ranks = self.trainer.global_step, self.trainer.global_rank, self.trainer.world_size
        return sines(3 * step, 4, 3)[rank::ranks], 2 * sines(5 * step + 1, 4, 1)[rank::ranks]

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        x, y = self.batch()
        return (self.layers(x) - y).square().mean()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("val/loss", 1.0)

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        self.lrs.append([float(group["lr"]) for group in optimizer.param_groups])
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)


class Sharded(Net):
    def configure_model(self) -> None:
        if not isinstance(self.layers[0].weight, DTensor):
            for layer in (self.layers[0], self.layers[2]):
                fully_shard(layer, mesh=self.device_mesh["data_parallel"])
            fully_shard(self, mesh=self.device_mesh["data_parallel"])


class SaveOnce(Checkpoint):
    """Saves at one step; a ModelCheckpoint would write its folders into the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        if trainer.global_step == SAVED_AT:
            trainer.save_checkpoint(self.path)


class Loader(DataLoader[Any]):
    """Says that it can go on in the middle of an epoch: its batches are not looked at."""

    def state_dict(self) -> dict[str, int]:
        return {}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        pass


def sines(offset: int, *shape: int) -> torch.Tensor:
    indices = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(1.3 * (offset + indices) + 0.1).float().reshape(shape)


def result(case: str, folder: Path, save_to: Path | None = None, resume_from: Path | None = None) -> dict[str, Any]:
    """The end of a run of a case: its weights and counters, in plain containers.

    Args:
        case: a key of `ONE_PROCESS`, or on each of two ranks of `TWO_PROCESSES`.
        folder: for what the callbacks write.
        save_to: the checkpoint to write.
        resume_from: the checkpoint to go on from.
    """
    two = case in TWO_PROCESSES
    strategy = ModelParallelStrategy(2, 1, save_distributed_checkpoint=case == "fsdp2_sharded") if two else "auto"
    trainer = L.Trainer(
        accelerator="cpu", devices=2 if two else 1, strategy=strategy, max_epochs=EPOCHS, default_root_dir=folder,
        callbacks=[SaveOnce(save_to)] if save_to else [], enable_checkpointing=save_to is not None, logger=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False, num_sanity_val_steps=0,
    )  # fmt: skip
    module = Sharded(**TWO_PROCESSES[case]) if two else Net(**ONE_PROCESS[case])
    trainer.fit(module, Loader(range(BATCHES)), DataLoader(range(1)), ckpt_path=resume_from)
    return _end(trainer, module)


def _end(trainer: L.Trainer, module: Net) -> dict[str, Any]:
    (optimizer,) = trainer.optimizers
    return {
        "weights": {name: _whole(p).flatten().tolist() for name, p in module.named_parameters()},
        "state": [
            {key: _whole(value).flatten().tolist() for key, value in optimizer.state[p].items() if torch.is_tensor(value)}
            for group in optimizer.param_groups
            for p in group["params"]
        ],
        "groups": [
            {key: _plain(group[key]) for key in GROUP_KEYS if key in group} for group in optimizer.param_groups
        ],
        "schedule": [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs],
        "global_step": trainer.global_step,
        "epoch": trainer.current_epoch,
        "lrs": module.lrs,
    }  # fmt: skip


def _plain(value: Any) -> Any:
    return value.tolist() if torch.is_tensor(value) else value


def _whole(value: torch.Tensor) -> torch.Tensor:
    return (value.full_tensor() if isinstance(value, DTensor) else value).detach()
