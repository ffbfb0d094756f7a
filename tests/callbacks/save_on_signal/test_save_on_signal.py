"""A run that a signal ends leaves a checkpoint from which it goes on to the bit."""

import os
import signal
import threading
from signal import SIGINT, SIGTERM, SIGUSR1

import lightning.pytorch.trainer.connectors.signal_connector as connector
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.plugins.environments import SLURMEnvironment

from _support.fork import on_two_ranks
from _support.net import fit, weights
from _support.signalled import SignalledNet, signalled
from lit_optim import ConfigError
from lit_optim.callbacks import SaveOnSignal
from lit_optim.callbacks.save_on_signal import callback as module
from lit_optim.callbacks.save_on_signal.resumable_moment import free_path

SIGNALS = {number: signal.getsignal(number) for number in (SIGTERM, SIGINT, SIGUSR1)}


@pytest.fixture(autouse=True)
def _handlers_of_python():
    """What a shell starts in the background ignores SIGINT."""
    signal.signal(SIGINT, signal.default_int_handler)
    yield
    for number, handler in SIGNALS.items():
        signal.signal(number, handler)


def stopped(tmp_path, model, *callbacks, **options):
    """The exit code of a run that is stopped, and the step of its checkpoint."""
    with pytest.raises(SystemExit) as stop:
        fit(tmp_path, model, callbacks=[SaveOnSignal(), *callbacks], enable_checkpointing=bool(callbacks), **options)
    return stop.value.code, step_of(tmp_path / "last.ckpt")


def step_of(path):
    return torch.load(path, weights_only=True)["global_step"] if path.exists() else None


def outcome(run):
    model, trainer = run
    return weights(model), trainer.lr_scheduler_configs[0].scheduler.state_dict()


def assert_goes_on(tmp_path, path, **options):
    expected, counters = outcome(fit(tmp_path / "unbroken", signalled(), **options))
    result, state = outcome(fit(tmp_path / "resumed", signalled(), ckpt_path=path, **options))
    assert torch.equal(result, expected)
    assert state == counters


# 8 batches an epoch, 3 epochs; a validation of 2 batches
@pytest.mark.parametrize(
    ("number", "at", "moment", "options", "saved"),
    [
        (SIGTERM, 3, "training", {}, 4),
        (SIGINT, 0, "training", {}, 1),
        (SIGUSR1, 7, "training", {}, 9),  # the epoch's last batch: its validation comes first
        (SIGTERM, 8, "validation", {}, 9),
        (SIGINT, 23, "training", {}, 24),  # the last of all
        (SIGTERM, 3, "training", {"accumulate_grad_batches": 3}, 4),
        (SIGUSR1, 1, "training", {"val_check_interval": 0.25}, 3),  # a validation is due after 2
        (SIGINT, 3, "training", {"limit_train_batches": 1, "max_epochs": 8}, 5),  # no batch but last ones
    ],
)
def test_saved_where_it_can_go_on(tmp_path, capsys, number, at, moment, options, saved):
    code, step = stopped(tmp_path, signalled(at, moment, [number]), **options)
    assert (code, step) == (128 + number, saved)
    *_, line = capsys.readouterr().err.splitlines()
    path = tmp_path / "last.ckpt"
    assert line == f"{signal.Signals(number).name}: saved after step {saved}; resume with ckpt_path={path}"
    assert_goes_on(tmp_path, path, **options)


def test_all_ranks_stop_at_the_same_step(tmp_path):
    options = {"strategy": "ddp", "devices": 2, "max_epochs": 2}

    def work(rank):
        code, step = stopped(tmp_path, signalled(2, rank=1), **options)
        assert_goes_on(tmp_path, tmp_path / "last.ckpt", **options)
        return code, step

    assert on_two_ranks(work) == [(143, 5), (143, 5)]  # 4 batches an epoch, and the second one's end comes first


class CountBatches(Callback):
    def __init__(self):
        self.seen = 0

    def on_train_batch_end(self, *_):
        self.seen += 1

    def state_dict(self):
        return {"seen": self.seen}


def test_the_state_of_callbacks_that_are_listed_later_is_saved_too(tmp_path):
    stopped(tmp_path, signalled(4), ModelCheckpoint(tmp_path), CountBatches())
    states = torch.load(tmp_path / "last.ckpt", weights_only=True)["callbacks"]
    assert states["CountBatches"] == {"seen": 5}


def test_handlers_that_were_there_run_after_the_save_and_are_restored(tmp_path):
    called = []
    for number in (SIGTERM, SIGUSR1):
        signal.signal(number, lambda n, _: called.append((n, (tmp_path / "last.ckpt").exists())))
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    assert stopped(tmp_path, signalled(3, signals=[SIGTERM])) == (143, 4)
    assert called == [(SIGTERM, True)]
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before
    fit(tmp_path, signalled(), callbacks=[SaveOnSignal()], enable_checkpointing=False, max_epochs=1)
    assert {number: signal.getsignal(number) for number in signal.valid_signals()} == before


