"""The key `lr_scaling` of an optimizer spec: checks, rules, what is scaled."""

import pytest
import torch
from omegaconf import OmegaConf

from lit_optim import ConfigError, build_optimizer, compose, validate
from lit_optim.config.build.lr_scaling import lr_factor
from lit_optim.config.read.command_line import choices
from lit_optim.config.read.presets import preset_names
from lit_optim.config.resolve import resolve_specs
from lit_optim.preview.curves import preview

BASE = {"base_batch_size": 256}


def net():
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.LayerNorm(2))


def test_both_rules():
    assert [lr_factor(rule, 1024, 256) for rule in ("linear", "sqrt")] == [4.0, 2.0]
    assert [lr_factor(rule, 64, 256) for rule in ("linear", "sqrt")] == [0.25, 0.5]


@pytest.mark.parametrize(("rule", "factor"), [("linear", 4.0), ("sqrt", 2.0), ("auto", 4.0), (None, 4.0)])
def test_all_lrs_of_the_spec_are_scaled_alike(rule, factor):
    scaling = {**BASE, "batch_size": 1024, **({"rule": rule} if rule else {})}
    rules = {"rules": [{"match": {"type": "norm"}, "lr": 0.03, "name": "norms"}]}
    spec = {"_target_": "sgd", "lr": 0.1, "lr_scaling": scaling}
    optimizer = build_optimizer(spec, net(), param_groups=rules)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1 * factor, 0.03 * factor]
    assert optimizer.defaults["lr"] == 0.1 * factor
    assert all(
        set(group) == set(build_optimizer("sgd", net()).param_groups[0]) | {"name"} for group in optimizer.param_groups
    )


def test_the_bounds_of_adabound_stay():
    scaled = build_optimizer("adabound", net(), lr_scaling={**BASE, "batch_size": 1024})
    assert (
        scaled.param_groups[0]["base_lr"]
        == scaled.param_groups[0]["lr"]
        == 2 * build_optimizer("adabound", net()).param_groups[0]["lr"]
    )


LINEAR = {"asgd", "lars", "momentum", "nesterov", "schedule_free_sgd", "sgd", "sgdw"}
UNKNOWN = {"lbfgs", "sophia", "sparse_adam"}


@pytest.mark.parametrize("name", [name for name in preset_names("optimizer") if name != "any"])
def test_auto_is_linear_for_optimizers_whose_steps_grow_with_the_gradient(name):
    try:
        resolve_specs({"optimizer": name})
    except ConfigError as error:
        pytest.skip(str(error))
    if name in UNKNOWN:
        with pytest.raises(ConfigError, match=r"lr_scaling.rule='auto': is not known for .*; write linear"):
            resolve_specs({"optimizer": name}, overrides={"lr_scaling": BASE})
    else:
        resolved = resolve_specs({"optimizer": name}, overrides={"lr_scaling": BASE})
        assert resolved.lr_scaling.rule == ("linear" if name in LINEAR else "sqrt")


def test_auto_looks_at_the_values_too():
    def rule(**values):
        return resolve_specs({"optimizer": "adam"}, overrides={**values, "lr_scaling": BASE}).lr_scaling.rule

    assert (rule(), rule(eps=1e6)) == ("sqrt", "linear")


WRONG = [
    ({"base_batch_size": 256, "rule": "lin"}, "lr_scaling.rule='lin': lr_scaling expects 'linear' | 'sqrt' | 'auto'; did you mean 'linear'?"),
    ({"base_batch_size": 0}, "lr_scaling.base_batch_size=0: must be a whole number of at least 1"),
    ({"base_batch_size": 256, "batch_size": -1}, "lr_scaling.batch_size=-1: must be a whole number of at least 1"),
    ({"base_batch_size": "x"}, "lr_scaling.base_batch_size='x': lr_scaling expects int"),
    ({"base_batchsize": 256}, "lr_scaling.base_batchsize=256: lr_scaling has no argument 'base_batchsize'; did you mean 'base_batch_size'?"),
    ({"rule": "sqrt"}, "lr_scaling.base_batch_size: lr_scaling needs a value for it"),
    (256, "lr_scaling=256: expects a mapping; write {base_batch_size: 256}"),
]  # fmt: skip


