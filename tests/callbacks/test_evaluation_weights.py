"""Lookahead, an average and schedule-free optimizers under a Trainer: what is evaluated is what is saved."""

import warnings

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import (
    Callback,
    LearningRateFinder,
    ModelCheckpoint,
    OnExceptionCheckpoint,
    StochasticWeightAveraging,
)
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.tuner import Tuner

from _support.by_version import NO_WEIGHT_AVERAGING, needs_batch_idx_on_resume, needs_weight_averaging
from _support.net import BATCHES, Net, data, fit, loader, trainer, weights
from lit_optim import ConfigError, ScheduleLR, optimizers
from lit_optim.callbacks import ExponentialMovingAverage, Lookahead, ScheduleFree

if not NO_WEIGHT_AVERAGING:
    from lightning.pytorch.callbacks import EMAWeightAveraging, WeightAveraging

FREE = {"_target_": "schedulefree.AdamWScheduleFree", "lr": 0.01}
K3 = {"_target_": "lit_optim.callbacks.Lookahead", "k": 3, "alpha": 0.5}  # 3 does not divide the 8 batches of an epoch
AVERAGE = {"_target_": "lit_optim.callbacks.ExponentialMovingAverage", "decay": 0.8}
CASES = {
    "lookahead": ("adamw", {"l": K3}),
    "reset": ("momentum", {"l": {**K3, "inner_state": "reset"}}),
    "pullback": ("adam", {"l": {**K3, "inner_state": "pullback"}}),
    "fast": ("adamw", {"l": {**K3, "evaluate": "fast"}}),
    "sgd": ("sgd", {"l": K3}),
    "ema": ("adamw", {"e": AVERAGE}),
    "both": ("adamw", {"l": K3, "e": AVERAGE}),
    "schedule-free": (FREE, None),
    "swats": ("adamw", {"s": {"_target_": "lit_optim.callbacks.SWATS", "at": 5}, "l": K3}),
}


class Bare(ModelCheckpoint):
    """Of weights only."""


def saves(tmp_path):
    name = dict(save_top_k=-1, auto_insert_metric_name=False)
    return [
        ModelCheckpoint(tmp_path / "steps", "{step}", every_n_train_steps=1, **name),
        ModelCheckpoint(tmp_path / "best", "{epoch}-{val/loss:.15f}", monitor="val/loss", **name),
        ModelCheckpoint(tmp_path / "ends", "{epoch}", save_on_train_epoch_end=True, **name),
        Bare(tmp_path / "bare", "{epoch}-{val/loss:.15f}", monitor="val/loss", save_weights_only=True, **name),
    ]  # fmt: skip


def run(tmp_path, case, ckpt_path=None, cls=Net, **options):
    torch.manual_seed(0)
    optimizer, callbacks = CASES[case]
    return fit(tmp_path, cls(optimizer, optim_callbacks=callbacks), ckpt_path=ckpt_path, **options)


def evaluate(tmp_path, module, ckpt_path=None):
    return trainer(tmp_path).validate(module, loader(8), ckpt_path=ckpt_path, verbose=False)[0]["val/loss"]


@pytest.mark.parametrize("case", CASES)
def test_a_resumed_run_is_bit_equal_and_a_monitored_checkpoint_gives_its_own_metric(tmp_path, case):
    watch = Watch()
    module, unbroken = run(tmp_path, case, callbacks=[watch, *saves(tmp_path)])
    live = [p.detach().clone() for p in module.parameters()]
    paths = sorted((tmp_path / "steps").glob("*.ckpt"))
    assert len(paths) == 24
    chosen = [tmp_path / f"steps/{step}.ckpt" for step in (1, 2, 3, 4, 8, 9, 16, 23)]
    for path in [*chosen, *(tmp_path / "ends").glob("*.ckpt"), *(tmp_path / "best").glob("*.ckpt")]:
        again, resumed = run(tmp_path, case, path)
        assert torch.equal(weights(again), weights(module)), path.name
        for p, q in zip(module.parameters(), again.parameters(), strict=True):
            ours, theirs = unbroken.optimizers[0].state[p], resumed.optimizers[0].state[q]
            assert ours.keys() == theirs.keys()
            for name, value in ours.items():
                if isinstance(value, torch.Tensor):
                    assert torch.equal(value, theirs[name]), (path.name, name)
    for kind in ("best", "bare"):
        found = sorted((tmp_path / kind).glob("*.ckpt"))
        assert len(found) == 3
        for path in found:
            epoch, _, metric = path.stem.partition("-")
            loaded = Net.load_from_checkpoint(path)
            assert torch.equal(weights(loaded), watch.validated[1 + 2 * (int(epoch) + 1)]), (
                "after those of the sanity check"
            )
            for bare, checkpoint in ((loaded, None), (Net("sgd"), path)):
                assert evaluate(tmp_path, bare, checkpoint) == pytest.approx(float(metric), rel=1e-6)
    assert torch.equal(weights(module), watch.validated[-1]), "the module after the fit"
    assert all(torch.equal(p, q) for p, q in zip(module.parameters(), live, strict=True))