def test_a_slurm_job_is_requeued_with_a_checkpoint_of_the_same_step(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setattr(connector, "call", lambda command: commands.append(command) or 0)
    slurm = {"plugins": [SLURMEnvironment(auto_requeue=True)], "num_nodes": 1}
    for name in ("SLURM_NTASKS", "SLURM_NNODES", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID"):
        monkeypatch.setenv(name, str(int(name in ("SLURM_NTASKS", "SLURM_NNODES"))))
    assert stopped(tmp_path, signalled(3, signals=[SIGUSR1]), **slurm) == (138, 4)
    assert commands == [["scontrol", "requeue", "17"]]
    assert step_of(tmp_path / "hpc_ckpt_1.ckpt") == 4


def test_the_second_signal_of_a_kind_stops_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "REPEATED", 0.0)
    assert stopped(tmp_path, signalled(3, signals=[SIGTERM, SIGUSR1, SIGTERM])) == (143, None)


def test_a_signal_that_a_launcher_repeats_counts_once(tmp_path):
    assert stopped(tmp_path, signalled(3, signals=[SIGTERM, SIGTERM])) == (143, 4)


def test_a_sigterm_before_the_run_trains_is_no_success(tmp_path):
    class InSanityCheck(SignalledNet):
        def validation_step(self, batch, batch_idx):
            os.kill(os.getpid(), SIGTERM)

    assert stopped(tmp_path, InSanityCheck(), num_sanity_val_steps=2) == (143, None)


@pytest.mark.filterwarnings("ignore:ckpt_path. this run is not the one")  # it is longer
@pytest.mark.parametrize("name", ["ema", "lookahead"])
def test_weights_of_two_kinds(tmp_path, name):
    """At the end of a run the evaluated weights are in the module already."""
    specs = {"scheduler": "constant", "optim_callbacks": name}
    expected, _ = outcome(fit(tmp_path / "unbroken", signalled(**specs), max_epochs=3))
    for at in (4, 15):
        folder = tmp_path / str(at)
        assert stopped(folder, signalled(at, **specs), max_epochs=2) == (143, at + 1)
        result, _ = outcome(fit(folder, signalled(**specs), ckpt_path=folder / "last.ckpt", max_epochs=3))
        assert torch.equal(result, expected)


def test_an_ignored_signal_stays_ignored(tmp_path):
    signal.signal(SIGINT, signal.SIG_IGN)
    _, trainer = fit(tmp_path, signalled(3, signals=[SIGINT]), callbacks=[SaveOnSignal()], enable_checkpointing=False)
    assert trainer.global_step == 24
    assert signal.getsignal(SIGINT) is signal.SIG_IGN


def test_a_fit_in_another_thread_warns(tmp_path):
    failures = []

    def work():
        try:
            with pytest.warns(UserWarning, match="SaveOnSignal: this fit does not run in the main thread"):
                fit(tmp_path, signalled(), callbacks=[SaveOnSignal()], enable_checkpointing=False, max_epochs=1)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not failures


def test_beside_the_checkpoints_of_the_first_model_checkpoint(tmp_path):
    folder = tmp_path / "kept"
    stopped(tmp_path, signalled(3), ModelCheckpoint(folder), ModelCheckpoint(tmp_path / "more", monitor="val/loss"))
    assert step_of(folder / "last.ckpt") == 4


def test_the_last_of_another_run_is_left_alone_and_the_runs_own_is_replaced(tmp_path):
    (tmp_path / "last.ckpt").write_text("of another run")
    with pytest.raises(SystemExit):
        fit(tmp_path, signalled(3), callbacks=[SaveOnSignal(), ModelCheckpoint(tmp_path)])
    assert (tmp_path / "last.ckpt").read_text() == "of another run"
    first = tmp_path / "last-v1.ckpt"
    assert step_of(first) == 4
    with pytest.raises(SystemExit):
        fit(tmp_path, signalled(5), callbacks=[SaveOnSignal(), ModelCheckpoint(tmp_path)], ckpt_path=first)
    assert step_of(first) == 6
    assert free_path(str(tmp_path), set()) == str(tmp_path / "last-v2.ckpt")


@pytest.mark.parametrize(
    ("signals", "message"),
    [
        ("SIGTERM", "signals='SIGTERM': must be a list of names, e.g. [SIGTERM, SIGUSR1]"),
        (["SIGKILL"], "signals='SIGKILL': no signal that a process can handle; did you mean 'SIGILL'?"),
        ([15], "signals=15: no signal that a process can handle"),
    ],
)
def test_names_of_signals(signals, message):
    with pytest.raises(ConfigError) as error:
        SaveOnSignal(signals)
    assert str(error.value) == message
