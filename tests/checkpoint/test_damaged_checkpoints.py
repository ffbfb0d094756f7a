"""Every checkpoint is resumed by the policy, or rejected in words before anything is trained."""

import copy
import re
import warnings

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.damaged_checkpoints import CASES, NO_MAPPINGS, RESUMES
from _support.net import BATCHES, Net, fit
from lit_optim.errors import ConfigError, config_error_in

EMPTIED = (
    "optimizer_states empty",
    "state emptied",
    "lr 1e30",
    "betas (1.5, -2)",
    "negative second moment",
    "step NaN",
)


def specs():
    return {"scheduler": "warmup_cosine", "param_groups": "no_decay"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    save = ModelCheckpoint(folder, "{epoch}", save_top_k=-1)
    fit(folder, Net(**specs()), callbacks=[save], max_epochs=2)
    return torch.load(folder / "epoch=0.ckpt", weights_only=True)


def resume(folder, checkpoint, policy=None):
    """The module after its second epoch; or what is said, before any step is taken."""
    torch.save(checkpoint, folder / "damaged.ckpt")
    module = Net(**specs())
    if policy is not None:
        module.hparams["resume"] = policy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit(folder, module, ckpt_path=folder / "damaged.ckpt", max_epochs=2, limit_val_batches=0)
        except Exception as error:
            said = config_error_in(error)
            if said is None:
                raise
            assert not module.used, "rejected before the first step"
            return str(said)
    assert len(module.used) == BATCHES
    assert all(torch.isfinite(p).all() for p in module.parameters())
    return RESUMES


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises((FileNotFoundError, ConfigError)) as raised:
        fit(tmp_path, Net(**specs()), ckpt_path=tmp_path / "last.ckpt", max_epochs=1)
    assert str(config_error_in(raised.value)) == f"ckpt_path={str(tmp_path / 'last.ckpt')!r}: there is no such file"


@pytest.mark.parametrize("name", CASES)
def test_is_resumed_or_rejected_in_words(tmp_path, whole, name):
    change, words = CASES[name]
    checkpoint = copy.deepcopy(whole)
    change(checkpoint)
    said = resume(tmp_path, checkpoint)
    assert bool(said) == bool(words), said
    if words:
        assert "ckpt_path" in said
        assert len(said.splitlines()) <= 25
        assert re.search(words, said, re.DOTALL), said


@pytest.mark.parametrize("name", [name for name, (_, words) in CASES.items() if "reset" in words or name in EMPTIED])
def test_the_remedy_that_is_named_works(tmp_path, whole, name):
    checkpoint = copy.deepcopy(whole)
    CASES[name][0](checkpoint)
    assert resume(tmp_path, checkpoint, "reset_optimizer") == RESUMES


@pytest.mark.parametrize("name", NO_MAPPINGS)
def test_what_is_no_checkpoint_is_rejected(tmp_path, name):
    assert "ckpt_path" in resume(tmp_path, NO_MAPPINGS[name])
