"""Stages of an unfreezing, in a real run: what is trained at each step, with which lr, and the weights of a loop by hand."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

import lit_optim
from _support.net import BATCHES, Net, fit, loader, weights
from lit_optim import ConfigError
from lit_optim.callbacks import Unfreeze

HEAD, NORM, STEM = {"module": "layer.2"}, {"module": "layer.1"}, {"module": "layer.0"}
STAGES = {
    "head": {"at": 0, "match": {"role": "output"}},
    "norm": {"at": 5, "match": NORM, "lr": "x0.5", "warmup": 4},
    "rest": {"at": "1.5ep", "lr": 0.01},
}
NO_DECAY = {"rules": {"no_decay": {"match": {"type": ["norm", "bias"]}, "weight_decay": 0.0}}}


class Watched(Net):
    """Keeps what each step trains, and the lr of each parameter."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.trained, self.lrs, self.losses = [], [], []

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        lr = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
        self.trained.append([p.requires_grad for p in self.parameters()])
        self.lrs.append([lr[p] for p in self.parameters()])
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)


def unfreeze(stages=STAGES, **options):
    return {"unfreeze": {"_target_": "lit_optim.callbacks.Unfreeze", "stages": stages, **options}}


def run(tmp_path, optimizer="adamw", ckpt_path=None, stages=STAGES, net=Watched, specs=None, **options):
    torch.manual_seed(0)
    chosen = {"param_groups": NO_DECAY, "scheduler": "cosine", "optim_callbacks": unfreeze(stages), **(specs or {})}
    return fit(tmp_path, net(optimizer, **chosen), ckpt_path, **options)


def test_each_stage_begins_at_its_step(tmp_path):
    module, _ = run(tmp_path)
    head = [False] * 4 + [True] * 2
    norm = [False] * 2 + [True] * 4
    assert module.trained == [head] * 5 + [norm] * 7 + [[True] * 6] * 12


def test_the_lr_of_each_parameter_at_each_step(tmp_path):
    module, fitting = run(
        tmp_path, {"_target_": "adamw", "lr": 0.02}, specs={"scheduler": {"main": {"shape": "linear"}}}
    )
    for t, lrs in enumerate(module.lrs):
        linear = 1 - t / 24
        ramp = max(0, min(1, (t - 4) / 4))
        assert lrs == pytest.approx(
            [0.01 * linear] * 2 + [0.01 * linear * ramp] * 2 + [0.02 * linear] * 2, rel=1e-12
        ), t
    names = [group["name"] for group in fitting.optimizers[0].param_groups]
    assert sorted(names) == ["head", "head/no_decay", "no_decay/norm", "no_decay/rest", "rest"]
    assert [len(lrs) for lrs in module.used] == [5] * 24


def by_hand(tmp_path):
    """The loop that a user writes with torch alone."""
    torch.manual_seed(0)
    net = Net()
    stem, norm, head = net.layer
    lr = 0.02
    groups = [
        {"params": [head.weight], "lr": lr, "weight_decay": 0.1},
        {"params": [head.bias], "lr": lr, "weight_decay": 0.0},
        {"params": [norm.weight, norm.bias], "lr": lr / 2, "weight_decay": 0.0},
        {"params": [stem.weight], "lr": 0.01, "weight_decay": 0.1},
        {"params": [stem.bias], "lr": 0.01, "weight_decay": 0.0},
    ]
    initial = [group["lr"] for group in groups]
    optimizer = torch.optim.AdamW(groups, fused=True)
    batches = loader()
    for epoch in range(3):
        batches.sampler.set_epoch(epoch)
        for i, (x, y) in enumerate(batches):
            t = epoch * BATCHES + i
            stem.requires_grad_(t >= 12)
            norm.requires_grad_(t >= 5)
            for k, group in enumerate(optimizer.param_groups):
                group["lr"] = initial[k] * ((1 - t / 24) * (min(max((t - 4) / 4, 0), 1) if k == 2 else 1))
            optimizer.zero_grad()
            (net.layer(x) - y).square().mean().backward()
            optimizer.step()
    return weights(net)


