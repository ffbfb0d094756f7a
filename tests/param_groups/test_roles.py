"""The output layer is what the model says, else the last Linear of its last child; where that is a guess, it asks."""

import pytest
import torch
from torch import nn

import lit_optim
from lit_optim import ConfigError
from lit_optim.param_groups.named_model import output_layer


class Body(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.classifier, self.extra = nn.Linear(2, 3), nn.Linear(2, 2)
        self.layer = layer

    def says(self):
        return getattr(self, self.layer) if self.layer else nn.Identity()


def Says(method, layer):
    return type("Says", (Body,), {method: Body.says})(layer)


class Net(nn.Module):
    def __init__(self, **children):
        super().__init__()
        for name, child in children.items():
            setattr(self, name, child)


L1, L2, L3 = nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)
FOUND = [
    (Net(body=L1, head=L2), L2),
    (Net(body=L1, head=L2, loss=nn.CrossEntropyLoss()), L2),  # a child without parameters is no output
    (Net(model=Net(body=L1, head=L2)), L2),  # a wrapper is opened
    (Net(net=Net(model=nn.Sequential(L1, nn.ReLU(), L2))), L2),
    (Net(encoder=L1, decoder=nn.Sequential(L2, nn.ReLU(), L3, nn.Softmax(dim=1))), L3),
    (nn.Sequential(nn.Conv2d(1, 1, 1), nn.Flatten(), L1), L1),
    (L1, L1),
]


@pytest.mark.parametrize(("net", "layer"), FOUND)
def test_the_last_linear_of_the_last_child(net, layer):
    assert output_layer(net) is layer


@pytest.mark.parametrize("method", ["get_output_embeddings", "get_classifier"])
def test_the_model_says_it(method):
    says = Says(method, "classifier")
    assert output_layer(says) is says.classifier
    wrapped = Net(net=says, other=nn.Linear(2, 2))
    assert output_layer(wrapped) is says.classifier
    silent = Says(method, None)  # timm's get_classifier() of a model without head
    assert output_layer(silent) is silent.extra


def test_a_model_may_say_several_or_that_it_knows_none():
    class Distilled(Body):  # timm's distilled DeiT
        def get_classifier(self):
            return self.classifier, self.extra

    class Base(Body):  # the base class of transformers
        def get_output_embeddings(self):
            raise NotImplementedError

    net = Net(net=Distilled(""), other=nn.Linear(2, 2))
    groups = lit_optim.build_optimizer("sgd", net, param_groups="head_x10").param_groups
    assert [len(group["params"]) for group in groups] == [2, 4]
    base = Base("")
    assert output_layer(base) is base.extra


ASKS = [
    (Net(body=L1, out=nn.Conv2d(1, 1, 1)), "the last child, 'out' (Conv2d), has no Linear; write {module: out}"),
    (Net(net=Net(time=L1, out=nn.Conv2d(1, 1, 1))), "'net.out'"),
    (Net(body=L1, heads=nn.ModuleDict({"a": L2, "b": L3})), "there are several: heads.a, heads.b"),
    (Net(body=L1, heads=nn.ModuleList([L2, L3])), "there are several: heads.0, heads.1"),
    (
        Net(table=L1, blocks=nn.ModuleList([nn.Sequential(L2), nn.Sequential(L3)])),
        "'blocks.1.0', is part of a list of blocks",
    ),
]


@pytest.mark.parametrize(("net", "message"), ASKS)
def test_a_guess_is_an_error_that_asks(net, message):
    with pytest.raises(ConfigError, match="get_output_embeddings") as caught:
        output_layer(net)
    assert message in str(caught.value)


def test_the_rule_is_named():
    import lit_optim

    with pytest.raises(ConfigError, match=r"param_groups.rules.head.match.any.*role: the output layer is not known"):
        lit_optim.build_optimizer("sgd", Net(body=L1, out=nn.Conv2d(1, 1, 1)), param_groups="head_x10")
    net = Net(body=nn.Linear(2, 2), head=nn.Linear(2, 2))
    groups = lit_optim.build_optimizer("sgd", net, param_groups=["no_decay", "head_x10"], lr=0.5).param_groups
    shown = [(g["name"], g.get("lr"), [tuple(p.shape) for p in g["params"]]) for g in groups]
    assert shown == [
        ("default", 0.5, [(2, 2)]),
        ("no_decay", 0.5, [(2,)]),
        ("head/no_decay", 5.0, [(2,)]),
        ("head", 5.0, [(2, 2)]),
    ]
    assert torch.is_tensor(groups[0]["params"][0])
