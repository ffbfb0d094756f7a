"""A mapping of names: what is one, what is wrong with it, and which parameters each optimizer gets."""

import functools

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

import lit_optim
from lit_optim.config.build.named_parameters import parameters_by_name
from lit_optim.config.canonical_specs import canonical_specs, differences
from lit_optim.config.pitfalls import find
from lit_optim.config.pitfalls.logged import Logged
from lit_optim.config.read.named_specs import specs_by_name
from lit_optim.config.resolve_named import build_schedulers, resolve
from lit_optim.duration import RunLength
from lit_optim.errors import ConfigError


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ({"a": "adam", "b": "torch.optim.SGD"}, ["a", "b"]),
        ({"a": {"_target_": "sgd"}, "b": functools.partial(torch.optim.Adam, lr=0.1)}, ["a", "b"]),
        (OmegaConf.create({"a": {"_target_": "torch.optim.SGD", "lr": "${x}"}, "b": "compiled/nadam"}), None),
        ({"only": torch.optim.SGD}, ["only"]),
        ("adam", None),
        (None, None),
        ({}, None),
        (functools.partial(torch.optim.Adam, lr=0.1), None),
        ({"_target_": "sgd", "foo": "bar"}, None),
        ({"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}, None),
        ({"name": "momentum", "lr": 0.1}, None),
        ({"lr": 0.1}, None),
        ({"lr": "1e-3"}, None),
        ({"a": "adam", "lr": 0.1}, None),
    ],
)
def test_what_is_a_mapping_of_names(spec, names):
    if OmegaConf.is_config(spec):
        with pytest.raises(ConfigError, match="Interpolation key 'x' not found"):
            specs_by_name(spec)
        spec, names = OmegaConf.merge({"x": 0.3}, {"optimizer": spec}).optimizer, ["a", "b"]
    found = specs_by_name(spec)
    assert (found and [*found]) == names


@pytest.mark.parametrize(
    ("specs", "problems"),
    [
        ({"optimizer": {"g": {"_target_": "adam", "lrr": 1}, "d": "sdg"}},
         ["optimizer.g.lrr=1: Adam has no argument 'lrr'; did you mean 'lr'?",
          "optimizer.d='sdg': no preset of that name; did you mean 'sgd'?"]),
        ({"optimizer": {"g": "adam", "d": "sgd"}, "scheduler": {"g": "cosin", "dd": "cosine"}},
         ["scheduler.dd='cosine': no optimizer of that name; did you mean 'd'?"]),
        ({"optimizer": {"g": "adam", "d": "sgd"}, "scheduler": {"g": "cosin", "d": {"warmup": {"stepps": 3}}}},
         ["scheduler.g='cosin': no preset of that name; did you mean 'cosine'?",
          "scheduler.d.warmup.stepps=3: linear has no argument 'stepps'; did you mean 'steps'?"]),
        ({"optimizer": {"g": "adam", "d": "sgd"}, "scheduler": {"warmup": {"stepps": 3}}},
         ["scheduler.warmup.stepps=3: linear has no argument 'stepps'; did you mean 'steps'?"]),
        ({"optimizer": {"g": "adam", "d": "sgd"}, "optim_callbacks": "swats"},
         ["optim_callbacks: SWATS works with one optimizer, and there are several (g, d); remove it"]),
        ({"optimizer": {"g": "adam", "d": "sgd"}, "scheduler": {"d": "plateau"}, "optim_callbacks": "lookahed"},
         ["optim_callbacks='lookahed': no preset of that name; did you mean 'lookahead'?"]),
        ({"optimizer": {"g": "adam", "d": "sgd"}, "param_groups": {"rules": [{"match": {"type": "norm"}, "betas": [0, 0]}]}},
         ["param_groups.rules[0].betas=[0, 0]: SGD has no 'betas'"]),
    ],
)  # fmt: skip
def test_all_that_is_wrong_is_said_at_once(specs, problems):
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate(specs)
    assert [*caught.value.problems] == problems
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate({"model": specs})
    assert [*caught.value.problems] == [f"model.{problem}" for problem in problems]


def test_one_schedule_for_all_may_have_the_name_of_a_slot():
    specs = {"optimizer": {"main": "adam", "aux": "sgd"}, "scheduler": {"main": "cosine"}}
    assert [part.scheduler.arguments["main"]["shape"] for part in resolve(specs).parts] == ["cosine", "constant"]


