"""A step that is left out leaves no trace: not in schedules, counters and averages, not in the statistics of BatchNorms."""

import math
import warnings

import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision

from _support.faulty import FAULTS, Faulty, Numbers, equal, guard, guard_of, parameters, run_over
from _support.net import trainer
from _support.several import Gan
from lit_optim.callbacks.finite_guard.step_guard import StepGuard
from lit_optim.errors import NonFiniteError

COSINE = {"_target_": "warmup_cosine", "warmup": 2, "total_steps": 8}
DRIVEN = {"main": {"shape": "linear"}, "total_steps": 8, "drive": {"weight_decay": {"main": {"shape": "linear"}}}}
COMPOSED = {
    "schedule": ("adamw", COSINE, []),
    "driven": ("adamw", DRIVEN, []),
    "torch's schedule": ("adamw", {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 2, "interval": "step"}, []),
    "ema": ("adamw", COSINE, ["ema"]),
    "lookahead": ("sgd", COSINE, [{"lookahead": {"_target_": "lit_optim.callbacks.Lookahead", "k": 2}}]),
    "transforms": ("momentum", COSINE, ["agc", "centralize", "gradient_noise"]),
    "swats": ("adam", "none", [{"s": {"_target_": "lit_optim.callbacks.SWATS", "switch_tol": 1.0, "min_steps": 4}}]),
    "composite": ("muon_adamw", COSINE, ["ema", "gradient_noise"]),
}  # fmt: skip
WAYS = {"plain": {}, "clipped": {"gradient_clip_val": 0.1}, "bf16": {"precision": "bf16-true"}}


def of_callbacks(run):
    return {c.state_key: c.state_dict() for c in run.callbacks if type(c).__name__ in ("GradientNoise", "SWATS")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", COMPOSED)
def test_nothing_moves(case, way, tmp_path):
    name, scheduler, callbacks = COMPOSED[case]
    fault = FAULTS[[*COMPOSED].index(case) % 3]
    module = Faulty(name, fault, at=(3, 4), scheduler=scheduler, optim_callbacks=[*callbacks, guard()])
    run = run_over(tmp_path, module, 1, 2, 3, 4, 5, 6, 7, **WAYS[way])
    without = Faulty(name, scheduler=scheduler, optim_callbacks=callbacks)
    expected = run_over(tmp_path, without, 1, 2, 5, 6, 7, **WAYS[way])
    assert guard_of(run).state_dict() == {"skipped": 2, "rollbacks": 0, "in_a_row": 0}
    assert [lr for i, lr in enumerate(module.used) if i not in (2, 3)] == without.used
    assert torch.equal(parameters(module), parameters(without)), "the weights that are evaluated"
    assert torch.equal(module.after[-1], without.after[-1]), "the weights that are trained"
    assert equal(run.optimizers[0].state_dict(), expected.optimizers[0].state_dict())
    assert of_callbacks(run) == of_callbacks(expected)
    moved = [config.scheduler.last_epoch for config in run.lr_scheduler_configs]
    assert moved == [config.scheduler.last_epoch for config in expected.lr_scheduler_configs]
    assert "step" not in vars(run.optimizers[0]) or case == "torch's schedule", "the optimizer has its own step again"


def test_under_accumulation_the_whole_step_is_left_out(tmp_path):
    module = Faulty("adamw", at=(3,), scheduler=COSINE, optim_callbacks=guard())
    run = run_over(tmp_path, module, 1, 2, 3, 4, 5, 6, accumulate_grad_batches=2)
    without = Faulty("adamw", scheduler=COSINE)
    run_over(tmp_path, without, 1, 2, 5, 6, accumulate_grad_batches=2)
    assert guard_of(run).skipped == 1
    assert torch.equal(parameters(module), parameters(without))


class Normalized(Faulty):
    """Its inputs, and with them the statistics of its BatchNorm, are NaN at the bad batches."""

    def __init__(self, *args, **specs):
        super().__init__(*args, **specs)
        self.norm = torch.nn.BatchNorm1d(3, momentum=None)

    def training_step(self, batch, batch_idx):
        self.number = int(batch)
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(self.number))
        return self.problem.layer(self.norm(x * float("nan") if self.is_bad() else x)).square().mean()


def test_statistics_of_batch_norms(tmp_path):
    module, without = Normalized("sgd", at=(3,), optim_callbacks=guard()), Normalized("sgd")
    run_over(tmp_path, module, 1, 2, 3, 4)
    run_over(tmp_path, without, 1, 2, 4)
    assert equal(module.state_dict(), without.state_dict())
    assert module.norm.num_batches_tracked == 3


