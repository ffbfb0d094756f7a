"""Layer-wise decay: the layer of every parameter of the zoo, counted by hand, and where the numbers come from."""

import copy

import pytest
import torch
from torch import nn

from _support.zoo import GPT, ZOO, Block, Mlp, ViT, mlp
from lit_optim import ConfigError
from lit_optim.param_groups.depth import Layers, layer_factors, layer_ids

# The layer of all parameters below a path, counted by hand; the longest path counts.
LAYERS = {
    "vit": {"cls_token": 0, "pos_embed": 0, "patch_embed": 0, "blocks.0": 1, "blocks.1": 2, "norm": 3, "head": 3},
    "gpt": {
        "transformer.wte": 0, "transformer.wpe": 0, "transformer.h.0": 1, "transformer.h.1": 2, "transformer.ln_f": 3,
    },
    "llama": {"embed_tokens": 0, "layers.0": 1, "layers.1": 2, "norm": 3, "lm_head": 3},
    "resnet": {"conv1": 0, "bn1": 0, "layer1.0": 1, "layer1.1": 2, "layer2.0": 3, "layer2.1": 4, "fc": 5},
    "lstm": {"embedding": 0, "lstm": 1, "decoder": 2},
    "unet": {"downs.0": 1, "downs.1": 2, "middle": 2, "ups.0": 3, "ups.1": 4, "out": 5},
    "swin": {
        "patch_embed": 0, "layers.0.blocks.0": 1, "layers.0.blocks.1": 2, "layers.0.downsample": 2,
        "layers.1.blocks.0": 3, "norm": 4, "head": 4,
    },
    "bert": {"embeddings": 0, "encoder.layer.0": 1, "encoder.layer.1": 2, "pooler": 3, "classifier": 3},
    "clip": {
        "logit_scale": 0, "visual.cls_token": 0, "visual.pos_embed": 0, "visual.patch_embed": 0, "visual.blocks.0": 1,
        "visual.norm": 1, "visual.head": 1, "text.token_embedding": 1, "text.resblocks.0": 2, "text.ln_final": 3,
    },
    "lazy_mlp": {"0": 0, "1": 0, "3": 1, "5": 2},
    "lazy_conv": {"0": 0, "1": 0, "3": 1, "6": 2},
    "mlp": {"0": 0, "2": 1, "3": 1, "5": 2},
    "vgg": {"features.0": 0, "features.1": 0, "features.4": 1, "features.5": 1, "classifier.0": 2, "classifier.3": 3},
}  # fmt: skip


def under(paths, name):
    (path,) = [path for path in paths if name == path or name.startswith(f"{path}.")]
    return paths[path]


@pytest.mark.parametrize("name", ZOO)
def test_the_layers_of_the_zoo(name):
    make, batch = ZOO[name]
    module = make()
    ids, last = layer_ids(module)
    assert last == max(LAYERS[name].values())
    if "lazy" in name:
        module(*batch())
        assert layer_ids(module) == (ids, last)
    assert ids == {n: under(LAYERS[name], n) for n, _ in module.named_parameters()}


def test_the_factors_of_beit():
    factors = layer_factors(ViT(), Layers(0.5))
    expected = {"pos_embed": 0.125, "blocks.0.attn.qkv.bias": 0.25, "blocks.1.ls1.gamma": 0.5, "head.weight": 1.0}
    assert {name: factors[name] for name in expected} == expected
    assert layer_factors(ViT(), Layers(0.5, min=0.3))["pos_embed"] == 0.3
    assert {*layer_factors(ViT(), Layers(1.0)).values()} == {1.0}


def test_only_layers_within_of_decay():
    module = nn.ModuleDict(
        {"model": ViT(), "temperature": nn.ParameterList([torch.ones(())]), "head": nn.Linear(10, 2)}
    )
    factors = layer_factors(module, Layers(0.5, of="model"))
    assert factors["model.cls_token"] == 0.125
    assert factors["model.head.weight"] == factors["temperature.0"] == factors["head.bias"] == 1.0
    factors = layer_factors(module, Layers(0.5, of="model.blocks"))  # what follows lies outside
    assert [factors[f"model.blocks.{i}.norm1.bias"] for i in (0, 1)] == [0.25, 0.5]
    assert factors["model.cls_token"] == factors["model.norm.weight"] == 1.0


