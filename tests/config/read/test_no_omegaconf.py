"""Nothing of OmegaConf or Hydra gets into param groups, state, hyper-parameters or checkpoints, whatever form came in."""

from inspect import signature

import hydra
import lightning as L
import pytest
import torch
from lightning.pytorch.tuner import Tuner
from omegaconf import OmegaConf

import lit_optim
from _support.net import Net, fit, loader, trainer, weights
from _support.problem import Problem
from conftest import OPTIMIZERS
from lit_optim.config.read import presets

WEIGHTS_ONLY = {"weights_only": True} if "weights_only" in signature(L.Trainer.validate).parameters else {}
RULES = [{"match": {"type": ["norm", "bias"]}, "weight_decay": 0.0}]
NADAM = presets.load_preset("optimizer", "nadam")


def partial(spec):
    return hydra.utils.instantiate(OmegaConf.create({**spec, "_partial_": True, "_convert_": "none"}))


FORMS = {
    "names": dict(optimizer="nadam", scheduler="warmup_cosine", param_groups="no_decay", optim_callbacks="schedule_report"),
    "dict": dict(optimizer=NADAM, scheduler=presets.load_preset("scheduler", "warmup_cosine"), param_groups={"rules": RULES}),
    "DictConfig": dict(
        optimizer=OmegaConf.create(NADAM), scheduler=OmegaConf.create({"warmup": 2, "main": {"shape": "multistep", "milestones": ["50%"]}}),
        param_groups=OmegaConf.create({"rules": RULES}), optim_callbacks=OmegaConf.create(presets.load_preset("optim_callbacks", "schedule_report")),
    ),
    "ListConfig": dict(
        optimizer={**NADAM, "betas": OmegaConf.create([0.9, 0.99])}, scheduler={"main": {"shape": "multistep", "milestones": OmegaConf.create([2, 4])}},
        param_groups=OmegaConf.create(RULES), optim_callbacks=OmegaConf.create(["schedule_report"]),
    ),
    "partial": dict(optimizer=partial(NADAM), scheduler=partial({"_target_": "lit_optim.ScheduleLR", "main": {"shape": "cosine"}})),
}  # fmt: skip


class Forgets(Net):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["mine"] = 1


class ForgetsAbove(torch.nn.Module):
    def on_save_checkpoint(self, checkpoint):
        checkpoint["mine"] = 1


class ForgetsInAnotherBase(ForgetsAbove, Net): ...


def foreign(value, path=""):
    """Paths to everything in ``value`` whose class is OmegaConf's or Hydra's."""
    if type(value).__module__.partition(".")[0] in ("omegaconf", "hydra"):
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    return [found for key, item in items for found in foreign(item, f"{path}.{key}")]


def test_the_search_finds_them():
    value = {"a": [1, (OmegaConf.create([1]),)], "b": partial(NADAM), "c": OmegaConf.create({})}
    theirs = type(value["b"]).__module__.startswith("hydra")  # a class of its own since Hydra 1.3.3 or later
    assert foreign(value) == [".a.1.0", *[".b"] * theirs, ".c"]


@pytest.mark.parametrize("cls", [Net, Forgets, ForgetsInAnotherBase])
@pytest.mark.parametrize("form", FORMS)
def test_every_way_through_a_checkpoint(tmp_path, monkeypatch, form, cls):
    monkeypatch.chdir(tmp_path)
    module, run = fit(tmp_path, cls(**FORMS[form]), max_epochs=1)
    (optimizer,) = run.optimizers
    assert not foreign(optimizer.param_groups)
    assert not foreign(optimizer.state_dict())
    if form != "partial":
        assert not foreign(dict(module.hparams))
        assert not foreign(dict(module.hparams_initial))
    for weights_only in (False, True):
        run.save_checkpoint(tmp_path / "c.ckpt", weights_only=weights_only)
        checkpoint = torch.load(tmp_path / "c.ckpt", weights_only=True)
        assert not foreign(checkpoint)
        assert checkpoint["lit_optim"]["spec"]["optimizer"]["_target_"] == "torch.optim.NAdam"
        again = cls.load_from_checkpoint(tmp_path / "c.ckpt", weights_only=True)
        assert torch.equal(weights(again), weights(module))
        trainer(tmp_path).validate(again, loader(8), ckpt_path=tmp_path / "c.ckpt", **WEIGHTS_ONLY)
        if not weights_only:
            trainer(tmp_path, max_epochs=2).fit(
                cls(**FORMS[form]), loader(), loader(8), ckpt_path=tmp_path / "c.ckpt", **WEIGHTS_ONLY
            )
    again = cls.load_from_checkpoint(tmp_path / "c.ckpt", weights_only=True)
    _, once_more = fit(tmp_path, again, max_epochs=1)
    assert type(once_more.optimizers[0]) is type(optimizer)


@pytest.mark.parametrize("form", FORMS)
def test_the_finder(tmp_path, monkeypatch, form):
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    module = Forgets(**FORMS[form])
    assert Tuner(trainer(tmp_path, max_epochs=2)).lr_find(module, loader(), loader(8), num_training=30).suggestion()
    fit(tmp_path, module, max_epochs=1)


def test_specs_are_still_read_by_attribute():
    module = Net(**FORMS["DictConfig"])
    assert module.hparams.optimizer.betas == [0.9, 0.999]
    assert module.hparams.scheduler.main.shape == "multistep"


def test_the_validation_reports_an_interpolation_that_leads_nowhere():
    module = Net(OmegaConf.create({"_target_": "torch.optim.SGD", "lr": "${nowhere}"}))
    with pytest.raises(lit_optim.ConfigError, match="nowhere"):
        module.configure_optimizers()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("form", [OmegaConf.create, partial])
def test_no_optimizer_keeps_any(name, form):
    problem = Problem(name)
    optimizer = lit_optim.build_optimizer(form(presets.load_preset("optimizer", name)), problem)
    problem.step(optimizer)
    assert not foreign(optimizer.param_groups)
    assert not foreign(optimizer.state_dict())
    assert not foreign(optimizer.defaults)
