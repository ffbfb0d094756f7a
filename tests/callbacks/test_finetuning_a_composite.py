"""Lightning's finetuning callbacks, resumed, and with an optimizer of several parts."""

import warnings

import pytest
import torch
from lightning.pytorch.callbacks import BackboneFinetuning, ModelCheckpoint

from _support.by_version import needs_muon
from _support.net import Net, fit, weights

NO_DECAY = {"rules": {"no_decay": {"match": {"ndim": "<2"}, "weight_decay": 0.0}}}
pytestmark = needs_muon


class Wide(Net):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        torch.manual_seed(0)
        self.layer = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, 1))

    @property
    def backbone(self):
        return self.layer[0]


def run(tmp_path, spec="muon_adamw", scheduler="constant", rules=None, ckpt_path=None, callbacks=()):
    module = Wide(spec, scheduler=scheduler, param_groups=rules)
    grows = BackboneFinetuning(1, lambda epoch: 2.0, backbone_initial_lr=1e-4, should_align=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The provided params to be frozen already exist")
        warnings.filterwarnings("ignore", ".*Muon gets .* of the parameters")
        _, trainer = fit(tmp_path, module, ckpt_path, max_epochs=4, callbacks=[grows, *callbacks])
    return module, trainer


@pytest.mark.parametrize("rules", [None, NO_DECAY])
def test_both_parts_of_the_backbone_have_the_lr_that_the_callback_writes(tmp_path, rules):
    """It writes the last group alone."""
    _, trainer = run(tmp_path, rules=rules)
    added = [group for group in trainer.optimizers[0].param_groups if "finetuning" in group["name"]]
    assert {group["part"] for group in added} == {"adamw", "muon"}
    assert [group["lr"] for group in added] == pytest.approx([4e-4, 4e-4])


@pytest.mark.parametrize("rules", [None, NO_DECAY])
@pytest.mark.parametrize("constant", ["adamw", "muon"])
def test_a_schedule_of_a_part_drives_its_added_groups(tmp_path, rules, constant):
    scheduler = {"_target_": "linear", "groups": {constant: "constant"}}
    _, trainer = run(tmp_path, scheduler=scheduler, rules=rules)
    added = [group for group in trainer.optimizers[0].param_groups if "finetuning" in group["name"]]
    assert {group["part"]: group["lr"] > 1e-6 for group in added} == {"adamw": False, "muon": False, constant: True}


@pytest.mark.parametrize("step", [5, 12, 20])
@pytest.mark.parametrize("spec", ["adamw", "muon_adamw"])
def test_a_resumed_run_trains_what_was_unfrozen(tmp_path, spec, step):
    """Lightning's callback restores the groups, and leaves their parameters frozen."""
    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole, _ = run(tmp_path, spec, "warmup_cosine", NO_DECAY, callbacks=[saves])
    resumed, _ = run(tmp_path, spec, "warmup_cosine", NO_DECAY, tmp_path / f"step={step}.ckpt")
    assert torch.equal(weights(whole), weights(resumed))
