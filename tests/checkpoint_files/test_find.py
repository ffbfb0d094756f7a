"""Which checkpoint a run resumes from: auto, last, best, paths and URLs, in a fresh process."""

import os
import shutil
import socket

import pytest
import torch
from fsspec.implementations.local import LocalFileSystem
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.net import Net, fit, trainer
from lit_optim import ConfigError, SafeCheckpointIO, find_checkpoint
from lit_optim.checkpoint_files.verify import NOT_RESUMABLE, NOT_TORCH

STATE = {"state_dict": {}, "loops": {}, "callbacks": {}, "optimizer_states": [{"state": {}}], "lr_schedulers": []}


def save(path, age=0.0, **change):
    """Writes a checkpoint as if it had been written so many seconds ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    SafeCheckpointIO().save_checkpoint({**STATE, **change}, path)
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def aged(path, age):
    os.utime(path, (1e9 - age, 1e9 - age))


def message(*arguments):
    with pytest.raises(ConfigError) as error:
        find_checkpoint(*arguments)
    return str(error.value)


def test_nothing_asked_for_and_lightnings_own_words():
    assert find_checkpoint(None) is None
    assert find_checkpoint("hpc") == "hpc"
    assert find_checkpoint("registry:model:version:2") == "registry:model:version:2"


def test_auto_is_the_newest_in_a_folder_and_below(tmp_path):
    save(tmp_path / "last.ckpt", age=20)
    newest = save(tmp_path / "epoch=3-val" / "loss=0.1.ckpt", age=10)
    save(tmp_path / ".lr_find_0.ckpt")  # a finder's
    save(tmp_path / "weights.pt")
    (tmp_path / ".0123.ckpt.tmp").write_bytes(b"half")
    (tmp_path / "linked.ckpt").symlink_to("gone.ckpt")
    assert find_checkpoint("auto", tmp_path) == str(newest)
    assert find_checkpoint("auto", f"file://{tmp_path}") == str(newest)
    assert find_checkpoint("auto", str(tmp_path / "nowhere")) is None


def test_auto_skips_what_cannot_be_resumed_and_says_why(tmp_path):
    good = save(tmp_path / "a.ckpt", age=50)
    truncated = save(tmp_path / "b.ckpt")
    truncated.write_bytes(truncated.read_bytes()[:-50])
    aged(truncated, 40)
    flipped = save(tmp_path / "c.ckpt")
    data = bytearray(flipped.read_bytes())
    data[data.index(b"state_dict") + 3] ^= 1
    flipped.write_bytes(data)
    aged(flipped, 30)
    save(tmp_path / "d.ckpt", age=20, optimizer_states=[])
    os.mkfifo(tmp_path / "e.ckpt")
    with pytest.warns(UserWarning, match="a.ckpt is the newest intact one; skipped") as warned:
        assert find_checkpoint("auto", tmp_path) == str(good)
    text = str(warned[0].message)
    for name, reason in (
        ("b", NOT_TORCH),
        ("c", "damaged: the checksum of "),
        ("d", NOT_RESUMABLE),
        ("e", "a fifo, and not a file"),
    ):
        assert f"{tmp_path}/{name}.ckpt ({reason}" in text
    good.unlink()
    text = message("auto", tmp_path)
    assert f"no checkpoint in {tmp_path} can be resumed; give ckpt_path=null to begin anew" in text
    assert text.count("skipped") == 4


def test_last_is_the_newest_of_that_name_and_nothing_else(tmp_path):
    assert message("last", tmp_path) == (
        f"ckpt_path='last': there is no checkpoint in {tmp_path}; begin this run in the folder of the earlier one, or "
        "give the path of a file"
    )
    save(tmp_path / "epoch_001.ckpt", age=1)
    assert message("last", tmp_path) == (
        f"ckpt_path='last': no checkpoint in {tmp_path} has a name that begins with 'last'; ckpt_path=auto takes the newest"
    )
    save(tmp_path / "last.ckpt", age=30)
    newer = save(tmp_path / "last-v1.ckpt", age=20)
    assert find_checkpoint("last", tmp_path) == str(newer)
    newer.write_bytes(b"")
    assert message("last", tmp_path) == (
        f"ckpt_path='last': {newer}: {NOT_TORCH}; ckpt_path=auto takes the newest intact one"
    )


def run_of(folder, **options):
    best = ModelCheckpoint(dirpath=folder, filename="best_{epoch}", monitor="val/loss", save_top_k=1)
    last = ModelCheckpoint(dirpath=folder, filename="last", enable_version_counter=False)
    return {"callbacks": [best, last], "plugins": [SafeCheckpointIO()], **options}


def test_best_of_a_fresh_process_also_where_the_folder_was_moved(tmp_path):
    first, second = tmp_path / "one", tmp_path / "two"
    fit(first, Net(val_losses=[3.0, 1.0, 2.0]), **run_of(first))
    assert find_checkpoint("best", first) == str(first / "best_epoch=1.ckpt")
    assert find_checkpoint("best", trainer(first, **run_of(first))) == str(first / "best_epoch=1.ckpt")
    assert find_checkpoint("auto", first) == find_checkpoint("last", first) == str(first / "last.ckpt")
    shutil.move(first, second)
    best = second / "best_epoch=1.ckpt"
    assert find_checkpoint("best", second) == str(best)
    best.unlink()
    assert message("best", second).startswith("ckpt_path='best': /")
    assert "best_epoch=1.ckpt: there is no such file; ckpt_path=auto" in message("best", second)


def test_best_needs_a_metric(tmp_path):
    fit(tmp_path, callbacks=[ModelCheckpoint(dirpath=tmp_path)], max_epochs=1)
    assert message("best", tmp_path).startswith(
        f"ckpt_path='best': no checkpoint in {tmp_path} has a metric by which it is the best"
    )


def test_a_trainer_names_its_folders_by_its_callbacks(tmp_path):
    class Other(ModelCheckpoint):
        FILE_EXTENSION = ".pt"

    run = trainer(tmp_path, callbacks=[Other(dirpath=tmp_path / "a"), ModelCheckpoint(dirpath=tmp_path / "b", save_top_k=0)])  # fmt: skip
    assert find_checkpoint("auto", run) is None
    save(tmp_path / "b" / "x.ckpt", age=2)
    assert find_checkpoint("auto", run) == str(tmp_path / "b" / "x.ckpt")
    newest = save(tmp_path / "a" / "x.pt", age=1)
    save(tmp_path / "c" / "x.ckpt")
    assert find_checkpoint("auto", run) == str(newest)
    for without in (trainer(tmp_path, callbacks=[]), trainer(tmp_path, callbacks=[ModelCheckpoint()]), None):
        assert message("auto", without) == (
            "ckpt_path='auto': it is searched in the dirpath of the Trainer's ModelCheckpoints, and none has one; give them "
            "a dirpath, or the path of a checkpoint here"
        )


def test_paths_and_urls(tmp_path):
    path = save(tmp_path / "x.ckpt")
    assert find_checkpoint(path) == find_checkpoint(str(path)) == str(path)
    assert find_checkpoint(f"file://{path}") == f"file://{path}"
    SafeCheckpointIO().save_checkpoint(STATE, "memory://folder/last.ckpt")
    for word in ("auto", "last"):
        assert find_checkpoint(word, "memory://folder") == "memory:///folder/last.ckpt"
    assert SafeCheckpointIO().load_checkpoint("memory:///folder/last.ckpt") == STATE
    assert message("memory://folder/none.ckpt") == "ckpt_path='memory://folder/none.ckpt': there is no such file"
    assert message("nothing://x.ckpt") == "ckpt_path='nothing://x.ckpt': Protocol not known: nothing"


def test_a_file_that_may_not_be_read_is_skipped(tmp_path, monkeypatch):
    good, secret = save(tmp_path / "a.ckpt", age=9), save(tmp_path / "b.ckpt")
    read = LocalFileSystem.open

    def refuse(self, path, *arguments, **options):
        if path == str(secret):
            raise PermissionError(13, "Permission denied", path)
        return read(self, path, *arguments, **options)

    monkeypatch.setattr(LocalFileSystem, "open", refuse)
    with pytest.warns(UserWarning, match=r"skipped .*b.ckpt \(it cannot be read: Permission denied\)"):
        assert find_checkpoint("auto", tmp_path) == str(good)


def test_what_is_no_file(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "fifo")
    listening = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    listening.bind("socket")
    (tmp_path / "folder.ckpt").mkdir()
    for given, problem in (
        (tmp_path / "fifo", "a fifo, and not a file"),
        (tmp_path / "socket", "a socket, and not a file"),
        ("/dev/zero", "a device, and not a file"),
        (
            tmp_path / "folder.ckpt",
            "a folder without the .metadata and the meta.pt of a sharded checkpoint; give a file in it",
        ),
        (tmp_path / "x.ckpt", "there is no such file"),
    ):
        assert message(str(given)) == f"ckpt_path={str(given)!r:.120}: {problem}"
    listening.close()


def test_a_sharded_checkpoint_is_a_folder(tmp_path):
    folder = tmp_path / "last.ckpt"
    folder.mkdir()
    (folder / "__0_0.distcp").write_bytes(b"weights")
    torch.save({"loops": {}, "callbacks": {}}, folder / "meta.pt")
    older = save(tmp_path / "older.ckpt", age=10)
    with pytest.warns(UserWarning, match=r"last.ckpt \(a folder without the .metadata of a sharded checkpoint"):
        assert find_checkpoint("auto", tmp_path) == str(older)
    (folder / ".metadata").write_bytes(b"where they are")
    assert find_checkpoint("auto", tmp_path) == find_checkpoint(folder) == str(folder)
    (folder / "meta.pt").write_bytes((folder / "meta.pt").read_bytes()[:-9])
    assert message(folder).endswith(NOT_TORCH)
