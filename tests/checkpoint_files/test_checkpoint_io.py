"""Saving by SafeCheckpointIO: a target is the old file or the new one; errors name file and cause."""

import io
import os
import resource
import signal
import struct
import time
from multiprocessing import get_context

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import AsyncCheckpointIO, TorchCheckpointIO

from _support.child_process import in_child
from _support.net import Net, fit, loader, trainer
from lit_optim import ConfigError, SafeCheckpointIO, find_checkpoint
from lit_optim.checkpoint_files import write
from lit_optim.checkpoint_files.verify import damage

BIG = 200_000  # floats


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def state(value, n=10):
    """What a Trainer saves, small."""
    return {"state_dict": {"weight": torch.full((n,), float(value))}, "loops": {}, "callbacks": {}, "optimizer_states": [{}], "lr_schedulers": []}  # fmt: skip


def value_of(path):
    weight = torch.load(path, weights_only=True)["state_dict"]["weight"]
    assert (weight == weight[0]).all()
    return float(weight[0])


def test_saves_what_torch_and_lightning_load(tmp_path):
    path = tmp_path / "new" / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(state(1), path)
    SafeCheckpointIO().save_checkpoint(state(2), f"file://{path}")
    assert names(path.parent) == ["last.ckpt"]
    assert value_of(path) == 2
    for reader in (SafeCheckpointIO(), TorchCheckpointIO()):
        assert float(reader.load_checkpoint(path)["state_dict"]["weight"][0]) == 2
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    SafeCheckpointIO().remove_checkpoint(path)
    assert names(path.parent) == []


def test_other_file_systems_are_lightnings(tmp_path):
    checkpoint_io = SafeCheckpointIO()
    checkpoint_io.save_checkpoint(state(1), "memory://run/last.ckpt")
    assert float(checkpoint_io.load_checkpoint("memory://run/last.ckpt")["state_dict"]["weight"][0]) == 1
    with pytest.raises(TypeError, match="storage_options"):
        checkpoint_io.save_checkpoint(state(1), tmp_path / "x", storage_options={})


def flipped(data):
    """Return a file with another byte among the values of its tensor."""
    at = data.index(struct.pack("<f", 1.0) * 8)
    return data[:at] + b"?" + data[at + 1 :]


@pytest.mark.parametrize("damaged", [lambda data: data[:-100], lambda data: b"", flipped])  # fmt: skip
def test_a_damaged_file_is_not_loaded(tmp_path, damaged):
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(state(1, 100), path)
    path.write_bytes(damaged(path.read_bytes()))
    with pytest.raises(
        ConfigError, match=r"^ckpt_path='.*last.ckpt': (not a file that torch.save has written|damaged)"
    ):
        SafeCheckpointIO().load_checkpoint(path)


def test_checksums_are_written_though_the_process_turned_them_off(tmp_path):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        SafeCheckpointIO().save_checkpoint(state(1, 100), tmp_path / "x")
        assert not torch.serialization.get_crc32_options()
    finally:
        torch.serialization.set_crc32_options(before)
    data = (tmp_path / "x").read_bytes()
    assert damage(io.BytesIO(flipped(data))) != ""


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_an_error_of_the_disk_leaves_the_previous_file(tmp_path, monkeypatch, broken):
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(state(1), path)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(write.os if broken == "fsync" else write.Path, broken, full)
    with pytest.raises(ConfigError) as error:
        SafeCheckpointIO().save_checkpoint(state(2), path)
    assert str(error.value) == (
        f"dirpath='{tmp_path}': last.ckpt cannot be written: No space left on device; the file that was there is "
        "unchanged; free space there, or choose another dirpath"
    )
    assert names(tmp_path) == ["last.ckpt"]
    assert value_of(path) == 1


def test_what_cannot_be_pickled_leaves_the_previous_file(tmp_path):
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(state(1), path)
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        SafeCheckpointIO().save_checkpoint({"hyper_parameters": io.BytesIO().getbuffer()}, path)
    assert (names(tmp_path), value_of(path)) == (["last.ckpt"], 1)


@pytest.mark.parametrize("place", ["file/checkpoints", "file"])
def test_a_file_in_place_of_the_folder_is_named(tmp_path, place):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=rf"^dirpath='{tmp_path}/{place}': last.ckpt cannot be written: "):
        SafeCheckpointIO().save_checkpoint(state(1), tmp_path / place / "last.ckpt")


def test_a_limit_of_the_file_size_is_one_message_and_leaves_the_previous_file(tmp_path):
    """A real write error of the operating system, while torch streams into the file."""
    path = tmp_path / "last.ckpt"
    SafeCheckpointIO().save_checkpoint(state(1), path)

    def work(send):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        with pytest.raises(ConfigError) as error:
            SafeCheckpointIO().save_checkpoint(state(2, BIG), path)
        send(str(error.value))

    code, sent, failure = in_child(work)
    assert (code, failure) == (0, "")
    assert sent[0].startswith(f"dirpath='{tmp_path}': last.ckpt cannot be written: File too large; the file that was")
    assert (names(tmp_path), value_of(path)) == (["last.ckpt"], 1)