def test_checkpoints_hold_slow_and_fast_weights_once_each(tmp_path):
    run(tmp_path, "lookahead", callbacks=saves(tmp_path)[:1], max_epochs=1)
    between, at = (torch.load(tmp_path / f"steps/{step}.ckpt", weights_only=True) for step in (5, 6))
    names = [name for names in between["lit_optim"]["param_names"] for name in names]
    for checkpoint, synchronized in ((between, False), (at, True)):
        states = checkpoint["optimizer_states"][0]["state"]
        for i, name in enumerate(names):
            assert "slow" not in states[i]
            assert torch.equal(checkpoint["state_dict"][name], states[i]["live_while_slow"]) == synchronized
    assert between["optimizer_states"][0]["param_groups"][0]["lookahead_step"] == 5


def test_it_trains_as_the_plain_loop_does(tmp_path):
    module, fitted = run(tmp_path, "lookahead", val_check_interval=0.25)
    torch.manual_seed(0)
    plain = Net("adamw")
    optimizer = plain.configure_optimizers()["optimizer"]
    lookahead = optimizers.Lookahead(3, 0.5).attach(optimizer)
    batches = loader()
    for epoch in range(3):
        batches.sampler.set_epoch(epoch)
        for batch in batches:
            optimizer.zero_grad()
            plain.loss(batch).backward()
            optimizer.step()
    with lookahead.evaluation():
        assert torch.equal(weights(module), weights(plain))
    live = torch.cat([fitted.optimizers[0].state[p]["live_while_slow"].flatten() for p in module.parameters()])
    assert torch.equal(live, weights(plain)), "fast, once more"


NONE = "ignore:`training_step` returned `None`:UserWarning"


class Empty(Net):
    """Has no loss in two batches."""

    def training_step(self, batch, batch_idx):
        return None if batch_idx in (2, 5) else super().training_step(batch, batch_idx)


class Overflowing(Net):
    def training_step(self, batch, batch_idx):
        return super().training_step(batch, batch_idx) * (float("inf") if batch_idx in (0, 4) else 1.0)


