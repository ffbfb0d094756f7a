"""A resumed run of several optimizers ends bit for bit where the unbroken one does; states are matched by name."""

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.net import BATCHES, fit, weights
from _support.several import NAMES, SCHEDULES, Gan

pytestmark = pytest.mark.filterwarnings("ignore:Using ModelCheckpoint with manual optimization")

PLATEAU = {"main": {"shape": "plateau", "factor": 0.5, "patience": 0, "threshold": 0.9}, "monitor": "val/loss"}
EPOCH_LR = {"_target_": "torch.optim.lr_scheduler.ExponentialLR", "gamma": 0.5, "interval": "epoch"}
SCHEDULERS = {
    "one for each": SCHEDULES,
    "one for all": "warmup_cosine",
    "two plateaus": {"generator": PLATEAU, "discriminator": {**PLATEAU, "monitor": "val/other"}},
    "per epoch": {"generator": EPOCH_LR, "discriminator": {**EPOCH_LR, "interval": "step"}},
}


class Net(Gan):
    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.critic(batch[0]).square().mean() + self.current_epoch)
        self.log("val/other", -torch.tensor(float(self.current_epoch)))


def saved(tmp_path, **options):
    saves = ModelCheckpoint(tmp_path, "{step}", save_top_k=-1, every_n_train_steps=1)
    return fit(tmp_path, Net(**options), callbacks=[saves], max_epochs=3)


def counters(run):
    return [config.scheduler.last_epoch for config in run.lr_scheduler_configs]


def resumed(tmp_path, path, *, epochs=3, **options):
    module = Net(**options)
    torch.nn.init.ones_(module.critic[0].weight)
    return fit(tmp_path, module, ckpt_path=path, max_epochs=epochs)


@pytest.mark.parametrize("callbacks", [None, ["ema", "gradient_noise"], "lookahead"], ids=str)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_bit_equal_from_every_step(tmp_path, name, callbacks):
    options = {"scheduler": SCHEDULERS[name], "optim_callbacks": callbacks, "param_groups": "no_decay"}
    module, run = saved(tmp_path, **options)
    expected, lrs = weights(module), counters(run)
    steps = (2, 6, 22, 30) if callbacks else (2, 6, 14, 16, 18, 22, 32, 40)
    for step in steps:
        if name == "two plateaus" and step % (2 * BATCHES) == 0:
            continue  # a validation was due, which Lightning does not run
        again, run = resumed(tmp_path, tmp_path / f"step={step}.ckpt", **options)
        assert torch.equal(weights(again), expected), step
        assert counters(run) == lrs


def test_another_order_is_matched_by_name(tmp_path):
    options = {"optim_callbacks": "gradient_noise", "n_critic": 2, "scheduler": "constant"}
    module, _ = saved(tmp_path, **options)
    turned = dict(reversed(NAMES.items()))
    again, run = resumed(tmp_path, tmp_path / "step=16.ckpt", optimizer=turned, **options)
    assert [type(optimizer).__name__ for optimizer in run.optimizers] == ["SGD", "Adam"]
    assert torch.equal(weights(again), weights(module))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"gen": {**NAMES["generator"], "of": "generator"}, "discriminator": NAMES["discriminator"]},
         "its optimizers are generator, discriminator, and here are gen, discriminator; name them as they were"),
        ({"generator": {"_target_": "adam", "of": ["generator", "critic"]}}, "and here are generator; name them"),
        ("adam", "and here are one without a name; name them as they were, or begin a new run from the weights"),
    ],
)  # fmt: skip
def test_other_names_are_an_error(tmp_path, spec, message):
    saved(tmp_path)
    with pytest.raises(ValueError, match=message):
        resumed(tmp_path, tmp_path / "step=16.ckpt", optimizer=spec, scheduler=None)


def test_settings_that_have_no_effect_are_warned_of_by_name(tmp_path):
    module, _ = saved(tmp_path)
    other = {**NAMES, "generator": {**NAMES["generator"], "lr": 0.5}}
    message = r"\noptimizer.generator.lr +0.02 +0.5 +0.02\n(.*\n)?write resume=lr_from_config"
    with pytest.warns(UserWarning, match=message):
        again, _ = resumed(tmp_path, tmp_path / "step=16.ckpt", optimizer=other)
    assert torch.equal(weights(again), weights(module))


def test_a_checkpoint_holds_the_specs_of_all(tmp_path):
    saved(tmp_path)
    checkpoint = torch.load(tmp_path / "step=16.ckpt", weights_only=True)["lit_optim"]
    assert [*checkpoint["spec"]["optimizer"]] == ["generator", "discriminator"]
    assert checkpoint["spec"]["optimizer"]["discriminator"]["of"] == "critic"
    assert checkpoint["optimizers"] == ["Adam", "SGD"]
    module = Net.load_from_checkpoint(tmp_path / "step=16.ckpt")
    assert module.hparams.optimizer["generator"]["lr"] == 2e-2


def test_a_longer_run_stretches_each_schedule(tmp_path):
    saved(tmp_path)
    _, run = resumed(tmp_path, tmp_path / "step=16.ckpt", epochs=4, scheduler="linear")  # no warning of a wrong length
    assert counters(run) == [4 * BATCHES, 4 * BATCHES]