@pytest.mark.parametrize(("scaling", "message"), WRONG, ids=[str(scaling) for scaling, _ in WRONG])
def test_a_wrong_key_is_an_error_everywhere(scaling, message):
    with pytest.raises(ConfigError) as error:
        validate({"optimizer": {"_target_": "sgd", "lr_scaling": scaling}, "scheduler": "cosine"})
    assert f"optimizer.{message}" in str(error.value)
    [choice] = choices(["optimizer=sgd", "total_steps=9"])
    choice.overrides["optimizer"] = {"lr_scaling": scaling}
    with pytest.raises(ConfigError) as error:
        preview(choice)
    assert f"optimizer.{message}" in str(error.value)


def test_its_problems_are_listed_beside_others_and_its_name_is_suggested():
    with pytest.raises(ConfigError) as error:
        validate({"optimizer": {"_target_": "sgd", "lr": -1.0, "lr_scaling": {"base_batch_size": 0}}})
    assert len(error.value.problems) == 2
    with pytest.raises(ConfigError, match=r"SGD has no argument 'lr_scale'; did you mean 'lr_scaling'"):
        validate({"optimizer": {"_target_": "sgd", "lr_scale": {"base_batch_size": 1}}})


def test_without_a_trainer_the_batch_size_has_to_be_given():
    message = (
        r"optimizer.lr_scaling.batch_size: missing; without a Trainer, give .* optimizer.lr_scaling.batch_size=256"
    )
    with pytest.raises(ConfigError, match=message):
        build_optimizer("sgd", net(), lr_scaling=BASE)
    assert build_optimizer("sgd", net(), lr_scaling=None).defaults["lr"] == build_optimizer("sgd", net()).defaults["lr"]


def test_without_an_lr_there_is_nothing_to_scale():
    class NoLr(torch.optim.SGD):
        def __init__(self, params):
            super().__init__(params, lr=0.1)
            del self.defaults["lr"]

    scaling = {**BASE, "batch_size": 1, "rule": "sqrt"}
    with pytest.raises(ConfigError, match=r"optimizer.lr_scaling: NoLr has no lr that could be scaled; remove it"):
        build_optimizer({"_target_": NoLr, "lr_scaling": scaling}, net())


def test_on_the_command_line_and_with_hydras_own_partial():
    words = ["optimizer=sgd", "optimizer.lr=0.1", "+optimizer.lr_scaling.base_batch_size=256"]
    spec = compose([*words, "+optimizer.lr_scaling.batch_size=512"]).optimizer
    assert build_optimizer(spec, net()).defaults["lr"] == 0.2
    import hydra

    assert build_optimizer(hydra.utils.instantiate(spec), net()).defaults["lr"] == 0.2
    assert build_optimizer(OmegaConf.merge(spec, {"lr_scaling": None}), net()).defaults["lr"] == 0.1


def test_a_preview_is_drawn_for_the_batch_size_where_it_is_known():
    def drawn(*words):
        [choice] = choices(["optimizer=sgd", "optimizer.lr=0.1", "total_steps=2", *words])
        result = preview(choice)
        return result.curves[0].value(0), " ".join(result.notes)

    value, notes = drawn("optimizer.lr_scaling.base_batch_size=256")
    assert value == 0.1
    assert "drawn for the base batch size" in notes
    value, notes = drawn("optimizer.lr_scaling={base_batch_size: 256, batch_size: 512}")
    assert value == 0.2
    assert "lr 0.1 x 2 (linear: batch 512, base 256) = 0.2" in notes


def test_swats_keeps_it():
    resolved = resolve_specs({"optimizer": {"_target_": "adamw", "lr_scaling": BASE}, "optim_callbacks": "swats"})
    assert resolved.optimizer.spec.path.endswith("SWATS")
    assert resolved.lr_scaling.rule == "sqrt"
