"""The gradient transforms in Lightning: their moment, what counts as a step, and resume at any of them."""

import itertools

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import LearningRateFinder, ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision

import lit_optim
from _support.by_version import LOADER_GOES_ON
from _support.net import BATCHES, Net, fit, loader, trainer, weights
from _support.references.gradient_reference import centralized, clipped_by_unit, normals
from lit_optim import ConfigError
from lit_optim.callbacks import Agc, Centralize, GradientNoise

PRESETS = ["centralize", "agc", "gradient_noise"]


class Consumed(Net):
    """Keeps the gradients as they were after backward and as the optimizer consumed them."""

    def __init__(self, **specs):
        super().__init__(**specs)
        self.raw, self.consumed, self.before = [], [], []

    def on_after_backward(self):
        self.raw.append(self.now())
        self.before.append({name: p.detach().double().numpy().copy() for name, p in self.named_parameters()})

    def on_train_batch_end(self, *_):
        self.consumed.append(self.now())

    def now(self):
        return {name: p.grad.double().numpy().copy() for name, p in self.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("order", list(itertools.permutations(PRESETS)))
@pytest.mark.parametrize("where", ["spec", "trainer"])
def test_one_order_around_the_trainers_clipping(tmp_path, order, where):
    plain = {"centralize": Centralize, "agc": Agc, "gradient_noise": GradientNoise}
    absolute = {"_target_": "lit_optim.callbacks.GradientNoise", "relative": False}
    path = {name: {"_target_": f"lit_optim.callbacks.{cls.__name__}"} for name, cls in plain.items()}
    spec = {name: absolute if name == "gradient_noise" else path[name] for name in order}
    module = Consumed(optimizer="sgd", optim_callbacks=spec if where == "spec" else None)
    callbacks = [plain[name]() for name in order] if where == "trainer" else []
    fit(tmp_path, module, max_epochs=1, gradient_clip_val=0.005, callbacks=callbacks, enable_checkpointing=False)
    for t, (raw, consumed, before) in enumerate(zip(module.raw, module.consumed, module.before, strict=True)):
        grads = {name: clipped_by_unit(before[name], centralized(grad), 0.01, 1e-3) for name, grad in raw.items()}
        norm = np.sqrt(sum((grad**2).sum() for grad in grads.values()))
        assert norm > 0.005, "the Trainer clips too"
        for name, grad in grads.items():
            noise = (0.01 / (1 + t) ** 0.55) ** 0.5 * normals(grad.size, 0, t, name).reshape(grad.shape)
            np.testing.assert_allclose(consumed[name], grad * (0.005 / (norm + 1e-6)) + noise, rtol=1e-4, atol=2e-6)


def test_once_an_optimizer_step_under_accumulation(tmp_path):
    module = Consumed(
        optimizer="sgd", optim_callbacks={"n": {"_target_": "lit_optim.callbacks.GradientNoise", "eta": 1.0}}
    )
    _, run = fit(tmp_path, module, max_epochs=1, accumulate_grad_batches=3)
    assert noise_of(run).state_dict() == {"steps": [3]}
    noise = module.consumed[2]["layer.0.weight"] - module.raw[2]["layer.0.weight"]
    np.testing.assert_allclose(noise.reshape(-1), normals(32, 0, 0, "layer.0.weight"), atol=4e-6)


def relative_noise(net, eta, **options):
    spec = {"n": {"_target_": "lit_optim.callbacks.GradientNoise", "eta": eta, **options}}
    return net(optimizer="sgd", optim_callbacks=spec)


def test_relative_noise_is_a_share_of_the_clipped_gradient(tmp_path):
    module = relative_noise(Consumed, 0.04, relative=True)
    fit(tmp_path, module, max_epochs=1, gradient_clip_val=0.005)
    for t, (raw, consumed) in enumerate(zip(module.raw, module.consumed, strict=True)):
        numbers = np.concatenate([grad.ravel() for grad in raw.values()])
        sigma = (0.04 / (1 + t) ** 0.55) ** 0.5 * 0.005 / numbers.size**0.5
        for name, grad in raw.items():
            noise = sigma * normals(grad.size, 0, t, name).reshape(grad.shape)
            clipped = grad * 0.005 / (np.linalg.norm(numbers) + 1e-6)
            np.testing.assert_allclose(consumed[name], clipped + noise, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize(
    ("eta", "relative", "warned"), [(0.25, True, 0), (9.0, True, 1), (1.0, False, 1), (1e-9, False, 0)]
)
def test_the_ratio_of_the_norms_is_logged_and_warned_about_once(tmp_path, eta, relative, warned, recwarn):
    ratios = []

    class Logged(Consumed):
        def on_train_batch_end(self, *_):
            super().on_train_batch_end()
            ratios.append(float(self.trainer.callback_metrics["gradient_noise/ratio"]))

    module = relative_noise(Logged, eta, gamma=0.0, relative=relative)
    fit(tmp_path, module, max_epochs=2, log_every_n_steps=1)
    size = sum(p.numel() for p in module.parameters())
    norms = [np.sqrt(sum((grad**2).sum() for grad in raw.values())) for raw in module.raw]
    assert ratios == pytest.approx([eta**0.5 * (1 if relative else size**0.5 / norm) for norm in norms], rel=1e-4)
    texts = [str(each.message) for each in recwarn if "gradient_noise.eta" in str(each.message)]
    assert len(texts) == warned
    assert all("as large as the gradient, in norm; write relative=true, or a smaller eta" in text for text in texts)


def test_noise_of_an_older_checkpoint_stays_absolute(tmp_path):
    def run(path, epochs, **options):
        torch.manual_seed(1)
        module = relative_noise(Consumed, 0.01, **options)
        return fit(tmp_path, module, path, max_epochs=epochs, enable_checkpointing=False)

    whole, _ = run(None, 3)
    _, half = run(None, 1)
    half.save_checkpoint(tmp_path / "older.ckpt")
    with pytest.warns(UserWarning, match="relative=true has no effect: the checkpoint restores relative=false"):
        resumed, _ = run(tmp_path / "older.ckpt", 3, relative=True)
    for p, q in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(p, q)


def noise_of(run):
    return next(callback for callback in run.callbacks if isinstance(callback, GradientNoise))


class Overflows(Consumed):
    at = (0, 2, 5)

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        return loss * float("inf") if batch_idx in self.at else loss


@pytest.mark.parametrize("clip", [None, 0.5])
@pytest.mark.parametrize(
    "spec", ["adamw", {"_target_": "torch.optim.AdamW", "fused": True}, {"_target_": "torch.optim.NAdam"}]
)
def test_a_step_that_the_scaler_skips_counts_nothing(tmp_path, spec, clip):
    scaler = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0))
    module = Overflows(optimizer=spec, optim_callbacks=PRESETS)
    _, run = fit(tmp_path, module, max_epochs=1, plugins=[scaler], gradient_clip_val=clip)
    assert noise_of(run).state_dict() == {"steps": [BATCHES - 3]}
    assert torch.isfinite(weights(module)).all()