def test_an_override_of_several_is_an_error():
    with pytest.raises(
        ConfigError, match=r"lr=0.5: there are several optimizers \(g, d\); write e.g. optimizer.g.lr=0.5"
    ):
        resolve({"optimizer": {"g": "adam", "d": "sgd"}}, overrides={"lr": 0.5})


def test_of_in_a_partial_that_hydra_has_made():
    partials = instantiate({"g": lit_optim.compose(["optimizer=adam"]).optimizer,
                            "d": {**lit_optim.compose(["optimizer=sgd"]).optimizer, "of": "critic"}})  # fmt: skip
    assert [(part.of, part.optimizer.spec.path) for part in resolve({"optimizer": partials}).parts] == [
        ("g", "torch.optim.Adam"),
        ("critic", "torch.optim.SGD"),
    ]


def test_several_are_built_one_by_one_without_a_module():
    with pytest.raises(
        ConfigError,
        match=r"^optimizer: it holds several \(g, d\); build each by itself: build_optimizer\(optimizer\['g'\]",
    ):
        lit_optim.build_optimizer({"g": "adam", "d": "sgd"}, Net())


def test_ranks_compare_the_specs_of_each():
    one, other = (
        canonical_specs(
            resolve({"optimizer": {"g": {"_target_": "adam", "lr": lr}, "d": "sgd"}, "scheduler": "cosine"})
        )
        for lr in (0.1, 0.2)
    )
    assert differences(one, other) == [("optimizer.g.lr", 0.1, 0.2)]
    assert one["optimizer"]["g"]["of"] == "g"


def test_the_doctor_looks_at_each():
    config = {
        "optimizer": {"g": "adam", "d": "sgd"},
        "scheduler": {"g": {"warmup": 900}, "d": {"main": {"shape": "cosine", "min_lr": 0.5}}},
        "trainer": {"max_steps": 500},
    }
    assert [(found.check, found.key) for found in find(config, Logged())] == [
        ("warmup_too_long", "scheduler.g.warmup.steps=900"),
        ("floor_above_lr", "scheduler.d.main.min_lr=0.5"),
    ]


@pytest.mark.parametrize(
    "spec", [{"name": "momentum", "lr": 0.3}, {"name": "torch.optim.SGD", "lr": 0.3, "momentum": 0.9}]
)
def test_a_name_may_stand_at_the_key_name(spec):
    optimizer = lit_optim.build_optimizer(spec, nn.Linear(1, 1))
    assert (type(optimizer).__name__, optimizer.defaults["lr"], optimizer.defaults["momentum"]) == ("SGD", 0.3, 0.9)


@pytest.mark.parametrize("spec", [{"name": "lookahead", "k": 7}, [{"_target_": "lookahead", "k": 7}]])
def test_a_callback_may_be_a_changed_preset(spec):
    assert [callback.k for callback in lit_optim.build_callbacks(spec)] == [7]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder, self.critic = nn.Linear(1, 2), nn.Linear(2, 1), nn.Linear(1, 1)
        self.tied = nn.Sequential(self.encoder, nn.Linear(2, 2))
        self.frozen = nn.Linear(1, 1).requires_grad_(False)
        self.log_alpha = nn.Parameter(torch.zeros(()))


def names(net, **of):
    found = parameters_by_name({name: (entry, f"optimizer.{name}") for name, entry in of.items()}, net)
    names = {p: name for name, p in net.named_parameters()}
    return {name: sorted(names[p] for p in owned) for name, owned in found.items()}


@pytest.mark.filterwarnings("ignore:optimizer. none of")
def test_of_names_modules_and_parameters():
    found = names(Net(), auto=["encoder", "decoder.weight"], alpha="log_alpha")
    assert found == {"auto": ["decoder.weight", "encoder.bias", "encoder.weight"], "alpha": ["log_alpha"]}
    found = names(
        Net(),
        matrices={"ndim": 2, "not": {"module": "critic"}},
        rest=["critic", {"all": [{"ndim": "<2"}, {"not": {"module": "critic"}}]}],
    )
    assert found["matrices"] == ["decoder.weight", "encoder.weight", "tied.1.weight"]
    assert names(torch.compile(Net(), backend="eager"), a="encoder", b="critic")["a"] == [
        "_orig_mod.encoder.bias",
        "_orig_mod.encoder.weight",
    ]


