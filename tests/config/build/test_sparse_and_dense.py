"""Modules with sparse and dense gradients: what no optimizer takes is rejected with an advice that works."""

import pytest
import torch

import lit_optim
from lit_optim import ConfigError
from lit_optim.config.capabilities import capabilities

PARTS = {
    "sparse": {"optimizer": "sparse_adam", "match": {"type": "embedding"}},
    "dense": {"optimizer": "adam"},
}


def net(*, sparse=True, dense=True):
    table = torch.nn.Embedding(3, 2, sparse=sparse)
    return torch.nn.Sequential(table, torch.nn.Linear(2, 1)) if dense else table


@pytest.mark.parametrize(
    ("optimizer", "module", "message"),
    [
        (
            "sparse_adam",
            net(),
            "sparse gradients only, and 2 of 3 parameters have dense ones .e.g. 1.weight.; choose optim",
        ),
        ("sparse_adam", net(sparse=False), "sparse gradients only, and 3 of 3 .*choose e.g. optimizer=adam$"),
        (
            "adamw",
            net(),
            r"AdamW takes dense gradients only, and 1 of 3 .*\(sparse=False\), or choose optimizer=adagrad or",
        ),
        ("adam", net(dense=False), r"1 of 1 .*\(sparse=False\), or choose optimizer=sparse_adam$"),
    ],
)
def test_what_no_optimizer_takes_is_rejected_before_a_step(optimizer, module, message):
    with pytest.raises(ConfigError, match=message):
        lit_optim.build_optimizer(optimizer, module)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # torch's own, once a process
@pytest.mark.parametrize(
    "optimizer", ["adagrad", "sgd", {"_target_": "lit_optim.optimizers.Composite", "lr": 0.1, "parts": PARTS}]
)
def test_what_is_advised_trains_both(optimizer):
    module = net()
    before = [p.detach().clone() for p in module.parameters()]
    optimizer = lit_optim.build_optimizer(optimizer, module)
    module(torch.tensor([0, 1])).sum().backward()
    optimizer.step()
    assert not any(torch.equal(p, q) for p, q in zip(module.parameters(), before, strict=True))


def test_the_table_agrees():
    assert {capabilities(name).measured.sparse for name in ("adagrad", "sgd")} == {"yes"}