def test_a_leftover_is_ignored_and_removed_by_the_next_save(tmp_path):
    (tmp_path / f".killed{write.SUFFIX}").write_bytes(b"half")
    SafeCheckpointIO().save_checkpoint(state(1), tmp_path / "epoch_000.ckpt")
    assert names(tmp_path) == ["epoch_000.ckpt"]


def test_a_file_that_another_process_writes_is_left_alone(tmp_path):
    path = tmp_path / f".other{write.SUFFIX}"

    def work(send):
        with path.open("xb") as file:
            assert write._lock(file)
            send("locked")
            time.sleep(30)

    context = get_context("fork")
    locked = context.Event()
    process = context.Process(target=work, args=(lambda _: locked.set(),))
    process.start()
    assert locked.wait(30)
    write.remove_leftovers(tmp_path)
    assert names(tmp_path) == [path.name]
    process.kill()
    process.join()
    write.remove_leftovers(tmp_path)
    assert names(tmp_path) == []


def test_kill_while_a_file_is_written(tmp_path):
    path, context = tmp_path / "last.ckpt", get_context("fork")
    SafeCheckpointIO().save_checkpoint(state(1), path)
    writing = context.Event()

    def save():
        write.os.fsync = lambda _: (writing.set(), time.sleep(60))
        SafeCheckpointIO().save_checkpoint(state(2), path)

    process = context.Process(target=save)
    process.start()
    assert writing.wait(30)
    process.kill()
    process.join()
    assert len(names(tmp_path)) == 2
    assert find_checkpoint("auto", tmp_path) == str(path)
    assert value_of(path) == 1
    SafeCheckpointIO().save_checkpoint(state(3), path)
    assert (names(tmp_path), value_of(path)) == (["last.ckpt"], 3)


@pytest.mark.slow
@pytest.mark.parametrize("plugin", [SafeCheckpointIO, lambda: AsyncCheckpointIO(SafeCheckpointIO())])
def test_kill_at_any_moment_of_saving(tmp_path, plugin):
    """Twenty kills: the newest file verifies, is a state that was saved, and never older than the last reported one."""
    path = tmp_path / "last.ckpt"
    context = get_context("fork")
    begun, reported = context.Value("q", 0), context.Value("q", 0)

    def save_for_ever():
        checkpoint_io = plugin()
        while True:
            begun.value += 1
            checkpoint_io.save_checkpoint(state(begun.value, BIG), path)
            if plugin is SafeCheckpointIO:
                reported.value = begun.value

    for i in range(20):
        process = context.Process(target=save_for_ever)
        process.start()
        before = begun.value
        while begun.value < before + 2:
            time.sleep(0.0005)
        time.sleep(i * 0.0003)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        if find_checkpoint("auto", tmp_path) is not None or reported.value:
            assert find_checkpoint("auto", tmp_path) == str(path)
            assert reported.value <= value_of(path) <= begun.value
    SafeCheckpointIO().save_checkpoint(state(0), path)
    assert names(tmp_path) == ["last.ckpt"]


@pytest.mark.parametrize("plugin", [SafeCheckpointIO, lambda: AsyncCheckpointIO(SafeCheckpointIO())])
def test_in_a_trainer_with_deletion_and_resume(tmp_path, plugin):
    keep = dict(dirpath=tmp_path, filename="{step}", every_n_train_steps=4, save_top_k=1, save_last=True)
    torch.manual_seed(1)
    whole, _ = fit(tmp_path, callbacks=[ModelCheckpoint(**keep)], plugins=[plugin()])
    if plugin is SafeCheckpointIO:  # an AsyncCheckpointIO removes files at once, also one that is still to be written
        assert names(tmp_path) == ["last.ckpt", "step=24.ckpt"]
    assert torch.load(tmp_path / "step=24.ckpt", weights_only=False)["global_step"] == 24
    half = tmp_path / "half"
    torch.manual_seed(1)
    fit(half, callbacks=[ModelCheckpoint(**{**keep, "dirpath": half})], plugins=[plugin()], max_epochs=2)
    run = trainer(half, callbacks=[ModelCheckpoint(**{**keep, "dirpath": half})], plugins=[plugin()])
    module = Net()
    run.fit(module, loader(), loader(8), ckpt_path=find_checkpoint("auto", run))
    assert run.global_step == 24
    assert all(torch.equal(one, two) for one, two in zip(whole.parameters(), module.parameters(), strict=True))


@pytest.mark.parametrize("plugin", [SafeCheckpointIO, lambda: AsyncCheckpointIO(SafeCheckpointIO())])
def test_a_full_disk_stops_a_run_with_one_message(tmp_path, monkeypatch, plugin):
    keep = ModelCheckpoint(dirpath=tmp_path, filename="last", enable_version_counter=False, every_n_train_steps=4)

    def full_at_the_second(number):
        synced.append(number)
        if len(synced) > 2:  # a save syncs the file and its folder
            raise OSError(28, "No space left on device")

    synced = []
    monkeypatch.setattr(write.os, "fsync", full_at_the_second)
    with pytest.raises(ConfigError, match="last.ckpt cannot be written: No space left on device"):
        fit(tmp_path, callbacks=[keep], plugins=[plugin()])
    assert names(tmp_path) == ["last.ckpt"]
    assert torch.load(tmp_path / "last.ckpt", weights_only=False)["global_step"] == 4