def test_what_no_optimizer_trains_is_warned_of_once():
    with pytest.warns(UserWarning, match="none of") as caught:
        names(Net(), auto=["encoder", "decoder"], critic="critic")
    assert [str(each.message) for each in caught] == [
        "optimizer: none of auto, critic trains log_alpha, tied.1.weight, tied.1.bias; add the module to an 'of', or freeze it "
        "(requires_grad_(False))"
    ]


@pytest.mark.filterwarnings("ignore:optimizer. none of")
def test_two_may_train_a_module_that_both_name():
    found = names(Net(), reconstruction=["encoder", "decoder"], adversary="encoder", critic="critic")
    assert found["adversary"] == ["encoder.bias", "encoder.weight"]
    assert {*found["adversary"]} < {*found["reconstruction"]}


@pytest.mark.parametrize(
    ("of", "message"),
    [
        ({"a": "encodr", "b": "critic"}, r"^optimizer.a.of='encodr': matches no parameter; did you mean 'encoder'\?$"),
        ({"x": "x"}, r"^optimizer.x.of='x': matches no parameter; there are e.g. .*critic.*; write its module's path as optimizer.x.of$"),
        ({"a": 3.5}, r"^optimizer.a.of=3.5: expects a text or a list of texts; write e.g. model.head$"),
        ({"a": ["encoder", None]}, r"^optimizer.a.of=None: expects a text"),
        ({"a": []}, r"^optimizer.a.of=\[\]: expects a text"),
        ({"a": {"typo": 3}}, r"^optimizer.a.of.typo=3: no such selector; did you mean 'type'\?"),
        ({"a": {"module": "encodr"}}, r"^optimizer.a.of.module='encodr': matches no parameter; did you mean 'encoder'\?"),
        ({"a": "frozen"}, r"^optimizer.a.of='frozen': none of these parameters requires grad, so there is nothing to train$"),
        ({"a": "tied", "b": "encoder"}, r"^optimizer.b.of='encoder': optimizer.a trains it too \(encoder.weight, encoder.bias\); "
                                        r"leave it out of one 'of'"),
        ({"a": ["critic", "encoder"], "b": ["critic.weight", "decoder"]}, r"optimizer.a trains it too \(critic.weight\)"),
    ],
)  # fmt: skip
def test_wrong_of(of, message):
    with pytest.raises(ConfigError, match=message):
        names(Net(), **of)


def test_wrong_selectors_are_found_without_a_module():
    with pytest.raises(ConfigError, match=r"^model.optimizer.g.of.typo=3: no such selector"):
        lit_optim.validate({"model": {"optimizer": {"g": {"_target_": "sgd", "of": {"typo": 3}}}}})


def test_what_a_rule_freezes_needs_no_optimizer():
    net = Net()
    rules = {"freeze": {"match": {"module": ["critic", "tied", "log_alpha"]}, "freeze": True}}
    specs = {"optimizer": {"decoder": "sgd"}, "param_groups": {"rules": rules}}
    [optimizer] = resolve(specs).build_optimizers(net)
    assert [group["name"] for group in optimizer.param_groups] == ["decoder"]
    assert not net.log_alpha.requires_grad


def test_a_rule_drives_the_groups_of_its_optimizer():
    rules = {"head": {"match": {"module": "critic"}, "lr": "x10", "schedule": "constant"}}
    specs = {"optimizer": {"critic": "sgd", "rest": {"_target_": "sgd", "of": ["encoder", "decoder", "tied", "log_alpha"]}},
             "scheduler": "linear", "param_groups": {"rules": rules}}  # fmt: skip
    resolved = resolve(specs)
    built = resolved.build_optimizers(Net())
    build_schedulers(resolved.parts, built, RunLength(10), lambda _, build: build(), by_hand=True)
    assert [[(g["name"], g["lr"]) for g in o.param_groups] for o in built] == [[("critic/head", 0.1)], [("rest", 0.01)]]


def test_all_wrong_paths_at_once():
    with pytest.raises(ConfigError) as caught:
        names(Net(), a=["encodr", "decodr"], b="critc")
    assert len(caught.value.problems) == 3
