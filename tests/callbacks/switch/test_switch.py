"""A planned change of optimizer through the Trainer: when it takes place, what the lr is then, and that a resume is exact."""

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

import lit_optim
from _support.net import Net, fit, weights
from conftest import SCHEDULERS
from lit_optim import ConfigError
from lit_optim.config.read import presets
from lit_optim.optimizers import Switched

TARGET = "lit_optim.callbacks.Switch"
AT = {"_target_": TARGET, "to": "momentum", "at": 10, "lr": 0.02}
STALLED = {"monitor": "val/loss", "patience": 0, "threshold": 10.0}
STEPS = 24  # 3 epochs of 8
RULES = {"rules": [{"match": {"type": "bias"}, "lr": "x0.5", "weight_decay": 0.0}]}


def net(optimizer="adamw", scheduler="warmup_cosine", switch=AT, **specs):
    torch.manual_seed(1)
    return Net(optimizer, scheduler=scheduler, optim_callbacks={"switch": switch} if switch else None, **specs)


def checkpoints(folder):
    every = dict(save_top_k=-1, save_on_train_epoch_end=False, auto_insert_metric_name=False)
    return [
        ModelCheckpoint(folder, "s{step}", every_n_train_steps=1, **every),
        ModelCheckpoint(folder, "v{epoch}", monitor="val/loss", **every),
    ]


def group(run):
    return run.optimizers[0].param_groups[0]


def by_hand(module, first, second, at):
    """The module's batches with one optimizer, then another, with lrs by step."""
    from _support.net import loader

    steps, optimizer, batches = 0, None, loader()
    for epoch in range(3):
        batches.sampler.set_epoch(epoch)
        for batch in batches:
            if steps in (0, at):
                make, lrs = (first, second)[steps == at]
                optimizer = make(module.parameters())
            optimizer.param_groups[0]["lr"] = lrs[steps]
            optimizer.zero_grad()
            module.loss(batch).backward()
            optimizer.step()
            steps += 1
    return weights(module)


def test_as_a_loop_by_hand_that_changes_at_the_step(tmp_path):
    ours, run = fit(tmp_path, net(scheduler="cosine"))
    assert isinstance(run.optimizers[0], Switched)
    assert group(run)["switched_to"] == "SGD"
    plain, _ = fit(tmp_path, net(scheduler="cosine", switch=None))
    factors = [used[0] / 1e-3 for used in plain.used]
    adam = (lambda ps: torch.optim.AdamW(ps, lr=1e-3, weight_decay=0.01, fused=True), [1e-3 * f for f in factors])
    sgd = (
        lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True),
        [0.02 * f for f in factors],
    )
    expected = by_hand(net(scheduler="cosine"), adam, sgd, 10)
    torch.testing.assert_close(weights(ours), expected, rtol=1e-5, atol=1e-7)
    assert not torch.allclose(weights(plain), expected)
    assert ours.used[9][0] == pytest.approx(1e-3 * factors[9])
    assert ours.used[10][0] == pytest.approx(0.02 * factors[10])


@pytest.mark.parametrize("name", [name for name in SCHEDULERS if name not in ("lambda", "warmup_lambda")])
def test_lr_of_every_step_under_every_schedule(tmp_path, name):
    """New initial lr x factor of the same run without a change; groups keep their ratios."""
    spec = dict(presets.load_preset("scheduler", name))
    if "plateau" in name:
        spec["main"] = {**spec["main"], "patience": 0}
    options = dict(scheduler=spec, param_groups=RULES, val_losses=[1.0, 1.0, 0.5])
    plain, _ = fit(tmp_path, net(switch=None, **options))
    ours, _ = fit(tmp_path, net(switch={**AT, "lr": "x20"}, **options))
    for step, (before, after) in enumerate(zip(plain.used, ours.used, strict=True)):
        assert after == pytest.approx([lr * (1 if step < 10 else 20) for lr in before]), step


