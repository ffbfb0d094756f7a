"""The title of a run's picture: an optimizer that is made of several is named by them."""

import torch

import lit_optim
from lit_optim.optimizers.switched.optimizer import Switched
from lit_optim.plots.run_facts import classes_of


def test_classes_of_several():
    net = torch.nn.Sequential(*(torch.nn.Linear(8, 8) for _ in range(3)))
    assert classes_of(lit_optim.build_optimizer("muon_adamw", net)) == "AdamW + Muon"
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    assert classes_of(Switched(adam, torch.optim.SGD, {"lr": 0.1})) == "Adam, then SGD"
