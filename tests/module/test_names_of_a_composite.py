"""Optimizers by name under automatic optimization are the parts of one composite: the same weights as two by hand."""

import lightning as L
import pytest
import torch
from torch import nn

import lit_optim
from lit_optim import ConfigError

STEPS = 6
SPEC = {"body": {"_target_": "adamw", "lr": 0.01}, "head": {"_target_": "momentum", "lr": 0.1}}


class Net(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    def __init__(self, optimizer, scheduler=None, param_groups=None):
        super().__init__()
        self.save_hyperparameters()
        torch.manual_seed(0)
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def training_step(self, batch, batch_idx):
        return self.head(self.body(batch).relu()).square().mean()


def data():
    return torch.utils.data.DataLoader(torch.randn(STEPS, 4, generator=torch.Generator().manual_seed(1)), batch_size=1)


def fit(tmp_path, **specs):
    net = Net(**specs)
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=tmp_path, **quiet)
    trainer.fit(net, data())
    assert trainer.global_step == STEPS
    return net, trainer.optimizers[0]


def test_names_become_parts_with_their_schedules(tmp_path):
    net, optimizer = fit(tmp_path, optimizer=SPEC, scheduler={"body": "linear", "head": "constant"})
    assert [(group["name"], group["lr"]) for group in optimizer.param_groups] == [("body", 0.0), ("head", 0.1)]

    by_hand = Net(None)
    body = torch.optim.AdamW(by_hand.body.parameters(), lr=0.01, weight_decay=0.01, fused=True)
    head = torch.optim.SGD(by_hand.head.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4, fused=True)
    for step, batch in enumerate(data()):
        body.param_groups[0]["lr"] = 0.01 * (1 - step / STEPS)
        for each in (body, head):
            each.zero_grad()
        by_hand.training_step(batch, step).backward()
        body.step()
        head.step()
    assert all(map(torch.equal, net.parameters(), by_hand.parameters()))


def test_of_and_rules(tmp_path):
    spec = {"all": {"_target_": "adamw", "of": ["body", {"type": "bias"}]}, "rest": {"_target_": "sgd", "of": "head"}}
    _, optimizer = fit(tmp_path, optimizer=spec, scheduler="cosine", param_groups="no_decay")
    shown = [(group["name"], group["weight_decay"], len(group["params"])) for group in optimizer.param_groups]
    assert shown == [("all", 0.01, 1), ("all/no_decay", 0.0, 2), ("rest", 0.0, 1)]


BAD = [
    ({"optimizer": {"body": "adamw", "hed": "sgd"}}, "optimizer.parts.hed.match.module='hed': matches no parameter; did you mean 'head'"),
    ({"optimizer": {"body": "adamw"}}, "no part takes head.weight, head.bias"),
    ({"optimizer": {"body": "adamx", "head": "sgd"}}, "optimizer.body='adamx': no preset of that name"),
    ({"optimizer": SPEC, "scheduler": {"body": {"_target_": "plateau", "monitor": "loss"}}}, "scheduler.body.monitor='loss': a key of its own for each optimizer"),
    ({"optimizer": SPEC, "scheduler": {"body": {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 2}}}, "scheduler.body: .*StepLR is no schedule of single groups"),
    ({"optimizer": SPEC, "scheduler": {"bdy": "cosine"}}, "scheduler.bdy='cosine': no optimizer of that name; did you mean 'body'"),
]  # fmt: skip


@pytest.mark.parametrize(("specs", "message"), BAD)
def test_wrong_names(tmp_path, specs, message):
    with pytest.raises(ConfigError, match=message):
        fit(tmp_path, **specs)