class Scaled(Faulty):
    """Overflows at 2, which the scaler skips; at 4 its own hook spoils gradients that are unscaled already."""

    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * (float("inf") if self.number == 2 else 1.0)

    def on_before_optimizer_step(self, optimizer):
        if self.number == 4:
            for p in self.parameters():
                p.grad.fill_(float("nan"))


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")
@pytest.mark.parametrize("spec", ["adamw", {"_target_": "torch.optim.AdamW", "fused": True}, "nadam"])
def test_what_a_gradient_scaler_skips_is_left_to_it(spec, tmp_path):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    module = Scaled("adamw", scheduler=COSINE, optim_callbacks=guard())
    module.optim_spec["optimizer"] = spec
    run = run_over(tmp_path, module, 1, 2, 3, 4, 5, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
    assert guard_of(run).skipped == 1
    assert scaler.get_scale() == 1.0, "halved once"
    assert run.lr_scheduler_configs[0].scheduler.last_epoch == 3
    assert torch.isfinite(parameters(module)).all()


class Batches(Numbers):
    def __iter__(self):
        return iter(self.numbers[0])

    def __len__(self):
        return len(self.numbers[0])


class FaultyGan(Gan):
    def losses(self, x):
        for name, loss in super().losses(x):
            bad = name == "generator" and self.trainer.fit_loop.epoch_loop.batch_idx == 1
            yield name, loss * float("nan") if bad else loss


def test_each_named_optimizer_by_itself(tmp_path):
    linear = {"main": {"shape": "linear"}}
    module = FaultyGan(scheduler={"generator": linear, "discriminator": linear}, optim_callbacks=guard())
    run = trainer(tmp_path, max_epochs=1)
    batches = [[torch.randn(4, 4, generator=torch.Generator().manual_seed(i))] for i in range(4)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "optim_callbacks.finite")
        run.fit(module, Batches(batches), Batches(batches))

    share = {name: [lr / lrs[0] for lr in lrs] for name, lrs in module.used.items()}
    assert share["discriminator"] == pytest.approx([1.0, 0.75, 0.5, 0.25])
    assert share["generator"] == pytest.approx([1.0, 0.75, 0.75, 0.5])


@pytest.mark.parametrize("hides", ["by value", "own hook", "before the clipping"])
def test_clipping_hides_nothing(hides, tmp_path):
    class Clipped(Faulty):
        def on_after_backward(self):
            if self.is_bad():
                self.problem.layer[0].weight.grad[0, 0] = float("inf")

    class Repaired(Clipped):
        def configure_gradient_clipping(self, optimizer, *_, **__):
            for p in self.parameters():
                p.grad.nan_to_num_(posinf=1.0)

    module = (Repaired if hides == "own hook" else Clipped)("sgd", "inf", at=(2,), optim_callbacks=guard())
    options = {"gradient_clip_val": 0.5, "gradient_clip_algorithm": "value" if hides == "by value" else "norm"}
    assert guard_of(run_over(tmp_path, module, 1, 2, 3, **({} if hides == "own hook" else options))).skipped == 1


def test_large_numbers_are_no_reason(tmp_path):
    class Large(Faulty):
        def on_after_backward(self):
            for p in self.parameters():
                p.grad.fill_(1e30)  # its square is beyond float32

    module = Large("sgd", optim_callbacks=guard())
    module.optim_spec["optimizer"] = {"_target_": "sgd", "lr": 1e-35}
    assert guard_of(run_over(tmp_path, module, 1, 2)).skipped == 0


def test_patience_ends_a_run_that_has_no_good_step(tmp_path):
    module = Faulty("sgd", at=range(2, 9), optim_callbacks=guard(patience=3))
    with pytest.raises(NonFiniteError) as caught:
        run_over(tmp_path, module, *range(1, 9))
    assert str(caught.value) == (
        "optim_callbacks.finite: step 5: the loss is nan; 4 times in a row, more than optim_callbacks.finite.patience=3; "
        "lower optimizer.lr, lengthen the warmup, or clip gradients"
    )
    assert torch.isfinite(parameters(module)).all()


def test_an_lr_that_is_no_number_moves_nothing(tmp_path):
    module = Faulty("sgd", optim_callbacks=guard(patience=0))
    module.on_train_batch_start = lambda *_: module.optimizers().param_groups[0].update(lr=math.nan)
    with pytest.raises(NonFiniteError, match="step 1: the lr is nan; 1 times in a row"):
        run_over(tmp_path, module, 1, 2)
    assert torch.isfinite(parameters(module)).all()


def test_lbfgs_goes_back_where_a_later_evaluation_fails():
    p, evaluations = torch.nn.Parameter(torch.full((2,), 3.0)), []
    optimizer = torch.optim.LBFGS([p], lr=0.1, max_iter=5)
    guarded = StepGuard(
        optimizer, lambda: bool(p.grad.isfinite().all()), lambda: evaluations.append("out"), lambda: None
    )

    def closure():
        optimizer.zero_grad()
        loss = p.square().sum() * (float("nan") if len(evaluations) == 2 else 1.0)
        loss.backward()
        evaluations.append(float(loss.detach()))
        return loss

    assert optimizer.step(closure) is None
    assert len(evaluations) == 4
    assert evaluations[-1] == "out"
    assert torch.equal(p.detach(), torch.full((2,), 3.0))
    assert not optimizer.state
    guarded.detach()
    assert float(optimizer.step(closure).detach()) == 18.0