def test_the_last_block_has_factor_one_where_nothing_follows():
    blocks = nn.Sequential(Block(4), Block(4))
    assert layer_ids(blocks)[1] == 2
    assert {*layer_factors(nn.ModuleDict({"blocks": blocks}), Layers(0.5)).values()} == {0.5, 1.0}


def test_frozen_layers_count():
    model = ViT()
    expected = layer_ids(model)
    model.blocks[0].requires_grad_(False)
    assert layer_ids(model) == expected


@pytest.mark.parametrize("part", ["whole", "block"])
def test_names_without_wrappers(part):
    model = ViT()
    expected = layer_ids(model)
    if part == "whole":
        model = torch.compile(model, backend="eager")
    else:
        model.blocks[1] = torch.compile(model.blocks[1], backend="eager")
    assert layer_ids(model) == expected
    assert layer_ids(nn.ModuleDict({"model": model}), of="model")[0]["model.blocks.1.norm1.bias"] == 2


def test_a_block_that_is_used_twice_is_one_layer():
    block = Block(4)
    ids, last = layer_ids(nn.Sequential(nn.Linear(2, 4), nn.ModuleList([block, block, Block(4)]), nn.Linear(4, 2)))
    assert (ids["1.0.norm1.bias"], ids["1.2.norm1.bias"], ids["2.bias"], last) == (1, 2, 3, 3)


class Heads(nn.Module):
    """Each head is a module in a list, as some write it."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)
        self.heads = nn.ModuleList(nn.ModuleDict({"key": nn.Linear(4, 2), "value": nn.Linear(4, 2)}) for _ in range(2))


class Experts(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.norm, self.gate = nn.LayerNorm(4), nn.Linear(4, count)
        self.routed = nn.ModuleList(Mlp(4, 8) for _ in range(count))


class Norms(nn.Module):
    """A block whose two halves stand in a list, each with its norm."""

    def __init__(self):
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(4), Mlp(4, 8)


@pytest.mark.parametrize(
    "block",
    [Heads, lambda: Experts(3), lambda: nn.ModuleList([Norms(), Block(4)])],
    ids=["heads", "experts", "halves of a block"],
)
def test_lists_within_a_block_are_no_layers(block):
    module = nn.ModuleDict(
        {"stem": nn.Linear(2, 4), "blocks": nn.ModuleList([block(), block()]), "out": nn.Linear(4, 2)}
    )
    ids, last = layer_ids(module)
    assert {name: i for name, i in ids.items() if name.startswith("blocks")} == {
        name: 1 + int(name.split(".")[1]) for name in ids if name.startswith("blocks")
    }
    assert last == 3


@pytest.mark.parametrize("head", [nn.Linear, Mlp], ids=["leaf", "composite"])
@pytest.mark.parametrize("kind", [nn.ModuleList, lambda found: nn.ModuleDict(zip("ab", found, strict=True))])
def test_heads_side_by_side_are_one_layer(head, kind):
    module = nn.ModuleDict({"blocks": nn.ModuleList([Block(4), Block(4)]), "heads": kind([head(4, 2), head(4, 3)])})
    ids, last = layer_ids(module)
    assert {i for name, i in ids.items() if name.startswith("heads")} == {3}
    assert last == 3


class Own(nn.Module):
    """Numbers its own layers, from the end to the start."""

    def __init__(self, numbers=("second", "first")):
        super().__init__()
        self.first, self.second = nn.Linear(2, 2), nn.Linear(2, 2)
        self.numbers = numbers

    def layer_id(self, name):
        return self.numbers.index(name.partition(".")[0])


class Timm(nn.Module):
    """timm's protocol, with all that a matcher may hold."""

    def __init__(self, head=True, matcher=None):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.stages = nn.ModuleList(nn.ModuleDict({"downsample": nn.Linear(4, 4), "block": Block(4)}) for _ in range(2))
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 2) if head else nn.Identity()
        self.matcher = matcher

    def group_matcher(self, coarse=False):
        assert coarse is False
        blocks = [(r"^stages\.(\d+)\.downsample", (0,)), (r"^stages\.(\d+)\.block", None), (r"^norm", (99999,))]
        return self.matcher or {"stem": "^cls_token|^pos_embed", "blocks": blocks, "nothing": None}


