"""A folder that cannot be written is found before training, with Lightning's own checkpoint-io too."""

import os

import pytest
import torch
from fsspec.implementations.local import LocalFileSystem
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import AsyncCheckpointIO, TorchCheckpointIO

from _support.by_version import SAVES_SAY_WHY
from _support.child_process import in_child
from _support.fork import on_two_ranks
from _support.net import Net, fit, loader, trainer
from lit_optim import ConfigError, SafeCheckpointIO
from lit_optim.checkpoint_files.folders import write_problem


def unwritable(folder):
    """Folders that root cannot write either."""
    (folder / "file").touch()
    return [folder / "file", folder / "file" / "checkpoints", "/proc/1/checkpoints", "/dev/null/checkpoints"]


def test_what_is_wrong_with_a_folder(tmp_path):
    assert all(write_problem(str(path)) for path in unwritable(tmp_path))
    assert write_problem(str(tmp_path)) == write_problem(str(tmp_path / "a" / "b")) == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing is left behind"


def test_permission_bits_count_for_a_user_who_is_not_root(tmp_path):
    """A folder that may be read only; under root's temporary files it is within folders that may not be entered."""
    path = tmp_path / "folder" / "last.ckpt"
    SafeCheckpointIO().save_checkpoint({}, path)
    path.parent.chmod(0o555)

    def work(send):
        if os.geteuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        for folder in (path.parent, path.parent / "checkpoints"):
            send(write_problem(str(folder)))
        with pytest.raises(ConfigError) as error:
            SafeCheckpointIO().save_checkpoint({}, path)
        send(str(error.value))

    code, sent, failure = in_child(work)
    path.parent.chmod(0o755)
    assert (code, failure) == (0, "")
    assert all("Permission denied" in text for text in sent), sent
    assert len(sent) == 3


@pytest.mark.parametrize("i", range(4))
@pytest.mark.parametrize("plugins", [[], [SafeCheckpointIO()]], ids=["lightning", "safe"])
def test_is_found_before_the_first_step(tmp_path, i, plugins):
    dirpath, module = str(unwritable(tmp_path)[i]), Net()
    keep = ModelCheckpoint(every_n_train_steps=1)
    keep.dirpath = dirpath  # as it is after Lightning's own checks of the argument
    with pytest.raises(ConfigError) as error:
        fit(tmp_path, module, callbacks=[ModelCheckpoint(dirpath=tmp_path), keep], plugins=plugins)
    assert str(error.value).startswith(f"dirpath='{dirpath}': no checkpoint can be written there: ")
    assert str(error.value).endswith("; choose another dirpath of ModelCheckpoint")
    assert module.used == []


def test_all_folders_are_listed_and_others_are_not_made(tmp_path):
    folders = unwritable(tmp_path)[:2]
    keep = [ModelCheckpoint(every_n_train_steps=1 + i) for i in range(2)]
    for each, dirpath in zip(keep, folders, strict=True):
        each.dirpath = str(dirpath)
    new = ModelCheckpoint(dirpath=tmp_path / "new")
    with pytest.raises(ConfigError, match="^2 errors in the configuration:"):
        fit(tmp_path, callbacks=[*keep, new])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_run_without_checkpoints_needs_no_folder():
    fit("/dev/null/x", fast_dev_run=True)


def test_all_ranks_stop(tmp_path):
    def work(rank):
        keep = ModelCheckpoint()
        keep.dirpath = "/dev/null/x" if rank == 0 else str(tmp_path)
        run = trainer(tmp_path, callbacks=[keep], strategy="ddp", devices=2, accelerator="cpu")
        try:
            run.fit(Net(), loader(), loader(8))
        except ConfigError as error:
            return str(error)

    one, two = on_two_ranks(work)
    assert one == two
    assert one.startswith("dirpath='/dev/null/x': no checkpoint can be written there: ")


@pytest.mark.parametrize("plugins", [[], [AsyncCheckpointIO(TorchCheckpointIO())]], ids=["plain", "async"])
def test_a_save_that_lightning_passes_over_is_found(tmp_path, monkeypatch, plugins):
    """As when a folder becomes read-only in mid-run: permission bits do not bind root, so the file system is asked to refuse."""

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(LocalFileSystem, "open", refuse)
    keep = ModelCheckpoint(dirpath=tmp_path, filename="x", every_n_train_steps=4)
    ours = (ConfigError, rf"^dirpath='{tmp_path}': x.ckpt was not written, and Lightning gave no reason")
    error, words = (PermissionError, "Permission denied") if SAVES_SAY_WHY else ours
    with pytest.raises(error, match=words):
        fit(tmp_path, callbacks=[keep], plugins=plugins)


class Elsewhere(TorchCheckpointIO):
    def save_checkpoint(self, checkpoint, path, storage_options=None):
        self.saved = path


def test_an_io_that_saves_elsewhere_is_left_alone(tmp_path):
    plugin = Elsewhere()
    fit(tmp_path, callbacks=[ModelCheckpoint(dirpath=tmp_path, filename="x")], plugins=[plugin])
    assert plugin.saved == str(tmp_path / "x.ckpt")


def test_a_second_fit_watches_once(tmp_path):
    run = trainer(tmp_path, callbacks=[ModelCheckpoint(dirpath=tmp_path)], max_epochs=1)
    run.fit(Net(), loader(), loader(8))
    watched = run.strategy.checkpoint_io.save_checkpoint
    run.fit_loop.max_epochs = 2
    run.fit(Net(), loader(), loader(8))
    assert run.strategy.checkpoint_io.save_checkpoint is watched
    assert torch.load(run.checkpoint_callback.best_model_path, weights_only=False)["global_step"] > 0
