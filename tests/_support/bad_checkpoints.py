"""Files that are no checkpoints to resume from, each broken in another way."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import torch

SHORT = ("trainer.max_epochs=1", "+trainer.limit_train_batches=2", "+trainer.limit_val_batches=1", "logger=none", "optim_callbacks=none")  # fmt: skip


class Hostile:
    """Pickles as a call that would leave a file behind."""

    def __reduce__(self):
        return os.system, ("touch canary",)


def make(folder: Path, whole: Path) -> None:
    """All of them, from one that a run has written."""
    good = torch.load(whole, weights_only=True)
    shutil.copy(whole, folder / "good.ckpt")
    (folder / "empty.ckpt").touch()
    (folder / "text.ckpt").write_text("this is no checkpoint")
    (folder / "folder.ckpt").mkdir()
    os.mkfifo(folder / "fifo.ckpt")
    flipped = bytearray(whole.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    (folder / "flipped.ckpt").write_bytes(flipped)
    (folder / "truncated.ckpt").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (folder / "hostile.pkl").write_bytes(pickle.dumps(Hostile()))
    torch.save({**good, "callbacks": Hostile()}, folder / "hostile.ckpt")
    torch.save(good["state_dict"], folder / "state_dict.ckpt")
    torch.save({k: v for k, v in good.items() if k not in ("optimizer_states", "lr_schedulers", "loops")}, folder / "weights_only.ckpt")  # fmt: skip
    torch.save(torch.zeros(3), folder / "tensor.ckpt")
    torch.save({**good, "state_dict": [1, 2]}, folder / "state_list.ckpt")
    torch.save({**good, "state_dict": {"x": 3}}, folder / "state_numbers.ckpt")
    torch.save({**good, "optimizer_states": []}, folder / "no_optimizer.ckpt")
    torch.save({**good, "optimizer_states": 3}, folder / "optimizer_number.ckpt")
    torch.save({**good, "loops": 3}, folder / "loops_number.ckpt")
    torch.save({**good, "lit_optim": 3}, folder / "spec_number.ckpt")
    torch.save(with_optimizer(good, {"_target_": "this.Adam", "lr": 1.0}), folder / "foreign_package.ckpt")
    torch.save(with_optimizer(good, {"_target_": "os.system", "command": "touch canary"}), folder / "hostile_spec.ckpt")


def with_optimizer(checkpoint: dict, spec: dict) -> dict:
    """The checkpoint as if another optimizer had written it."""
    own = checkpoint["lit_optim"]
    return {**checkpoint, "lit_optim": {**own, "spec": {**own["spec"], "optimizer": spec}}}