def test_ends_with_the_weights_of_a_loop_by_hand(tmp_path):
    optimizer = {"_target_": "adamw", "lr": 0.02, "weight_decay": 0.1}
    module, _ = run(tmp_path, optimizer, specs={"scheduler": {"main": {"shape": "linear"}}})
    assert torch.equal(weights(module), by_hand(tmp_path))


SWITCHES = {"swats": {"_target_": "lit_optim.callbacks.SWATS", "at": 10}}
EVERY, AT_EDGES = range(1, 24), (4, 5, 8, 11, 12, 13)


@pytest.mark.parametrize(
    ("optimizer", "more", "steps"),
    [
        ("adamw", [], EVERY),
        *(("adamw", more, AT_EDGES) for more in (["lookahead"], ["ema"], ["gradient_noise", "agc"], [SWITCHES])),
        *((optimizer, [], AT_EDGES) for optimizer in ("momentum", "adagrad", "adabound")),
    ],
    ids=str,
)
def test_resumes_bit_for_bit(tmp_path, optimizer, more, steps):
    specs = {"optim_callbacks": [unfreeze(), *more], "scheduler": "warmup_cosine"}
    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    unbroken, _ = run(tmp_path, optimizer, specs=specs, callbacks=[saves])
    for step in steps:
        resumed, _ = run(tmp_path, optimizer, tmp_path / f"step={step}.ckpt", specs=specs)
        assert torch.equal(weights(resumed), weights(unbroken)), step
        assert resumed.trained == unbroken.trained[step:], step
        assert resumed.lrs == unbroken.lrs[step:], step


def plain_loop(optimizer, begin, steps=8):
    """Two layers, the first frozen until a step; every tensor after each step."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 1))
    net[0].weight.grad = None
    stepper = lit_optim.build_optimizer(optimizer, net)
    before = net[0].weight.detach().clone()
    for t in range(steps):
        net[0].requires_grad_(t >= begin)
        if t == begin:
            assert torch.equal(net[0].weight, before)
        stepper.zero_grad()
        net(torch.ones(2, 3)).square().mean().backward()
        stepper.step()
    assert torch.equal(net[0].weight, before) == (begin >= steps)
    assert all(torch.isfinite(p).all() for p in net.parameters())


OPTIMIZERS = ["adamw", "adam", "nadam", "radam", "sgd", "momentum", "adagrad", "adamax", "rmsprop", "adadelta", "asgd",
              "rprop", "adafactor", "adabound", "adabound_w", "sgdw", "compiled/nadam", "amsgrad", "swats"]  # fmt: skip


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers_leave_a_parameter_without_gradient_alone(optimizer):
    """Its weight decay too."""
    spec = (
        {"_target_": optimizer, "weight_decay": 0.1} if optimizer not in ("rprop", "swats", "adafactor") else optimizer
    )
    plain_loop(spec, begin=4)
    plain_loop(spec, begin=8)


class WithNorms(Net):
    """Two BatchNorms, the second without parameters, in the part that is frozen at first."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        body = [torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.BatchNorm1d(8, affine=False)]
        self.layer = torch.nn.Sequential(torch.nn.Sequential(*body), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1))
        self.means = []

    def on_train_batch_end(self, *_):
        norms = [each for each in self.modules() if isinstance(each, torch.nn.BatchNorm1d)]
        self.means.append([norm.running_mean.clone() for norm in norms])
        assert all(self.training for _ in norms)


def test_batch_norms_keep_their_statistics_while_they_are_frozen(tmp_path):
    """Also after validation, which puts the module back into train mode, and in a resumed run."""
    stages = {"body": {"at": 11, "match": {"module": "layer.0"}}}
    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=10, save_top_k=-1)
    module, _ = run(tmp_path, stages=stages, net=WithNorms, specs={"param_groups": None}, callbacks=[saves])
    still = [[not mean.any() for mean in means] for means in module.means]
    assert still == [[True, True, False]] * 11 + [[False] * 3] * 13
    assert all(part.training for part in module.modules())
    resumed, _ = run(
        tmp_path, stages=stages, net=WithNorms, specs={"param_groups": None}, ckpt_path=tmp_path / "step=10.ckpt"
    )
    assert torch.equal(weights(resumed), weights(module))
    moving, _ = run(
        tmp_path,
        specs={"param_groups": None, "optim_callbacks": unfreeze(stages, batch_norm_eval=False)},
        net=WithNorms,
    )
    assert all(mean.any() for mean in moving.means[0])


