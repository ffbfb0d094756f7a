"""Runs that are resumed with other param groups or other parameters: state goes by name, the rest is listed once."""

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.net import BATCHES, Net, fit

RULES = {"rules": {"first": {"match": {"name": "layer.0.*"}, "lr": "x1.0"}}}
DECAYED = {"layers": {"decay": 0.5, "of": "layer"}}
SPECS = {
    "adamw": {"optimizer": "adamw"},
    "schedule": {"optimizer": "adamw", "scheduler": "warmup_cosine"},
    "momentum": {"optimizer": "momentum", "scheduler": "linear"},
    "sgdw": {"optimizer": "sgdw", "scheduler": "warmup_cosine"},
    "lookahead": {"optimizer": "adamw", "optim_callbacks": "lookahead"},
    "ema": {"optimizer": "adamw", "optim_callbacks": "ema"},
    "swats": {"optimizer": "adamw", "optim_callbacks": {"swats": {"_target_": "lit_optim.callbacks.SWATS", "at": 4}}},
}


class Part(Net):
    """A net of which the first or the last layer is not trained at first; its parameters do not notice each other."""

    def __init__(self, frozen="", **specs):
        super().__init__(**specs)
        for name, p in self.named_parameters():
            p.requires_grad_(not (frozen and name.startswith(frozen)))

    def loss(self, batch):
        x, y = batch
        first, norm, last = self.layer
        return sum(
            (layer(t) - y).square().mean() for layer, t in ((first, x), (norm, x.repeat(1, 2)), (last, x.repeat(1, 2)))
        )


def first_run(folder, epochs=2, **options):
    save = ModelCheckpoint(folder, "{epoch}", save_top_k=-1)
    module, _ = fit(folder, Part(**options), callbacks=[save], max_epochs=epochs, limit_val_batches=0)
    return folder / "epoch=0.ckpt", module


def resumed(folder, path, **options):
    return fit(folder, Part(**options), ckpt_path=path, max_epochs=2, limit_val_batches=0)[0]


def assert_equal(one, other, names):
    for name, p in one.named_parameters():
        if name.startswith(names):
            torch.testing.assert_close(p, other.get_parameter(name), rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.parametrize("name", SPECS)
def test_a_frozen_layer_is_listed_and_the_others_do_not_notice(tmp_path, name):
    path, unbroken = first_run(tmp_path, **SPECS[name])
    with pytest.warns(UserWarning, match=r"dropped with their state: layer\.2\.weight, layer\.2\.bias"):
        module = resumed(tmp_path, path, frozen="layer.2", **SPECS[name])
    assert_equal(module, unbroken, ("layer.0", "layer.1"))
    assert len(module.used) == BATCHES


@pytest.mark.parametrize("name", SPECS)
def test_an_unfrozen_layer_begins_and_the_others_do_not_notice(tmp_path, name):
    path, unbroken = first_run(tmp_path, frozen="layer.2", **SPECS[name])
    with pytest.warns(UserWarning, match=r"begin at their first step: layer\.2\.weight, layer\.2\.bias"):
        module = resumed(tmp_path, path, **SPECS[name])
    assert_equal(module, unbroken, ("layer.0", "layer.1"))
    optimizer = module.trainer.optimizers[0]
    assert {float(optimizer.state[p].get("step", BATCHES)) for p in module.layer[2].parameters()} == {BATCHES}


@pytest.mark.parametrize("name", SPECS)
def test_other_groups_of_equal_values_change_nothing(tmp_path, name):
    path, unbroken = first_run(tmp_path, **SPECS[name])
    with pytest.warns(UserWarning, match=r"in another group: layer\.0\.weight \(default -> first\)"):
        module = resumed(tmp_path, path, param_groups=RULES, **SPECS[name])
    assert module.used == [[each] * 2 for (each,) in unbroken.used[BATCHES:]]
    assert_equal(module, unbroken, "layer")
    path, unbroken = first_run(tmp_path / "back", param_groups=RULES, **SPECS[name])
    with pytest.warns(UserWarning, match="groups that are no more: first"):
        module = resumed(tmp_path, path, **SPECS[name])
    assert module.used == [[each] for each, _ in unbroken.used[BATCHES:]]
    assert_equal(module, unbroken, "layer")


@pytest.mark.parametrize("name", ["adamw", "schedule", "momentum", "sgdw", "swats"])
def test_layer_decay_switched_on_scales_the_lrs_of_the_rest_of_the_run(tmp_path, name):
    path, unbroken = first_run(tmp_path, **SPECS[name])
    with pytest.warns(UserWarning, match="new groups, with the values of the configuration: layer_"):
        module = resumed(tmp_path, path, param_groups=DECAYED, **SPECS[name])
    ratios = [group["lr"] / unbroken.used[-1][0] for group in [{"lr": lr} for lr in module.used[-1]]]
    assert sorted(ratios) == pytest.approx([0.5, 1.0])
    for now, (then,) in zip(module.used, unbroken.used[BATCHES:], strict=True):
        assert now == pytest.approx([then * ratio for ratio in ratios])
    assert_equal(module, unbroken, "layer.2")


def test_the_checkpoints_groups_where_the_policy_says_so(tmp_path):
    path, unbroken = first_run(tmp_path, param_groups=RULES)
    with pytest.warns(UserWarning, match="param_groups"):
        module = resumed(tmp_path, path, param_groups={**DECAYED, "rules": {}}, optimizer="adamw")
    module = Part(optimizer="adamw", param_groups=None)
    module.hparams["resume"] = {"groups": "checkpoint"}
    with pytest.warns(UserWarning, match="param_groups"):
        fit(tmp_path, module, ckpt_path=path, max_epochs=2, limit_val_batches=0)
    assert module.used == unbroken.used[BATCHES:]
    assert_equal(module, unbroken, "layer")
