"""Fits on a GPU: mixed precision, clipping, overflows, resumes, and no waiting."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.precision import MixedPrecision

from _support.net import Net, fit, weights
from _support.no_waiting import no_waiting

pytestmark = pytest.mark.filterwarnings("ignore:GPU available but not used")
ON_GPU = dict(accelerator="gpu", devices=1)
RUNS = {
    "adamw": ("adamw", None),
    "adabound": ("adabound", None),
    "adabound compiled": ({"_target_": "adabound", "compile": True}, None),
    "compiled/nadam": ("compiled/nadam", None),
    "swats": ("adam", {"swats": {"_target_": "lit_optim.callbacks.SWATS", "at": 10}}),
    "swats by its criterion": ("adam", {"swats": {"_target_": "lit_optim.callbacks.SWATS", "switch_rtol": 0.5}}),
    "lookahead and ema": ("adamw", ["lookahead", "ema"]),
    "agc, centralize and noise": ("momentum", ["agc", "centralize", "gradient_noise"]),
    "muon_adamw": ("muon_adamw", None),
    "switch": ("adamw", {"switch": {"_target_": "lit_optim.callbacks.Switch", "to": "momentum", "at": 10}}),
    "finite, record and health": ("adamw", ["finite", "record", "health"]),
}


@pytest.mark.parametrize("run", RUNS)
def test_a_resume_is_exact_to_the_bit(run, tmp_path):
    optimizer, callbacks = RUNS[run]

    def module():
        torch.manual_seed(0)
        return Net(optimizer, "warmup_cosine", optim_callbacks=callbacks)

    saver = ModelCheckpoint(tmp_path, every_n_train_steps=3, save_top_k=-1, filename="{step}")
    whole, _ = fit(tmp_path, module(), callbacks=[saver], **ON_GPU)
    for at in (3, 9, 12, 21):
        resumed, _ = fit(tmp_path / "resumed", module(), ckpt_path=tmp_path / f"step={at}.ckpt", **ON_GPU)
        assert torch.equal(weights(resumed), weights(whole)), at


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true", "16-mixed"])
@pytest.mark.parametrize("optimizer", ["adamw", "adabound", "swats"])
def test_precisions_with_clipping(optimizer, precision, tmp_path):
    torch.manual_seed(0)
    before = weights(module := Net(optimizer, "warmup_cosine"))
    module, run = fit(tmp_path, module, precision=precision, gradient_clip_val=0.1, **ON_GPU)
    assert run.global_step == 24
    assert weights(module).isfinite().all()
    assert not torch.equal(weights(module).float(), before)


class Overflows(Net):
    """Its loss overflows in the third step."""

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss * float("inf") if self.global_step == 2 else loss


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("optimizer", ["adamw", "momentum", "adabound"])
def test_a_skipped_step_moves_nothing(optimizer, clip, tmp_path):
    """Fused kernels included: the schedule, Lookahead and the noise count the steps that were taken."""
    module = Overflows(optimizer, "warmup_cosine", optim_callbacks=["lookahead", "gradient_noise"])
    scaler = torch.amp.GradScaler("cuda", init_scale=8.0, growth_interval=1000)
    plugin = MixedPrecision("16-mixed", "cuda", scaler=scaler)
    module, run = fit(tmp_path, module, plugins=[plugin], gradient_clip_val=clip, max_epochs=1, **ON_GPU)
    assert weights(module).isfinite().all()
    assert scaler.get_scale() == 4.0
    assert run.optimizers[0].param_groups[0]["lookahead_step"] == 7
    assert module.lr_schedulers().last_epoch == 7
    lrs = [group[0] for group in module.used]
    assert lrs[2] == lrs[3], "the step after the skipped one takes its lr"


class Watched(Net):
    """Lets no step of the optimizer, its hooks and its schedule wait for the GPU."""

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        if self.global_step < 8:  # kernels are compiled, pinned memory is allocated
            return super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        with no_waiting():
            return super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

    def lr_scheduler_step(self, scheduler, metric):
        with no_waiting():
            super().lr_scheduler_step(scheduler, metric)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize(
    ("optimizer", "callbacks"),
    [
        ("adamw", None), ("swats", None), ("adabound", ["lookahead", "ema"]), ("muon_adamw", None), ("adamw", ["switch"]),
        ("momentum", ["agc", "centralize", "gradient_noise"]), ("adamw", ["record"]),
    ],
)  # fmt: skip
def test_no_step_waits_for_the_gpu(optimizer, callbacks, precision, tmp_path):
    module = Watched(optimizer, "warmup_cosine", optim_callbacks=callbacks)
    _, run = fit(tmp_path, module, precision=precision, **ON_GPU)
    assert run.global_step == 24


def test_fused_is_chosen_under_the_trainer(tmp_path):
    _, run = fit(tmp_path, Net("adamw"), **ON_GPU)
    assert run.optimizers[0].param_groups[0]["fused"] is True


def test_a_cpu_checkpoint_goes_on_on_a_gpu_and_back(tmp_path):
    def part(max_epochs, before, accelerator):
        saver = ModelCheckpoint(tmp_path, filename=f"{max_epochs}", every_n_epochs=1, save_top_k=-1)
        torch.manual_seed(0)
        module = Net("adamw", {"warmup": 2, "main": {"shape": "cosine"}, "total_steps": 24}, optim_callbacks=["ema"])
        module, _ = fit(
            tmp_path,
            module,
            ckpt_path=before,
            accelerator=accelerator,
            devices=1,
            max_epochs=max_epochs,
            callbacks=[saver],
        )
        return module

    part(1, None, "cpu")
    part(2, tmp_path / "1.ckpt", "gpu")
    found = part(3, tmp_path / "2.ckpt", "cpu")
    torch.manual_seed(0)
    expected, _ = fit(
        tmp_path, Net("adamw", {"warmup": 2, "main": {"shape": "cosine"}, "total_steps": 24}, optim_callbacks=["ema"])
    )
    assert torch.allclose(weights(found), weights(expected), rtol=1e-5, atol=1e-6)
    assert isinstance(found, L.LightningModule)
