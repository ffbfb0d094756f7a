"""Of two runs in one folder, the second is rejected as long as the first one lives."""

import os
import signal

from _support.child_process import in_child
from lit_optim import claim_folder


def claims(folder, *, key="output_dir"):
    """What another process gets that claims a folder."""
    code, sent, failure = in_child(lambda send: (claim_folder(folder, key), send("claimed")))
    assert failure or (code, sent) == (0, ["claimed"])
    return failure.strip().splitlines()[-1] if failure else ""


def test_the_second_run_is_rejected_until_the_first_has_moved_on(tmp_path):
    claim_folder(tmp_path / "a")
    message = claims(tmp_path / "a", key="dirpath")
    rule = f"another run is writing there (process {os.getpid()} on {os.uname().nodename}); wait for its end, or choose another folder"
    assert message == f"lit_optim.errors.ConfigError: dirpath={str(tmp_path / 'a')!r}: {rule}"
    claim_folder(tmp_path / "a")  # its own
    assert claims(tmp_path / "a")
    claim_folder(tmp_path / "b")
    assert not claims(tmp_path / "a")


def test_a_killed_run_holds_nothing(tmp_path):
    def work(send):
        claim_folder(tmp_path)
        os.kill(os.getpid(), signal.SIGKILL)

    code, _, _ = in_child(work)
    assert code == -signal.SIGKILL
    claim_folder(tmp_path)


def test_other_ranks_and_urls_claim_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    claim_folder("s3://bucket/run")
    monkeypatch.setenv("LOCAL_RANK", "1")
    claim_folder(tmp_path / "run")
    assert not list(tmp_path.iterdir())