class TorchModule(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 1))

    def training_step(self, batch, batch_idx):
        return (self.layer(batch[0]) - batch[1]).square().mean()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01, fused=True)


def test_a_fused_optimizer_made_by_hand_gets_unscaled_gradients_too(tmp_path):
    ends = []
    for scale in (2.0, 4096.0):
        torch.manual_seed(0)
        module = TorchModule()
        scaler = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=scale))
        callbacks = [Agc(), GradientNoise(eta=1e-6)]
        run = trainer(tmp_path, plugins=[scaler], callbacks=callbacks, enable_checkpointing=False, max_epochs=1)
        run.fit(module, loader())
        ends.append(weights(module))
    torch.testing.assert_close(*ends, rtol=1e-3, atol=1e-4)


class NoLoss(Net):
    def training_step(self, batch, batch_idx):
        return None if batch_idx in (1, 4) else super().training_step(batch, batch_idx)


@pytest.mark.filterwarnings("ignore:.training_step. returned .None.:UserWarning")
def test_a_batch_without_a_loss_is_no_step(tmp_path):
    _, run = fit(tmp_path, NoLoss("sgd", optim_callbacks="gradient_noise"), max_epochs=1)
    assert noise_of(run).state_dict() == {"steps": [BATCHES - 2]}


class Manual(TorchModule):
    """Two optimizers; the second steps every other batch, without Lightning's wrapper."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.deltas = {0: [], 1: []}

    def configure_optimizers(self):
        return [torch.optim.SGD(part.parameters(), lr=1.0) for part in self.layer]

    def training_step(self, batch, batch_idx):
        first, second = self.optimizers()
        for i, (optimizer, part) in enumerate(((first, self.layer[0]), (second.optimizer, self.layer[1]))):
            if i and batch_idx % 2:
                continue
            optimizer.zero_grad()
            for p in part.parameters():
                p.grad = torch.zeros_like(p)
            before = part.weight.detach().clone()
            optimizer.step()
            self.deltas[i].append((before - part.weight.detach()).double().numpy().reshape(-1))


def test_manual_optimization_counts_each_optimizer(tmp_path):
    module, callback = Manual(), GradientNoise(eta=1.0, gamma=0.0)
    run = trainer(tmp_path, max_epochs=1, callbacks=[callback], enable_checkpointing=False)
    run.fit(module, loader())
    assert callback.state_dict() == {"steps": [BATCHES, BATCHES // 2]}
    for i, name in enumerate(("layer.0.weight", "layer.1.weight")):
        for t, delta in enumerate(module.deltas[i]):
            np.testing.assert_allclose(delta, normals(delta.size, 0, t, name), atol=4e-6)


def resumed(tmp_path, spec, checkpoints, **options):
    saves = [
        ModelCheckpoint(tmp_path, "s{step}", every_n_train_steps=1, save_top_k=-1),
        ModelCheckpoint(tmp_path, "e{epoch}", save_top_k=-1),
    ]
    module, _ = fit(tmp_path, Net(**spec), callbacks=saves, **options)
    for name in checkpoints:
        again, run = fit(tmp_path, Net(**spec), ckpt_path=tmp_path / f"{name}.ckpt", **options)
        assert torch.equal(weights(again), weights(module)), name
        yield run


@pytest.mark.parametrize("accumulate", [1, 3])
def test_resume_from_every_step_is_exact(tmp_path, accumulate):
    spec = dict(optimizer="adamw", scheduler="warmup_cosine", optim_callbacks=["gradient_noise", "agc", "centralize"])
    names = [f"sstep={i}" for i in ((1, 3, 8, 11, 16, 23) if accumulate == 1 else (1, 2, 3, 5))] + [
        "eepoch=0",
        "eepoch=1",
    ]
    for run in resumed(tmp_path, spec, names, accumulate_grad_batches=accumulate, gradient_clip_val=0.5):
        assert noise_of(run).state_dict() == {"steps": [24 if accumulate == 1 else 9]}


def test_a_second_fit_begins_anew_and_a_checkpoint_without_noise_begins_at_0(tmp_path):
    callback = GradientNoise()
    for _ in range(2):
        fit(tmp_path, Net("sgd"), callbacks=[callback], enable_checkpointing=False, max_epochs=1)
        assert callback.state_dict() == {"steps": [BATCHES]}
    save = ModelCheckpoint(tmp_path, "plain", save_top_k=-1)
    fit(tmp_path, Net("sgd"), callbacks=[save], max_epochs=1)
    fit(
        tmp_path,
        Net("sgd"),
        callbacks=[callback],
        enable_checkpointing=False,
        ckpt_path=tmp_path / "plain.ckpt",
        max_epochs=2,
    )
    assert callback.state_dict() == {"steps": [BATCHES]}


@pytest.mark.parametrize("callback", [Agc, Centralize])
def test_two_of_a_kind_are_refused_at_fit_start(tmp_path, callback):
    with pytest.raises(ConfigError, match=f"{callback.__name__}: 2 callbacks of this kind; keep one of them"):
        fit(tmp_path, Net("sgd"), callbacks=[callback(), callback()], enable_checkpointing=False)


def test_two_noises_are_rejected(tmp_path):
    with pytest.raises(ConfigError, match=r"gradient_noise\[1\]: a second GradientNoise, beside .*; keep one of them"):
        fit(tmp_path, Net("sgd", optim_callbacks=["gradient_noise", "gradient_noise"]))


def test_an_exclusion_that_matches_nothing_is_reported_at_fit_start(tmp_path):
    with pytest.raises(ConfigError, match=r"agc.exclude='head.\*': matches no parameter"):
        fit(tmp_path, Net("sgd"), callbacks=[Agc(exclude=["head.*"])], enable_checkpointing=False)


class Fails(L.Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 3:
            raise RuntimeError("out of luck")


@pytest.mark.parametrize("fails", [False, True])
def test_optimizers_are_left_as_they_were(tmp_path, fails):
    module = Net("sgd", optim_callbacks=PRESETS)
    run = trainer(tmp_path, max_epochs=1, callbacks=[Fails()] if fails else [], enable_checkpointing=False)
    kept = []
    module.on_train_start = lambda: kept.append(run.optimizers[0])
    if fails:
        with pytest.raises(RuntimeError, match="out of luck"):
            run.fit(module, loader(), loader(8))
    else:
        run.fit(module, loader(), loader(8))
    hooks = [*kept[0]._optimizer_step_pre_hooks.values(), *kept[0]._optimizer_step_post_hooks.values()]
    assert hooks
    assert not any("Chain" in str(hook) for hook in hooks)


def test_the_search_of_a_learning_rate_finder_has_no_noise_and_counts_nothing(tmp_path):
    def searched(*before, after=()):
        torch.manual_seed(0)
        finder = LearningRateFinder(num_training_steps=5, early_stop_threshold=None)
        module, _ = fit(
            tmp_path, Net("sgd"), callbacks=[*before, finder, *after], enable_checkpointing=False, max_epochs=1
        )
        return finder.optimal_lr.results["loss"], len(module.used) - 5

    noise = GradientNoise(eta=100.0)
    bare, steps = searched()
    assert steps == BATCHES or (steps, LOADER_GOES_ON) == (
        BATCHES - 5,
        True,
    )
    assert searched(noise) == (bare, steps)
    assert noise.state_dict() == {"steps": [steps]}
    assert searched(after=[noise]) == (bare, steps)
    assert noise.state_dict() == {"steps": [steps]}


def test_presets_are_what_callbacks_default_to():
    for name, cls in (("gradient_noise", GradientNoise), ("agc", Agc), ("centralize", Centralize)):
        (built,) = lit_optim.build_callbacks(name)
        assert type(built) is cls
        ours, default = vars(built.link()), vars(cls().link())
        assert {k: v for k, v in ours.items() if k != "chain"} == {k: v for k, v in default.items() if k != "chain"}