def test_without_the_mixin_stages_freeze_and_have_no_lr(tmp_path):
    class Plain(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer, self.trained = Net().layer, []

        def training_step(self, batch, batch_idx):
            self.trained.append(self.layer[0].weight.requires_grad)
            return self.layer(batch[0]).square().mean()

        def validation_step(self, batch, batch_idx):
            """Nothing to see."""

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    stages = {"stem": {"at": "1ep", "match": STEM}}
    module, _ = fit(tmp_path, Plain(), callbacks=[Unfreeze(stages)], enable_checkpointing=False)
    assert module.trained == [False] * 8 + [True] * 16
    with pytest.raises(ConfigError, match=r"unfreeze\.stages\.stem: the optimizer has no groups of this name; inherit"):
        fit(
            tmp_path, Plain(), callbacks=[Unfreeze({"stem": {**stages["stem"], "lr": 0.1}})], enable_checkpointing=False
        )


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "write either stages, or gradual"),
        ({"a": {"at": 0}, "b": {"at": 1}}, r"stages\.b\.match: missing, and stages\.a takes the rest already"),
        ({"a": {"at": 5}}, r"stages: no stage begins at 0, so that nothing is trained at first; write e\.g\."),
        ({"a": {"at": 5, "match": STEM}, "b": {"at": 2, "match": HEAD}}, r"stages\.b\.at: before stages\.a, which"),
        ({"a": {"at": "2ep", "match": STEM}, "b": {"at": 0, "match": HEAD}}, r"stages\.b\.at: before stages\.a"),
        (
            {"a": {"att": 0}},
            r"(?s)stages\.a\.att=0: a stage has no such key; did you mean 'at'\?.*stages\.a\.at: missing",
        ),
        ({"a": {"at": 1.5}}, r"stages\.a\.at=1\.5: neither a share below 1 nor a whole number"),
        ({"a": {"at": 0, "lr": "fast"}}, r"stages\.a\.lr='fast': write a factor of the optimizer's lr"),
        ({"a": {"at": 0, "lr": -1}}, r"stages\.a\.lr=-1: write a factor"),
        (
            {"a": {"at": 0, "match": {"rol": "output"}}},
            r"stages\.a\.match\.rol='output': no such selector; did you mean",
        ),
        ({"a/b": {"at": 0}}, r"stages\.a/b='a/b': a stage's name is part of the names of groups"),
    ],
)
def test_wrong_stages_are_named_before_there_is_a_module(stages, message):
    with pytest.raises(ConfigError, match=message):
        Unfreeze(stages)


def test_a_wrong_stage_stops_the_run_before_data_is_prepared(tmp_path):
    net = Net("sgd", optim_callbacks=unfreeze({"a": {"at": 0, "momentum": 2}}))
    net.prepare_data = lambda: pytest.fail("data was prepared")
    with pytest.raises(
        ConfigError, match=r"^optim_callbacks\.unfreeze\.stages\.a\.momentum=2: a stage has no such key"
    ):
        fit(tmp_path, net)


FROZEN_STEM = {"rules": {"stem": {"match": STEM, "freeze": True}}}


@pytest.mark.parametrize(
    ("stages", "rules", "message"),
    [
        ({"a": {"at": 1, "match": {"module": "layr.0"}}}, None, r"stages\.a\.match\.module='layr\.0': matches no parameter; did you mean 'layer"),
        ({"a": {"at": 1, "match": {"type": "conv"}}}, None, r"stages\.a\.match=\{'type': 'conv'\}: matches no parameter"),
        ({"a": {"at": 0, "match": STEM}, "b": {"at": 1, "match": {"name": "layer.0.*"}}}, None, r"stages\.b: all its parameters belong to other stages: a"),
        ({"a": {"at": "1ep", "match": {"module": "layer"}}}, None, "nothing is trained before step 8; let a stage begin at 0"),
        ({"a": {"at": "1ep", "match": STEM}}, FROZEN_STEM, r"stages\.a: its parameters do not require grad, or a rule freezes them"),
        ({"a": {"at": 9, "match": STEM}, "b": {"at": "1ep", "match": HEAD}}, None, r"stages\.b\.at: is step 8, before stages\.a \(step 9\), which is listed first"),
    ],
)  # fmt: skip
def test_wrong_stages_are_named_at_fit_start(tmp_path, stages, rules, message):
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, "sgd", stages=stages, specs={"param_groups": rules})


