"""SWATS through the Trainer: who builds it, when it switches, what it leaves behind, and that a resume is exact."""

import lightning as L
import pytest
import torch

from lit_optim.optimizers import SWATS
from net import Net, fit, weights

FORCED = {"_target_": "lit_optim.callbacks.SWATS", "at": 10}


def net(**specs):
    torch.manual_seed(1)
    return Net(**specs)


def checkpoints(tmp_path):
    return L.pytorch.callbacks.ModelCheckpoint(
        dirpath=tmp_path, filename="{step}", every_n_train_steps=1, save_top_k=-1, save_on_train_epoch_end=False
    )


@pytest.mark.parametrize(
    "optimizer", ["adam", "adamw", "amsgrad", "swats", {"_target_": "torch.optim.Adam", "lr": 0.01}]
)
def test_mixin_builds_it_from_an_adam(tmp_path, optimizer):
    _, run = fit(tmp_path, net(optimizer=optimizer, scheduler="cosine", optim_callbacks={"swats": FORCED}))
    found = run.optimizers[0]
    assert type(found) is SWATS
    group = found.param_groups[0]
    assert (group["phase"], group["switched_at"], group["k"]) == ("sgd", 10, 10)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "amsgrad"])
def test_same_path_as_without_until_the_switch(tmp_path, optimizer):
    plain, _ = fit(tmp_path, net(optimizer=optimizer, scheduler="cosine"), max_steps=9, max_epochs=-1)
    with pytest.warns(UserWarning, match="SWATS did not switch in 9 steps"):
        ours, _ = fit(
            tmp_path,
            net(optimizer=optimizer, scheduler="cosine", optim_callbacks={"swats": FORCED}),
            max_steps=9,
            max_epochs=-1,
        )
    torch.testing.assert_close(weights(ours), weights(plain), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("scheduler", ["cosine", "none", "warmup_cosine"])
def test_resume_is_exact_at_every_step(tmp_path, scheduler):
    def module():
        return net(optimizer="adamw", scheduler=scheduler, optim_callbacks={"swats": FORCED})

    whole, _ = fit(tmp_path / "whole", module(), callbacks=[checkpoints(tmp_path)])
    for step in range(1, 24):
        resumed, run = fit(tmp_path / "again", module(), ckpt_path=tmp_path / f"step={step}.ckpt")
        assert torch.equal(weights(resumed), weights(whole)), step
        assert run.optimizers[0].param_groups[0]["switched_at"] == 10