PAIRS = [("adamw", "momentum"), ("sgd", "asgd"), ("adam", "nadam"), ("momentum", "sgdw"), ("rmsprop", "adabound")]


@pytest.mark.parametrize("way", ["at", "metric"])
@pytest.mark.parametrize(("name", "to"), PAIRS)
def test_resume_is_exact_from_before_and_after(tmp_path, name, to, way):
    switch = {"_target_": TARGET, "to": to, "lr": "x2", **({"at": 10} if way == "at" else {"on_metric": STALLED})}
    whole, run = fit(tmp_path, net(name, switch=switch, param_groups=RULES), callbacks=checkpoints(tmp_path / "saved"))
    found = group(run)
    assert found["switched_to"] is not None
    at = 10 if way == "at" else 16
    names = [f"s{step}.ckpt" for step in (1, at - 1, at, at + 1, STEPS - 1) if way == "at" or step != 16]
    for file in [*names, "v0.ckpt", "v1.ckpt"]:
        resumed, again = fit(
            tmp_path / "again", net(name, switch=switch, param_groups=RULES), tmp_path / "saved" / file
        )
        assert torch.equal(weights(resumed), weights(whole)), file
        assert {k: v for k, v in group(again).items() if k != "params"} == {
            k: v for k, v in found.items() if k != "params"
        }, file


def test_a_checkpoint_from_after_needs_it_and_one_from_before_goes_on_without(tmp_path):
    fit(tmp_path, net(switch={**AT, "to": "adam"}), callbacks=checkpoints(tmp_path / "saved"))
    with pytest.raises(ConfigError, match="its optimizer has changed to Adam.*add optim_callbacks=switch"):
        fit(tmp_path, net(switch=None), tmp_path / "saved" / "s12.ckpt")
    with pytest.raises(ConfigError, match="ckpt_path: it has switched to Adam, and here to=SGD"):
        fit(tmp_path, net(), tmp_path / "saved" / "s12.ckpt")
    plain, _ = fit(tmp_path, net(switch=None), tmp_path / "saved" / "s6.ckpt")
    expected, _ = fit(tmp_path, net(switch=None))
    assert torch.equal(weights(plain), weights(expected))


def test_a_checkpoint_of_the_first_class_alone_goes_on_with_it(tmp_path):
    fit(tmp_path, net(switch=None), callbacks=checkpoints(tmp_path / "saved"))
    resumed, run = fit(tmp_path, net(), tmp_path / "saved" / "s6.ckpt")
    expected, _ = fit(tmp_path, net())
    assert group(run)["switched_to"] == "SGD"
    assert torch.equal(weights(resumed), weights(expected))


@pytest.mark.filterwarnings("ignore:ckpt_path. this run is not the one")  # counters in groups are compared
@pytest.mark.parametrize("other", ["ema", "lookahead", "agc"])
def test_beside_other_callbacks_it_resumes_exactly(tmp_path, other):
    def module():
        torch.manual_seed(1)
        return Net("adamw", scheduler="cosine", optim_callbacks=[other, {"switch": AT}])

    whole, _ = fit(tmp_path, module(), callbacks=checkpoints(tmp_path / "saved"))
    for file in ("s9.ckpt", "s10.ckpt", "s11.ckpt"):
        resumed, _ = fit(tmp_path / "again", module(), tmp_path / "saved" / file)
        assert torch.equal(weights(resumed), weights(whole)), file


def test_an_assigned_lr_scales_what_is_relative_only(tmp_path):
    for lr, expected in ((0.02, 0.02), ("x20", 0.04)):
        module = net(scheduler="constant", switch={**AT, "lr": lr})
        module.lr = 2e-3
        fit(tmp_path, module)
        assert [module.used[step][0] for step in (9, 10)] == pytest.approx([2e-3, expected])


