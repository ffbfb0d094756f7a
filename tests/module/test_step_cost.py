"""What the mixin adds to a training step, in calls and callbacks: times are for the benchmark."""

import sys
import warnings
from pathlib import Path

import lightning as L
import pytest
import torch

import lit_optim
from _support.net import BATCHES, Net, fit, loader
from lit_optim.callbacks import NonFiniteWarning, ScheduleFree
from lit_optim.callbacks.repeat_lr import RepeatLr
from lit_optim.callbacks.spec_checkpoint import SpecCheckpoint

OURS = str(Path(lit_optim.__file__).parent)
FREE = {"_target_": "schedulefree.AdamWScheduleFree", "lr": 0.01}


class ByHand(L.LightningModule):
    """The module of the tests with the same optimizer and a schedule, without the mixin."""

    def __init__(self):
        super().__init__()
        self.layer = Net().layer

    training_step, loss = Net.training_step, Net.loss

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.loss(batch))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), fused=True)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 100)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Counts(L.Callback):
    """Counts the Python functions that a step calls, ours and all, and looks at the callbacks in it.

    Of steps 3 to 7 it keeps the one with the fewest: an import or a collection of garbage that falls into a step is not its.
    """

    def __init__(self):
        self.all, self.ours, self.present = 0, [], []
        self.counted = []

    def on_train_batch_start(self, trainer, *_):
        sys.setprofile(None)
        if self.counted:
            self.all, self.ours = min(self.counted, key=lambda step: step[0])
        if 3 <= trainer.global_step < BATCHES - 1:
            self.present = [type(callback) for callback in trainer.callbacks]
            self.counted.append([0, []])
            sys.setprofile(self._count)

    def _count(self, frame, event, _):
        if event == "call":
            self.counted[-1][0] += 1
            if frame.f_code.co_filename.startswith(OURS):
                self.counted[-1][1].append(frame.f_code.co_name)


def step_of(tmp_path, module):
    counts = Counts()
    try:
        fit(tmp_path, module, callbacks=[counts], max_epochs=1, enable_checkpointing=False)
    finally:
        sys.setprofile(None)
    assert counts.all
    return counts


class Quiet(Net):
    """Without what the tests' module notes."""

    optimizer_step = L.LightningModule.optimizer_step


@pytest.mark.parametrize("scheduler", ["warmup_cosine", None])
def test_a_plain_step_has_no_callback_of_ours_and_few_calls(tmp_path, scheduler):
    step = step_of(tmp_path, Quiet("adamw", scheduler=scheduler))
    assert step.present == [Counts, NonFiniteWarning], "whose hooks of a step are none"
    assert len(step.ours) <= 14, step.ours
    by_hand = step_of(tmp_path, ByHand())
    assert step.all - len(step.ours) <= by_hand.all, "nothing of ours makes Lightning or torch call more"


def test_only_what_a_run_needs_stays_in_it(tmp_path):
    pytest.importorskip("schedulefree")
    assert step_of(tmp_path, Quiet(FREE)).present == [Counts, ScheduleFree, NonFiniteWarning]
    feeder = step_of(tmp_path, Quiet("sgd", scheduler="plateau")).present
    assert [cls.__name__ for cls in feeder] == ["Counts", "NonFiniteWarning", "PlateauFeeder"]


def test_the_next_fit_has_the_callbacks_again(tmp_path):
    class Starts(L.Callback):
        seen = ()

        def on_fit_start(self, trainer, module):
            self.seen = (*self.seen, [type(callback) for callback in trainer.callbacks])

    starts = Starts()
    module, run = fit(tmp_path, Net(scheduler="cosine"), callbacks=[starts], max_epochs=1, enable_checkpointing=False)
    assert [type(callback) for callback in run.callbacks] == [Starts, NonFiniteWarning]
    run.fit_loop.max_epochs = 2
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*drops what super")
        run.fit(module, loader(), loader(8))
    assert starts.seen == ([Starts, SpecCheckpoint, ScheduleFree, NonFiniteWarning],) * 2
    assert [type(callback) for callback in run.callbacks] == [Starts, NonFiniteWarning]


def test_optimizers_may_be_made_anew_within_a_fit(tmp_path):
    class Anew(L.Callback):
        def on_train_epoch_start(self, trainer, module):
            if trainer.current_epoch == 1:
                trainer.strategy.setup_optimizers(trainer)

    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*drops what super")
        module, _ = fit(tmp_path, Net(), callbacks=[Anew()], max_epochs=2, enable_checkpointing=False)
    assert len(module.used) == 2 * BATCHES


def test_dropping_the_callbacks_of_super_is_warned_about(tmp_path):
    class Drops(Net):
        def configure_callbacks(self):
            super().configure_callbacks()
            return []

    with pytest.warns(UserWarning, match=r"Drops.configure_callbacks drops what super\(\) returned: no plateau is fed"):
        _, run = fit(tmp_path, Drops(), max_epochs=1)
    run.save_checkpoint(tmp_path / "c.ckpt")
    assert "lit_optim" in torch.load(tmp_path / "c.ckpt", weights_only=True), "that is the module's own hook"


def test_an_assigned_lr_is_repeated_once(tmp_path):
    present = []

    class Assigns(L.Callback):
        def on_train_epoch_start(self, trainer, module):
            module.lr = module.lr
            module.lr = 0.5
            present.append([callback for callback in trainer.callbacks if isinstance(callback, RepeatLr)])
            trainer.optimizers[0].param_groups[0]["lr"] = 0.25  # as a LearningRateFinder does

        def on_train_batch_end(self, trainer, *_):
            present.append([callback for callback in trainer.callbacks if isinstance(callback, RepeatLr)])

    module, _ = fit(tmp_path, Net(), callbacks=[Assigns()], max_epochs=1, enable_checkpointing=False)
    assert [len(repeats) for repeats in present] == [1] + [0] * BATCHES
    assert module.used == [[0.5]] * BATCHES


def test_without_our_optimizers_the_schedulers_of_a_module_step(tmp_path):
    with pytest.warns(UserWarning, match=r"configure_optimizers does not call super"):

        class Own(Net):
            configure_optimizers = ByHand.configure_optimizers

    _, run = fit(tmp_path, Own(), max_epochs=1)
    assert run.lr_scheduler_configs[0].scheduler.last_epoch == BATCHES