def scaler():
    return [MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu", init_scale=2.0))]


@pytest.mark.filterwarnings(NONE)
@pytest.mark.parametrize(
    ("cls", "options", "steps"),
    [
        (Net, {}, 8),
        (Net, {"accumulate_grad_batches": 3}, 3),
        (Empty, {}, 6),
        (Overflowing, {"plugins": scaler}, 6),
        (Empty, {"plugins": scaler}, 6),
    ],
)  # fmt: skip
def test_steps_that_really_happen_are_counted(tmp_path, cls, options, steps):
    options = {k: v() if callable(v) else v for k, v in options.items()}
    module = cls("adamw", optim_callbacks={"l": K3})
    _, fitted = fit(tmp_path, module, max_epochs=1, **options)
    assert fitted.optimizers[0].param_groups[0]["lookahead_step"] == steps


class TwoOptimizers(L.LightningModule):
    """Manual optimization; the second optimizer steps every other batch."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.a, self.b = torch.nn.Linear(4, 3), torch.nn.Linear(3, 1)

    def training_step(self, batch, batch_idx):
        loss = self.b(self.a(batch[0])).square().mean()
        first, second = self.optimizers()
        self.manual_backward(loss)
        first.step()
        if batch_idx % 2:
            second.step()
            second.zero_grad()
        first.zero_grad()

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.b(self.a(batch[0])).square().mean())

    def configure_optimizers(self):
        return torch.optim.AdamW(self.a.parameters(), lr=0.01), torch.optim.SGD(self.b.parameters(), lr=0.01)


@needs_batch_idx_on_resume
def test_each_of_two_optimizers_has_its_own_count(tmp_path):
    def manual(ckpt_path=None, callbacks=()):
        torch.manual_seed(0)
        return fit(
            tmp_path,
            TwoOptimizers(),
            ckpt_path,
            callbacks=[Lookahead(3), *callbacks],
            max_epochs=2,
            enable_checkpointing=False,
        )

    class Saves(Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            trainer.save_checkpoint(tmp_path / f"{trainer.current_epoch}-{batch_idx}.ckpt")

    module, fitted = manual(callbacks=[Saves()])
    assert [o.param_groups[0]["lookahead_step"] for o in fitted.optimizers] == [16, 8]
    for name in ("0-1", "0-3", "0-7", "1-1", "1-3"):
        assert torch.equal(weights(manual(tmp_path / f"{name}.ckpt")[0]), weights(module)), name


class Watch(Callback):
    """Notes the weights of every validation, and of every training step."""

    def __init__(self):
        self.validated, self.trained = [], []

    def on_validation_batch_start(self, trainer, module, *_):
        self.validated.append(weights(module).clone())

    def on_train_batch_start(self, trainer, module, *_):
        self.trained.append(weights(module).clone())


def test_the_sanity_check_changes_nothing(tmp_path):
    results = []
    for sanity in (0, 2):
        for case in ("lookahead", "schedule-free", "ema"):
            results.append(weights(run(tmp_path, case, num_sanity_val_steps=sanity, max_epochs=1)[0]))
    assert all(torch.equal(a, b) for a, b in zip(results[:3], results[3:], strict=True))


@pytest.mark.parametrize("case", ["lookahead", "ema", "schedule-free"])
def test_validations_do_not_change_the_training(tmp_path, case):
    seen = []
    for often in (1.0, 0.125):
        watch = Watch()
        run(tmp_path, case, val_check_interval=often, callbacks=[watch], enable_checkpointing=False)
        seen.append(watch.trained)
        assert any(not torch.equal(watch.validated[-1], trained) for trained in watch.trained)
    assert len(seen[0]) == 24
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))


class Fails(Net):
    """Its validation fails in the second epoch."""

    def validation_step(self, batch, batch_idx):
        if self.trainer.current_epoch == 1 and not self.trainer.sanity_checking and self.fails:
            raise ArithmeticError("validation")
        super().validation_step(batch, batch_idx)

    fails = True


@pytest.mark.filterwarnings("ignore:`.fit.ckpt_path=None.` was called without a model:UserWarning")
@pytest.mark.filterwarnings("ignore:.*there is no last checkpoint available:UserWarning")
@pytest.mark.parametrize("case", CASES)
def test_an_exception_in_validation_leaves_the_live_weights_and_a_checkpoint_that_resumes(tmp_path, case):
    watch = Watch()
    expected, _ = run(tmp_path, case)
    kept = OnExceptionCheckpoint(tmp_path)
    kept.teardown = lambda *_: None  # it removes its file otherwise when this process tears down
    optimizer, callbacks = CASES[case]
    torch.manual_seed(0)
    module = Fails(optimizer, optim_callbacks=callbacks)
    with pytest.raises(ArithmeticError):
        fit(tmp_path, module, callbacks=[watch, kept])
    whole = Watch()
    run(tmp_path, case, callbacks=[whole], enable_checkpointing=False)
    assert torch.equal(weights(module), whole.trained[16]), "those that the next epoch begins with"
    resumed, _ = run(tmp_path, case, tmp_path / "on_exception.ckpt")
    assert torch.equal(weights(resumed), weights(expected))


@pytest.mark.parametrize("case", ["lookahead", "ema", "schedule-free"])
def test_saving_within_validation_and_after_the_fit(tmp_path, case):
    class Saves(Net):
        def on_validation_epoch_end(self):
            if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
                self.trainer.save_checkpoint(tmp_path / f"within{self.trainer.current_epoch}.ckpt")

    expected, _ = run(tmp_path, case)
    module, fitted = run(tmp_path, case, cls=Saves, max_epochs=2)
    fitted.save_checkpoint(tmp_path / "after.ckpt")
    assert torch.equal(weights(Net.load_from_checkpoint(tmp_path / "after.ckpt")), weights(module))
    for name in ("within0.ckpt", "within1.ckpt", "after.ckpt"):
        resumed, _ = run(tmp_path, case, tmp_path / name)
        assert torch.equal(weights(resumed), weights(expected)), name


def test_before_the_first_step_and_validate_alone(tmp_path):
    class SavesFirst(Callback):
        def on_train_start(self, trainer, module):
            trainer.save_checkpoint(tmp_path / "first.ckpt")

    for case in ("lookahead", "ema", "schedule-free"):
        expected, _ = run(tmp_path, case, callbacks=[SavesFirst()], enable_checkpointing=False)
        assert torch.equal(weights(run(tmp_path, case, tmp_path / "first.ckpt")[0]), weights(expected))
        module = Net(CASES[case][0], optim_callbacks=CASES[case][1])
        before = weights(module).clone()
        evaluate(tmp_path, module)
        assert torch.equal(weights(module), before)


class Notes(Net):
    """Keeps the weights that each epoch begins with; a search ends before it gets so far."""

    def on_train_batch_start(self, batch, batch_idx):
        if isinstance(self.trainer.callbacks[-1], ScheduleFree | Lookahead | ExponentialMovingAverage):
            self.__dict__.setdefault("began", {}).setdefault(self.trainer.current_epoch, weights(self).clone())


@pytest.mark.parametrize("case", ["lookahead", "ema"])
def test_learning_rate_finders_leave_no_trace(tmp_path, case):
    expected, _ = run(tmp_path, case, max_epochs=2)
    torch.manual_seed(0)
    module = Net(CASES[case][0], optim_callbacks=CASES[case][1])
    tuned = trainer(tmp_path, max_epochs=2)
    Tuner(tuned).lr_find(module, loader(), loader(8), num_training=7, update_attr=False)
    tuned.fit(module, loader(), loader(8))
    assert torch.equal(weights(module), weights(expected))

    class InTheSecondEpoch(LearningRateFinder):
        def on_fit_start(self, *_):
            pass

        def on_train_epoch_start(self, trainer, module):
            if trainer.current_epoch == 1:
                self.lr_find(trainer, module)

    finder = InTheSecondEpoch(num_training_steps=5, update_attr=False)
    found, _ = run(tmp_path, case, cls=Notes, callbacks=[finder], enable_checkpointing=False, max_epochs=2)
    alone, _ = run(tmp_path, case, cls=Notes, max_epochs=2)
    assert torch.equal(found.began[1], alone.began[1]), "live again after what the search has restored"


@needs_weight_averaging
@pytest.mark.parametrize("order", [0, 1])
def test_nests_with_the_averages_of_lightning(tmp_path, order):
    def nested(ckpt_path=None, extra=()):
        torch.manual_seed(0)
        average = EMAWeightAveraging(decay=0.8)
        callbacks = [Lookahead(3), average] if order else [average, Lookahead(3)]
        fitted = fit(tmp_path, Net("adamw"), ckpt_path, callbacks=[*callbacks, *extra])
        return (*fitted, average)

    module, _, average = nested(extra=saves(tmp_path)[:2])
    for p, q in zip(module.parameters(), average._average_model.module.parameters(), strict=True):
        assert torch.equal(p, q), "the result is the average"
    watch = Watch()
    nested(extra=[watch, ModelCheckpoint(tmp_path / "unused")])
    alone = Watch()
    fit(tmp_path, _seeded(), callbacks=[Lookahead(3), alone], enable_checkpointing=False)
    assert all(torch.equal(a, b) for a, b in zip(watch.trained, alone.trained, strict=True)), "training does not notice"
    best = list((tmp_path / "best").glob("[01]-*.ckpt"))  # from the last one Lightning's average is not the result
    assert len(best) == 2
    for path in [*sorted((tmp_path / "steps").glob("*.ckpt"))[::4], *best]:
        assert torch.equal(weights(nested(path)[0]), weights(module)), path
    for path in (tmp_path / "best").glob("*.ckpt"):
        metric = float(path.stem.partition("-")[2])
        assert evaluate(tmp_path, Net.load_from_checkpoint(path)) == pytest.approx(metric, rel=1e-6)


def _seeded():
    torch.manual_seed(0)
    return Net("adamw")


@needs_weight_averaging
def test_the_average_of_lightning_and_ours_are_the_same(tmp_path):
    ours = fit(
        tmp_path, _seeded(), callbacks=[ExponentialMovingAverage(0.8, warmup=False)], enable_checkpointing=False
    )[0]
    theirs = fit(tmp_path, _seeded(), callbacks=[EMAWeightAveraging(decay=0.8)], enable_checkpointing=False)[0]
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-5, atol=1e-7)


def test_a_scheduled_alpha(tmp_path):
    drive = {"lookahead_alpha": {"main": {"shape": "linear", "end_factor": 0.0}, "values": [0.5, 0.1]}}
    module = Net("adamw", scheduler={"main": {"shape": "constant"}, "drive": drive}, optim_callbacks={"l": K3})
    seen = []

    class Note(Callback):
        def on_before_optimizer_step(self, trainer, module, optimizer):
            seen.append(optimizer.param_groups[0]["lookahead_alpha"])

    fit(tmp_path, module, max_epochs=1, callbacks=[Note()], enable_checkpointing=False)
    assert seen == pytest.approx([0.5 - 0.4 * t / BATCHES for t in range(BATCHES)])


@pytest.mark.parametrize("asked", [{"k": 5}, {"alpha": 0.9}])
def test_values_that_a_checkpoint_replaces_are_reported(tmp_path, asked):
    _, fitted = run(tmp_path, "lookahead", max_epochs=1)
    fitted.save_checkpoint(tmp_path / "c.ckpt")
    ((name, value),) = asked.items()
    with pytest.warns(UserWarning, match=rf"Lookahead: {name}={value} has no effect: the checkpoint restores {name}={K3[name]}"):  # fmt: skip
        fit(tmp_path, Net("adamw", optim_callbacks={"l": {**K3, **asked}}), tmp_path / "c.ckpt", max_epochs=2)


def test_a_run_may_go_on_without_lookahead_from_the_fast_weights(tmp_path):
    module, fitted = run(tmp_path, "lookahead", max_epochs=1)
    fitted.save_checkpoint(tmp_path / "c.ckpt")
    live = torch.cat([fitted.optimizers[0].state[p]["live_while_slow"].flatten() for p in module.parameters()])
    watch = Watch()
    with pytest.warns(UserWarning, match="was written by Lookahead or an average of the weights, which is not among"):
        fit(tmp_path, Net("adamw"), tmp_path / "c.ckpt", callbacks=[watch], enable_checkpointing=False)
    assert torch.equal(watch.trained[0], live)


def test_a_run_may_go_on_with_lookahead(tmp_path):
    module, fitted = fit(tmp_path, Net("adamw"), max_epochs=1)
    fitted.save_checkpoint(tmp_path / "c.ckpt")
    before = weights(module).clone()
    watch = Watch()
    _, resumed = fit(tmp_path, Net("adamw", optim_callbacks={"l": K3}), tmp_path / "c.ckpt", callbacks=[watch], enable_checkpointing=False)  # fmt: skip
    assert torch.equal(watch.trained[0], before)
    assert resumed.optimizers[0].param_groups[0]["lookahead_step"] == 16


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        ("both", "lookahead", "slow"),
        ("both", "ema", "average"),
        ("ema", "both", "average"),
        ("lookahead", "both", "slow"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_whoever_joins_or_leaves_takes_nothing_that_is_anothers(tmp_path, before, after, kept, turned):
    module, fitted = run(tmp_path, before, max_epochs=1)
    fitted.save_checkpoint(tmp_path / "c.ckpt")
    states = [fitted.optimizers[0].state[p] for p in module.parameters()]
    evaluated = next(f"live_while_{key}" for key in ("slow", "average") if f"live_while_{key}" in states[0])
    live = torch.cat([state[evaluated].flatten() for state in states])
    own = torch.cat([
        (p if evaluated == f"live_while_{kept}" else state[kept]).detach().flatten()
        for p, state in zip(module.parameters(), states, strict=True)
    ])  # fmt: skip
    found = {}

    class Look(Watch):
        def on_train_batch_start(self, trainer, module, *_):
            super().on_train_batch_start(trainer, module)
            found.setdefault("states", [dict(trainer.optimizers[0].state[p]) for p in module.parameters()])
            found.setdefault(kept, torch.cat([state[kept].flatten().clone() for state in found["states"]]))

    watch, chosen = Look(), CASES[after][1]
    module = Net("adamw", optim_callbacks=dict(reversed(chosen.items())) if turned else chosen)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "this checkpoint was written by Lookahead or an average", UserWarning)
        fit(tmp_path, module, tmp_path / "c.ckpt", callbacks=[watch], enable_checkpointing=False)
    assert torch.equal(watch.trained[0], live), "the weights that were trained"
    assert torch.equal(found[kept], own), "who stays goes on"
    for state in found["states"]:
        assert not [key for key in state if key.startswith("live_while_")], "nothing is left of who has gone"
        assert not ({"slow", "average"} - {kept}) & state.keys() or before == "both", "who joins begins anew"


class OneForTwo(TwoOptimizers):
    """One layer is trained by both optimizers."""

    def configure_optimizers(self):
        both = [*self.a.parameters(), *self.b.parameters()]
        return torch.optim.AdamW(both, lr=0.01), torch.optim.SGD(self.b.parameters(), lr=0.01)


@needs_batch_idx_on_resume
def test_a_parameter_of_two_optimizers(tmp_path):
    def manual(ckpt_path=None, **options):
        torch.manual_seed(0)
        return fit(tmp_path, OneForTwo(), ckpt_path, callbacks=[Lookahead(3)], max_epochs=2, enable_checkpointing=False, **options)[0]  # fmt: skip

    class Saves(Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            trainer.save_checkpoint(tmp_path / f"{trainer.current_epoch}-{batch_idx}.ckpt")

    torch.manual_seed(0)
    module = OneForTwo()
    fit(tmp_path, module, callbacks=[Lookahead(3), Saves()], max_epochs=2, enable_checkpointing=False)
    for name in ("0-1", "0-3", "0-7", "1-1", "1-3"):
        assert torch.equal(weights(manual(tmp_path / f"{name}.ckpt")), weights(module)), name
    assert torch.equal(weights(manual(limit_val_batches=0)), weights(module)), "validations change nothing"


class Plain(L.LightningModule):
    """Without the mixin."""

    def __init__(self, scheduler=None, free=True):
        super().__init__()
        self.layer, self.scheduler, self.free = torch.nn.Linear(4, 1), scheduler, free

    def training_step(self, batch, batch_idx):
        return self.layer(batch[0]).square().mean()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        from schedulefree import AdamWScheduleFree

        cls = AdamWScheduleFree if self.free else torch.optim.AdamW
        optimizer = cls(self.parameters(), lr=0.01)
        return optimizer if self.scheduler is None else ([optimizer], [self.scheduler(optimizer)])


@pytest.mark.parametrize(
    ("module", "callbacks", "message"),
    [
        (lambda: Net("adamw"), [Lookahead(), StochasticWeightAveraging(1e-2)], "StochasticWeightAveraging replaces the schedule"),
        (lambda: Net("adamw"), [Lookahead(evaluate="fast"), StochasticWeightAveraging(1e-2)], "StochasticWeightAveraging replaces"),
        (lambda: Net("adamw"), [Lookahead(), Lookahead()], "callbacks: Lookahead is there twice; keep one of them"),
        (lambda: Net("adamw"), [Lookahead(evaluate="fast"), Lookahead(evaluate="fast")], "callbacks: Lookahead is there twice"),
        (lambda: Net(FREE), [Lookahead()], "AdamWScheduleFree and .*; keep one; or let Lookahead only train, with evaluate: fast|Lookahead and AdamWScheduleFree"),
        (lambda: Net(FREE), [ExponentialMovingAverage()], "AdamWScheduleFree( and ExponentialMovingAverage)? each decide which weights are evaluated and saved; keep one$"),
        (lambda: Net(FREE, scheduler="cosine"), [], "scheduler: AdamWScheduleFree is schedule-free, its average takes the place of a schedule; write scheduler=none"),
        (lambda: Net(FREE, scheduler={"warmup": 4, "main": {"shape": "constant"}}), [], "AdamWScheduleFree is schedule-free"),
        (lambda: Plain(lambda o: torch.optim.lr_scheduler.StepLR(o, 1)), [ScheduleFree()], "AdamWScheduleFree is schedule-free"),
        (lambda: Plain(free=False), [Lookahead(), ModelCheckpoint(save_weights_only=True)], r"ModelCheckpoint\(save_weights_only=True\): Lightning asks no callback"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_at_the_start_of_a_fit(tmp_path, module, callbacks, message):
    options = {} if any(isinstance(c, ModelCheckpoint) for c in callbacks) else {"enable_checkpointing": False}
    module = module()
    before = weights(module).clone()
    with pytest.raises(ConfigError, match=message):
        fit(tmp_path, module, callbacks=list(callbacks), **options)
    assert torch.equal(weights(module), before)


@needs_weight_averaging
def test_two_averages_do_not_go_together(tmp_path):
    with pytest.raises(ConfigError, match="ExponentialMovingAverage and EMAWeightAveraging each decide"):
        fit(
            tmp_path,
            Net("adamw"),
            callbacks=[ExponentialMovingAverage(), EMAWeightAveraging()],
            enable_checkpointing=False,
        )


def test_a_schedule_free_optimizer_takes_what_is_no_schedule_of_the_lr(tmp_path):
    drive = {"weight_decay": {"main": {"shape": "cosine"}, "values": [0.1, 0.2]}}
    for scheduler in (None, "none", "constant", {"main": {"shape": "constant"}, "drive": drive}):
        fit(tmp_path, Net(FREE, scheduler=scheduler), max_epochs=1)
    fit(tmp_path, Plain(ScheduleLR), callbacks=[ScheduleFree()], enable_checkpointing=False, max_epochs=1)


def test_a_module_without_the_mixin(tmp_path):
    def plain(free, callbacks, ckpt_path=None):
        torch.manual_seed(0)
        return fit(tmp_path, Plain(free=free), ckpt_path, callbacks=callbacks)[0]

    for free, cls in ((True, ScheduleFree), (False, Lookahead), (False, ExponentialMovingAverage)):
        module = plain(free, [cls(), *saves(tmp_path / cls.__name__)[::2]])
        for step in (4, 5, 8, 13):
            path = tmp_path / cls.__name__ / f"steps/{step}.ckpt"
            assert torch.equal(weights(plain(free, [cls()], path)), weights(module))


def test_tied_weights(tmp_path):
    class Tied(Net):
        def __init__(self, **specs):
            super().__init__(**specs)
            self.save_hyperparameters()
            self.layer = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4), torch.nn.Linear(4, 1))
            self.layer[1].weight = self.layer[0].weight

    def tied(ckpt_path=None, **options):
        torch.manual_seed(0)
        return fit(tmp_path, Tied(optimizer="adamw", optim_callbacks={"l": K3}), ckpt_path, **options)[0]

    module = tied(callbacks=saves(tmp_path)[:1])
    checkpoint = torch.load(tmp_path / "steps/5.ckpt", weights_only=True)
    assert torch.equal(checkpoint["state_dict"]["layer.0.weight"], checkpoint["state_dict"]["layer.1.weight"])
    assert torch.equal(weights(tied(tmp_path / "steps/5.ckpt")), weights(module))


def test_fast_dev_run_and_a_second_fit(tmp_path):
    fit(tmp_path, Net("adamw", optim_callbacks={"l": K3}), fast_dev_run=2)
    module, fitted = run(tmp_path, "lookahead", max_epochs=1)
    fitted.fit_loop.max_epochs = 2
    fitted.fit(module, loader(), loader(8))
    assert len(data()) == 32
    assert torch.isfinite(weights(module)).all()


@needs_weight_averaging
def test_weight_averaging_is_still_lightnings():
    assert issubclass(EMAWeightAveraging, WeightAveraging)
