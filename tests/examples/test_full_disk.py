"""The example app where its checkpoints cannot be written: one message, and the previous checkpoint is untouched."""

import resource
import subprocess
import tempfile
from pathlib import Path

import pytest

from _support.app_process import train
from _support.child_process import in_child

RUN = ("trainer=cpu", "model=mlp", "+trainer.limit_train_batches=3", "+trainer.limit_val_batches=1", "logger=none", "optim_callbacks=none")  # fmt: skip
RUN = (*RUN, "+callbacks.checkpoint.save_top_k=0", "hydra.run.dir=disk/run")


def first_epoch(folder):
    """A checkpoint to resume from, and what is in it."""
    assert train(folder, *RUN, "trainer.max_epochs=1").code == 0
    last = folder / "disk" / "run" / "checkpoints" / "last.ckpt"
    return last, last.read_bytes()


def check(code, err, last, before, cause):
    assert code == 2, err
    rule = f"last.ckpt cannot be written: {cause}; the file that was there is unchanged; free space there, or choose another dirpath"
    assert f"dirpath='{last.parent}': {rule}" in err.splitlines()
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 25
    assert last.read_bytes() == before
    assert [path.name for path in last.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.slow
@pytest.mark.parametrize("word", ["last", "auto"])
def test_a_limit_of_the_file_size(tmp_path, word):
    last, before = first_epoch(tmp_path)

    def work(send):
        limit = len(before) // 2
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        outcome = train(tmp_path, *RUN, "trainer.max_epochs=2", f"ckpt_path={word}")
        send((outcome.code, outcome.err))

    _, (sent,), failure = in_child(work)
    assert not failure
    check(*sent, last, before, "File too large")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, of a few hundred kilobytes: the folder of temporary files is on another one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_while_temporary_files_are_elsewhere(small_disk, tmp_path):
    assert small_disk.stat().st_dev != Path(tempfile.gettempdir()).stat().st_dev
    last, before = first_epoch(tmp_path)
    (small_disk / "filler").write_bytes(b"x" * (600 * 1024 - len(before) - len(before) // 2))
    outcome = train(tmp_path, *RUN, "trainer.max_epochs=2", "ckpt_path=auto")
    check(outcome.code, outcome.err, last, before, "No space left on device")
