"""Own optimizers in a Trainer: scaled and clipped gradients, accumulation, unfreezing, and resume at every step."""

import pytest
import torch
from lightning.pytorch.callbacks import BaseFinetuning, ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision

from _support.net import BATCHES, Net, fit, weights
from lit_optim.config.read import presets

OWN = [
    name
    for name in presets.preset_names("optimizer")
    if presets.load_preset("optimizer", name)["_target_"].startswith("lit_optim.")
    and "parts" not in presets.load_preset("optimizer", name)  # composites: test_composite_in_lightning.py
]


def spec(name, **more):
    return {**presets.load_preset("optimizer", name), "compile": False, **more}


class Overflows(Net):
    """An infinite gradient in two batches."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss * float("inf") if self.trainer.fit_loop.total_batch_idx in (2, 9) else loss


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"_target_": "lit_optim.optimizers.Adam", "lr": 0.01}, {"_target_": "torch.optim.Adam", "lr": 0.01, "fused": False}),
        (spec("sgdw", weight_decay=0.0, lr=0.05), {"_target_": "torch.optim.SGD", "lr": 0.05, "momentum": 0.9, "fused": False}),
        (spec("compiled/radam"), {"_target_": "torch.optim.RAdam", "lr": 1e-3, "foreach": False}),
    ],
)  # fmt: skip
def test_a_gradient_scaler_with_clipping_and_accumulation(tmp_path, ours, theirs, accumulate):
    ends = []
    for optimizer in (ours, theirs):
        torch.manual_seed(1)
        scaler = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=4.0))
        options = dict(gradient_clip_val=0.5, accumulate_grad_batches=accumulate, max_epochs=2, plugins=[scaler])
        module, run = fit(tmp_path, Overflows(optimizer, scheduler="warmup_cosine"), **options)
        assert run.global_step == 16 // accumulate
        steps = {float(state["step"]) for state in run.optimizers[0].state.values() if "step" in state}
        assert steps in (set(), {16.0 // accumulate - 2}), "two steps were skipped"
        ends.append(weights(module))
    torch.testing.assert_close(*ends, rtol=1e-4, atol=1e-5)
    assert torch.isfinite(ends[0]).all()


@pytest.mark.parametrize("name", OWN)
def test_resumes_bit_for_bit_at_every_step(tmp_path, name):
    def module():
        torch.manual_seed(1)
        return Net(spec(name), scheduler="warmup_cosine", param_groups="no_decay")

    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    unbroken, _ = fit(tmp_path, module(), max_epochs=2, callbacks=[saves])
    for step in (1, 2, 5, BATCHES, BATCHES + 1, 2 * BATCHES - 1):
        resumed, _ = fit(tmp_path, module(), max_epochs=2, ckpt_path=tmp_path / f"step={step}.ckpt")
        assert torch.equal(weights(resumed), weights(unbroken)), step


class Unfreezes(BaseFinetuning):
    """The first layer joins in the second epoch."""

    def freeze_before_training(self, module):
        self.freeze(module.layer[0])

    def finetune_function(self, module, epoch, optimizer):
        if epoch == 1:
            self.unfreeze_and_add_param_group(module.layer[0], optimizer, lr=0.01)


@pytest.mark.parametrize("name", OWN)
def test_a_layer_that_is_unfrozen_trains(tmp_path, name):
    module = Net(spec(name))
    before = module.layer[0].weight.detach().clone()
    module, run = fit(tmp_path, module, max_epochs=3, callbacks=[Unfreezes()], enable_checkpointing=False)
    late = run.optimizers[0].param_groups[1]
    assert not torch.equal(module.layer[0].weight, before)
    assert {float(run.optimizers[0].state[p]["step"]) for p in late["params"]} == {2.0 * BATCHES}
    assert late.get("base_lr", 0.01) == 0.01


@pytest.mark.parametrize("name", ["adabound", "adabound_w"])
def test_the_finders_lr_does_not_move_the_bounds(tmp_path, name):
    module = Net(spec(name))
    module.lr = 0.02
    _, run = fit(tmp_path, module, max_epochs=1)
    group = run.optimizers[0].param_groups[0]
    assert group["lr"] == group["base_lr"] == 0.02
    module.lr = 0.005
    assert group["lr"] == pytest.approx(0.005)
    assert group["base_lr"] == pytest.approx(0.005)