def test_a_model_that_numbers_its_layers_is_asked():
    module = nn.ModuleDict({"model": nn.Sequential(nn.Linear(2, 2), Own()), "head": nn.Linear(2, 2)})
    factors = layer_factors(module, Layers(0.5))
    assert {name: factor for name, factor in factors.items() if name.endswith("bias")} == {
        "model.0.bias": 1.0, "model.1.first.bias": 1.0, "model.1.second.bias": 0.5, "head.bias": 1.0,
    }  # fmt: skip


def test_a_group_matcher_of_timm():
    ids, last = layer_ids(nn.ModuleDict({"net": Timm()}))
    paths = {
        "net.cls_token": 0, "net.stages.0.block": 1, "net.stages.0.downsample": 2, "net.stages.1.block": 3,
        "net.stages.1.downsample": 4, "net.norm": 4, "net.head": 5,
    }  # fmt: skip
    assert (ids, last) == ({name: under(paths, name) for name in ids}, 5)
    assert layer_ids(Timm(head=False))[1] == 4  # the last block
    assert layer_ids(nn.ModuleDict({"net": Timm(head=False), "fc": nn.Linear(4, 2)}))[1] == 5  # the head lies outside
    whole = {"stem": "^cls_token", "blocks": r"^stages\.(\d+)(?:\.(x))?"}
    assert layer_ids(Timm(matcher=whole))[0]["stages.1.downsample.bias"] == 2
    assert layer_ids(Timm(matcher=lambda name: name.startswith("head")))[0]["head.bias"] == 1


def test_a_number_that_a_block_keeps_is_no_method():
    model = ViT()
    expected = layer_ids(model)
    for i, block in enumerate(model.blocks):
        block.layer_id = i
    assert layer_ids(model) == expected


@pytest.mark.parametrize(
    ("module", "of", "message"),
    [
        (ViT(), "block", "param_groups.layers.of='block': no such module with parameters; did you mean 'blocks'?"),
        (nn.Sequential(nn.Linear(2, 2), nn.ReLU()), "1", "no such module with parameters"),
        (nn.Linear(2, 2), None, "Linear has no two layers to tell apart; write param_groups.layers.of=path.to.a.submodule"),
        (nn.ReLU(), None, "param_groups.layers: ReLU has no parameters"),
        (nn.Sequential(Own(), Own()), None, "param_groups.layers: 0, 1 number their own layers; name one of them, "
         "param_groups.layers.of=0"),
        (type("Wrong", (Own,), {"layer_id": lambda self, name: 1.5})(), None,
         r"Wrong.layer_id('first.weight') returns 1.5; a layer is a whole number, 0 or more"),
    ],
)  # fmt: skip
def test_errors(module, of, message):
    with pytest.raises(ConfigError) as error:
        layer_ids(module, of)
    assert message in str(error.value)


def test_a_large_model_is_walked_once():
    calls = []

    class Counted(nn.Linear):
        def __getattribute__(self, name):
            if name == "_parameters":
                calls.append(name)
            return super().__getattribute__(name)

    module = nn.Sequential(*(Counted(2, 2) for _ in range(100)))
    calls.clear()
    assert layer_ids(module)[1] == 99
    assert len(calls) <= 300


def test_copies_have_the_same_layers():
    model = GPT()
    assert layer_ids(copy.deepcopy(model)) == layer_ids(model)
    assert layer_ids(mlp())[0]["3.weight"] == 1  # a norm belongs to the layer before