def test_past_the_end_it_warns(tmp_path):
    with pytest.warns(UserWarning, match="a change after 24 optimizer steps never comes, the run has 24; write"):
        fit(tmp_path, net(switch={**AT, "at": 24}))


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        ({"optimizer": "lbfgs"}, "optimizer=torch.optim.LBFGS: takes its steps by a closure.*remove optim_callbacks.switch"),
        ({"optimizer": "swats"}, "is several optimizers already"),
        ({"optimizer": "muon_adamw"}, "is several optimizers already"),
        ({"param_groups": {"mup": {"base_width": 8, "width": 16}}}, "param_groups.mup: scales each group for one class"),
        ({"switch": {**AT, "to": "sdg"}}, "optim_callbacks.switch.to='sdg': no preset of that name; did you mean 'sgd'"),
        ({"switch": {**AT, "to": "lbfgs"}}, "optim_callbacks.switch.to=torch.optim.LBFGS: takes its steps by a closure"),
        ({"switch": {**AT, "to": {"_target_": "sgd", "lrr": 1}}}, "optim_callbacks.switch.to.lrr=1: SGD has no"),
        ({"switch": {**AT, "lr": "fast"}}, "optim_callbacks.switch.lr='fast': write an absolute"),
        ({"switch": {**AT, "at": "never"}}, "optim_callbacks.switch.at=never: nothing would change"),
        ({"switch": {**AT, "at": 0}}, "optim_callbacks.switch.at=0: must be after the first step"),
        ({"switch": {**AT, "on_metric": {"patience": 1}}}, "optim_callbacks.switch.on_metric="),
    ],
)  # fmt: skip
def test_what_cannot_be_is_rejected_before_data(specs, words):
    switch = specs.pop("switch", AT)
    with pytest.raises(ConfigError, match=words):
        lit_optim.validate({"optimizer": "adamw", **specs, "optim_callbacks": {"switch": switch}})


def test_forms_of_to():
    build = lit_optim.build_callbacks
    forms = ["momentum", {"name": "momentum"}, {"_target_": "momentum"}, {"_target_": "torch.optim.SGD", "lr": 0.1, "momentum": 0.9}]  # fmt: skip
    for form in forms:
        (callback,) = build({"switch": {**AT, "to": form}})
        assert callback.to.cls is torch.optim.SGD
        assert callback.to.arguments["momentum"] == 0.9


def test_a_drive_that_the_second_has_not_and_a_foreign_schedule_are_rejected(tmp_path):
    drive = {"_target_": "lit_optim.ScheduleLR", "main": {"shape": "cosine"}, "drive": {"betas[1]": {"main": {"shape": "cosine"}}}}  # fmt: skip
    with pytest.raises(ConfigError, match=r"scheduler.drive.betas\[1\]: SGD of optim_callbacks.switch.to has no such"):
        fit(tmp_path, net(scheduler=drive))
    cycle = {"_target_": "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts", "T_0": 2}
    with pytest.raises(ConfigError, match="would put the old one in place of the new one"):
        fit(tmp_path, net(scheduler=cycle))


@pytest.mark.filterwarnings("ignore")
def test_an_optimizer_by_hand_is_rejected(tmp_path):
    module = net()
    module.configure_optimizers = lambda: torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(ConfigError, match="optim_callbacks=switch needs an optimizer that"):
        fit(tmp_path, module)


def test_a_driven_value_goes_on_as_it_was(tmp_path):
    drive = {"_target_": "lit_optim.ScheduleLR", "main": {"shape": "constant"}, "drive": {"weight_decay": {"main": {"shape": "linear"}}}}  # fmt: skip
    seen = []

    class Look(lit_optim.callbacks.OptimizerCallback):
        def on_train_batch_start(self, run, module, batch, i):
            seen.append(group(run)["weight_decay"])

    fit(tmp_path, net(scheduler=drive), callbacks=[Look()])
    assert seen == pytest.approx([0.01 * (1 - step / STEPS) for step in range(STEPS)])