def test_a_stage_past_the_end_is_warned_of(tmp_path):
    with pytest.warns(
        UserWarning, match=r"unfreeze\.stages\.a: begins at step 24, and the run ends after 24: never trained"
    ):
        module, _ = run(tmp_path, stages={"a": {"at": "3ep", "match": STEM}})
    assert module.trained == [[False] * 2 + [True] * 4] * 24
    assert all(p.requires_grad for p in module.parameters()), "left as it was before the fit"


def test_a_warmup_needs_a_schedule_that_can_be_multiplied(tmp_path):
    foreign = {"_target_": "torch.optim.lr_scheduler.CosineAnnealingLR", "T_max": 24, "interval": "step"}
    with pytest.raises(
        ConfigError, match=r"unfreeze\.stages\.norm\.warmup: a warmup multiplies a schedule of lit_optim"
    ):
        run(tmp_path, specs={"scheduler": foreign})


def test_a_rule_of_the_stages_name_and_a_schedule_of_its_groups(tmp_path):
    """A rule's schedule, times the stage's warmup."""
    rules = {"rules": {"norm": {"match": NORM, "lr": "x4", "schedule": {"main": {"shape": "constant"}}}}}
    stages = {"norm": {"at": 2, "match": NORM, "warmup": 2}}
    module, _ = run(tmp_path, {"_target_": "sgd", "lr": 0.01}, stages=stages, specs={"param_groups": rules})
    assert [lrs[2] for lrs in module.lrs] == pytest.approx([0, 0, 0.02] + [0.04] * 21, rel=1e-12)
    assert module.lrs[12][0] == pytest.approx(0.005)


def test_gradual_one_more_layer_in_each_period(tmp_path):
    """ULMFiT: from the last layer to the first."""
    chosen = {"unfreeze": {"_target_": "lit_optim.callbacks.Unfreeze", "gradual": "0.5ep"}}
    module, fitting = run(tmp_path, specs={"optim_callbacks": chosen})
    first, last = [False] * 4 + [True] * 2, [True] * 6
    assert module.trained == [first] * 4 + [last] * 20
    assert [group["name"] for group in fitting.optimizers[0].param_groups] == ["default", "no_decay"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradual": "1ep", "stages": {"a": 0}}, "stages: write either stages, or gradual: 1ep"),
        ({"gradual": 0}, "gradual=0: all layers at once"),
        ({"gradual": "1 week"}, "gradual='1 week': not a duration"),
    ],
)
def test_wrong_gradual(options, message):
    with pytest.raises(ConfigError, match=message):
        Unfreeze(**options)


def test_counts_optimizer_steps_and_not_batches(tmp_path):
    module, _ = run(tmp_path, stages={"stem": {"at": 5, "match": STEM}}, accumulate_grad_batches=2)
    assert [trained[0] for trained in module.trained] == [False] * 5 + [True] * 7


def test_as_a_callback_of_the_trainer(tmp_path):
    torch.manual_seed(0)
    module, _ = fit(
        tmp_path, Watched("sgd", scheduler="constant"), callbacks=[Unfreeze(STAGES)], enable_checkpointing=False
    )
    assert [trained[2] for trained in module.trained] == [False] * 5 + [True] * 19
    assert [lrs[2] for lrs in module.lrs[4:10]] == pytest.approx([0, 0.00125, 0.0025, 0.00375, 0.005, 0.005])


def test_a_short_trial_run_is_not_warned(tmp_path):
    module, _ = run(tmp_path, stages={"stem": {"at": "1ep", "match": STEM}}, fast_dev_run=1)
    assert module.trained == [[False] * 2 + [True] * 4]
