"""Which part of a composite takes which parameter, under which name, and what is said of wrong parts."""

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

import lit_optim
from lit_optim import ConfigError
from lit_optim.config.muon_share import muon_share
from lit_optim.config.pitfalls.muon_lr import muon_lr
from lit_optim.config.read import presets
from lit_optim.config.read.spec import read_spec
from lit_optim.config.resolve import resolve_specs
from lit_optim.optimizers import Muon

MUON = "muon_adamw"


class Transformer(nn.Module):
    """Embeddings tied to the output layer, a fused QKV, a patch convolution, odd shapes."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.patch = nn.Conv2d(3, 16, 4)
        self.blocks = nn.ModuleList(
            [nn.ModuleDict({"qkv": nn.Linear(16, 48), "norm": nn.LayerNorm(16)}) for _ in range(2)]
        )
        self.gate = nn.Linear(16, 2)
        self.scale = nn.Parameter(torch.ones(()))
        self.head = nn.Linear(16, 50)
        self.head.weight = self.embed.weight


def residual(width):
    return nn.Sequential(
        nn.Conv2d(width, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, width, 3), nn.BatchNorm2d(width)
    )


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 7)
        self.layer1, self.layer2 = residual(16), residual(16)
        self.fc = nn.Linear(16, 10)


def by_part(model, spec=MUON, **options):
    """Names of parameters by the names of groups."""
    optimizer = lit_optim.build_optimizer(spec, model, **options)
    names = {p: name for name, p in model.named_parameters()}
    return {group["name"]: sorted(names[p] for p in group["params"]) for group in optimizer.param_groups}


def test_embeddings_output_vectors_and_odd_shapes_are_adamws():
    assert by_part(Transformer()) == {
        "adamw": sorted([
            "scale", "embed.weight", "patch.bias", "gate.weight", "gate.bias", "head.bias",
            *(f"blocks.{i}.{name}" for i in range(2) for name in ("qkv.bias", "norm.weight", "norm.bias")),
        ]),
        "muon": ["blocks.0.qkv.weight", "blocks.1.qkv.weight", "patch.weight"],
    }  # fmt: skip


def test_a_resnet_gives_muon_nine_tenths():
    optimizer = lit_optim.build_optimizer(MUON, ResNet())
    sizes = {
        part: sum(p.numel() for g in optimizer.param_groups if g["part"] == part for p in g["params"])
        for part in optimizer.parts
    }
    assert sizes["muon"] > 0.9 * sum(sizes.values())


def test_rules_cross_with_parts_and_a_split_makes_a_group():
    spec = {"_target_": MUON, "parts": {"muon": {"split": {"*.qkv.weight": [16, 16, 16]}}}}
    rules = {"first": {"match": {"module": "blocks.0"}, "lr": "x0.5"}}
    groups = by_part(
        Transformer(),
        spec,
        param_groups={"rules": {**presets.load_preset("param_groups", "no_decay")["rules"], **rules}},
    )
    assert [*groups] == [
        "adamw", "adamw/no_decay", "adamw/first/no_decay", "muon", "muon/split", "muon/first/split",
    ]  # fmt: skip
    assert groups["muon/first/split"] == ["blocks.0.qkv.weight"]


def test_relative_and_own_values():
    spec = {"_target_": MUON, "lr": 0.02, "weight_decay": 0.2, "parts": {"adamw": {"lr": "x0.1", "weight_decay": 0.0}}}
    optimizer = lit_optim.build_optimizer(spec, Transformer())
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(pytest.approx(0.002), 0.0), (0.02, 0.2)]
    assert type(optimizer.parts["muon"]) is Muon
    assert optimizer.defaults["lr"] == 0.02


def test_an_optimizer_in_a_rule():
    rules = {
        "table": {"match": {"type": "embedding"}, "optimizer": {"_target_": "momentum", "lr": 0.5}},
        "body": {"match": {"module": "blocks"}, "optimizer": "muon"},
    }
    model = Transformer()
    optimizer = lit_optim.build_optimizer("adamw", model, param_groups={"rules": rules})
    assert [(g["name"], g["lr"], len(g["params"])) for g in optimizer.param_groups] == [
        ("adamw", 0.001, 6), ("adamw/body", 0.001, 6), ("body", 0.001, 2), ("table", 0.5, 1),
    ]  # fmt: skip


def test_parameters_without_their_module_go_by_names_and_shapes():
    parts = {"sgd": {"optimizer": "sgd", "match": {"name": "0.*"}}, "rest": {"optimizer": "adamw"}}
    named = lit_optim.build_optimizer(
        {"_target_": "lit_optim.optimizers.Composite", "parts": parts},
        nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).named_parameters(),
    )
    assert [(g["name"], len(g["params"])) for g in named.param_groups] == [("sgd", 2), ("rest", 2)]
    preset = instantiate(OmegaConf.create(presets.load_preset("optimizer", MUON)))
    model = Transformer()
    with pytest.warns(UserWarning, match="asks for the modules of parameters, which are not known here"):
        bare = preset(model.named_parameters())
    assert len(bare.param_groups[1]["params"]) == 4  # the embedding too
    whole = preset(model)
    assert len(whole.param_groups[1]["params"]) == 3


def test_frozen_parameters_have_their_part_when_they_are_added():
    model = Transformer()
    for p in [*model.blocks.parameters(), model.patch.weight, model.embed.weight]:
        p.requires_grad_(False)
    optimizer = lit_optim.build_optimizer(MUON, model)
    assert [(g["name"], len(g["params"])) for g in optimizer.param_groups] == [("adamw", 5), ("muon", 0)]
    optimizer.add_param_group({"params": [model.embed.weight, model.patch.weight], "name": "late"})
    assert [(g["name"], len(g["params"])) for g in optimizer.param_groups[2:]] == [("adamw/late", 1), ("muon/late", 1)]


WRONG = [
    ({"lr": -1}, "optimizer.lr=-1.0: must be at least 0"),
    ({"lrr": 1}, "optimizer.lrr=1: Composite has no argument 'lrr'; did you mean 'lr'?"),
    ({"parts": None}, "optimizer.parts=None: expects optimizers by name; write e.g."),
    ({"parts": {"muon": {"momentumm": 1}}}, "optimizer.parts.muon.momentumm=1: Muon has no argument 'momentumm'; did you mean 'momentum'?"),
    ({"parts": {"muon": {"optimizer": "muoon"}}}, "optimizer.parts.muon='muoon': no preset of that name; did you mean 'muon'?"),
    ({"parts": {"adamw": {"match": {"tipe": "norm"}}}}, "optimizer.parts.adamw.match.tipe='norm': no such selector; did you mean 'type'?"),
    ({"parts": {"adamw": {"eps": "x2"}}}, "optimizer.parts.adamw.eps='x2': the composite has no 'eps' to multiply"),
    ({"parts": {"x": {"optimizer": "sgd"}}}, "optimizer.parts: muon and x have no match, so that each takes the rest"),
    ({"parts": {"x": {"optimizer": "lbfgs", "match": {"ndim": 3}}}}, "optimizer.parts.x: LBFGS calls the closure by itself"),
    ({"parts": {"x": {"optimizer": "schedule_free_sgd", "match": {"ndim": 3}}}}, "optimizer.parts.x: SGDScheduleFree averages its weights"),
    ({"parts": {"x": {"optimizer": "sophia", "match": {"ndim": 3}}}}, "optimizer.parts.x: SophiaH needs gradients that can be differentiated"),
    ({"parts": {"x": {"optimizer": "muon_adamw", "match": {"ndim": 3}}}}, "optimizer.parts.x: a composite in a composite"),
    ({"parts": {"x": 3}}, "optimizer.parts.x=3: a part names its optimizer; write e.g."),
    ({"parts": {"a/b": {"optimizer": "sgd", "match": {"ndim": 3}}}}, "optimizer.parts.a/b: the name of a part has no '/'"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[str(changes) for changes, _ in WRONG])
def test_wrong_parts_are_found_without_a_module(changes, message):
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate({"optimizer": {"_target_": MUON, **changes}})
    assert message in str(caught.value)


NOT_OF_THE_MODULE = [
    ({"x": {"optimizer": "adam", "match": {"ndim": 7}}}, "optimizer.parts.x: takes no parameter; remove it, or change its match"),
    ({"x": {"optimizer": "adam", "match": {"module": "haed"}}}, "optimizer.parts.x.match.module='haed': matches no parameter; did you mean 'head'?"),
    ({"muon": {"match": {"module": "blocks.0.qkv"}}}, "optimizer.parts: no part takes patch.weight, blocks.1.qkv.weight, gate.weight"),
    ({"muon": {"match": {"name": "scale"}}, "sgd": {"optimizer": "sgd"}, "adamw": {"match": {"type": "norm"}}}, "optimizer.parts.muon: Muon orthogonalizes matrices, and these are none: scale ()"),
    ({"muon": {"split": {"*.qvk.weight": [16]}}}, "optimizer.parts.muon.split='*.qvk.weight': matches no parameter; did you mean"),
    ({"muon": {"split": {"*.qkv.weight": [16]}}}, "optimizer.parts.muon: Muon refused these parameters: split=[16]: the blocks have 16 rows, and a matrix has 48"),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "message"), NOT_OF_THE_MODULE, ids=[str(parts) for parts, _ in NOT_OF_THE_MODULE])
def test_parts_that_do_not_fit_the_module(parts, message):
    if "sgd" in parts:  # scale goes to Muon first
        parts = {"muon": parts["muon"], "sgd": parts["sgd"]}
        spec = {
            "_target_": "lit_optim.optimizers.Composite",
            "parts": {"muon": {"optimizer": "muon", **parts["muon"]}, "sgd": parts["sgd"]},
        }
    else:
        spec = {"_target_": MUON, "parts": parts}
    with pytest.raises(ConfigError) as caught:
        lit_optim.build_optimizer(spec, Transformer())
    assert str(caught.value).partition(";")[0].startswith(message.partition(";")[0])
    assert message in str(caught.value)


def test_a_rule_with_the_name_of_a_part_is_rejected():
    rules = {"muon": {"match": {"module": "blocks.0"}, "schedule": "constant"}}  # it would drive all of the part
    with pytest.raises(ConfigError, match=r"param_groups.rules.muon='muon': the name of a part of the optimizer"):
        lit_optim.build_optimizer("muon_adamw", Transformer(), param_groups={"rules": rules})


def test_wrong_optimizers_of_rules():
    rules = {
        "head": {"match": {"module": "head"}, "optimizer": {"_target_": "sgd", "lrr": 1}},
        "adamw": {"match": {"type": "norm"}, "optimizer": "sgd"},
    }
    with pytest.raises(ConfigError, match=r"param_groups.rules.head.optimizer.lrr=1: SGD has no argument 'lrr'"):
        lit_optim.build_optimizer("adamw", Transformer(), param_groups={"rules": rules})
    rules["head"]["optimizer"] = "sgd"
    with pytest.raises(ConfigError, match=r"param_groups.rules.adamw: a part of optimizer has this name too"):
        lit_optim.build_optimizer("adamw", Transformer(), param_groups={"rules": rules})
    with pytest.raises(
        ConfigError, match=r"param_groups.rules.a.momentumm=1: no part has 'momentumm'; did you mean 'momentum'"
    ):
        lit_optim.build_optimizer(
            MUON, Transformer(), param_groups={"rules": {"a": {"match": {"type": "norm"}, "momentumm": 1}}}
        )


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ({"_target_": "lit_optim.optimizers.Muon", "lr": 0.02, "adjust_lr_fn": "match_rms_adamw"}, "optimizer.lr=0.02"),
        ({"_target_": "lit_optim.optimizers.Muon", "lr": 1e-3}, "optimizer.lr=0.001"),
        ({"_target_": "lit_optim.optimizers.Muon", "lr": 0.02}, None),
        ({"_target_": "lit_optim.optimizers.Muon", "lr": 0.002, "adjust_lr_fn": "match_rms_adamw"}, None),
        ({"_target_": MUON}, None), ({"_target_": MUON, "lr": 0.02}, "optimizer.parts.muon.lr=0.02"),
        ({"_target_": MUON, "lr": 0.02, "parts": {"muon": {"lr": "x0.1"}}}, None),
        ({"_target_": MUON, "parts": {"muon": {"adjust_lr_fn": "original"}}}, "optimizer.parts.muon.lr=0.001"),
    ],
)  # fmt: skip
def test_an_lr_on_the_scale_of_the_other_form(spec, key):
    assert [finding.key for finding in muon_lr(read_spec(spec, "optimizer"))] == ([key] if key else [])


def test_muon_with_few_parameters_is_found():
    wide = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 100))
    checked = resolve_specs({"optimizer": MUON}).optimizer
    (finding,) = muon_share(checked, wide)
    assert str(finding).startswith("optimizer: Muon gets 7% of the parameters")
    assert muon_share(checked, ResNet()) == []
    assert muon_share(resolve_specs({"optimizer": "adamw"}).optimizer, wide) == []
