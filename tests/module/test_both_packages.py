"""`lightning` and `pytorch_lightning` in one process: the same mixin and callbacks for modules and Trainers of both."""

import copy
import importlib.util
import pickle
import warnings

import lightning.pytorch
import pytest
import pytorch_lightning
import torch
from torch.utils.data import DataLoader

import lit_optim
from lit_optim import ConfigError, lightning_api
from lit_optim.lightning_api import imported_classes, is_instance, package_of
from lit_optim.study.record_files import read_record

BOTH = [lightning.pytorch, pytorch_lightning]
both = pytest.mark.parametrize("pl", BOTH, ids=["lightning", "pytorch_lightning"])
OTHER = {lightning.pytorch: pytorch_lightning, pytorch_lightning: lightning.pytorch}


class Parts(lit_optim.ConfigureOptimizersMixin):
    """What both modules share; the mixin does not ask what follows in the bases."""

    def __init__(self, optimizer="adamw", scheduler=None, param_groups=None, optim_callbacks=None):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.LayerNorm(3), torch.nn.Linear(3, 1))

    def forward(self, x):
        return self.layer(x)

    def training_step(self, batch, _):
        return self.layer(batch).square().mean()

    def validation_step(self, batch, _):
        self.log("val/loss", self.layer(batch).square().mean())


class Net(Parts, lightning.pytorch.LightningModule):
    pass


class PlNet(Parts, pytorch_lightning.LightningModule):
    pass


NETS = {lightning.pytorch: Net, pytorch_lightning: PlNet}
DATA = torch.randn(24, 4, generator=torch.Generator().manual_seed(1))


def trainer(pl, tmp_path, **options):
    quiet = dict(logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu", devices=1)
    return pl.Trainer(**{**quiet, "default_root_dir": tmp_path, "max_epochs": 2, **options})


def fit(pl, tmp_path, ckpt_path=None, net=None, **specs):
    options = {
        name: specs.pop(name) for name in ("callbacks", "max_epochs", "accumulate_grad_batches") if name in specs
    }
    torch.manual_seed(0)
    module, run = net or NETS[pl](**specs), trainer(pl, tmp_path, **options)
    run.fit(module, DataLoader(DATA, batch_size=4), DataLoader(DATA[:8], batch_size=4), ckpt_path=ckpt_path)
    return module, run


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


CONFIGURATIONS = {
    "warmup_cosine": dict(scheduler="warmup_cosine", param_groups="no_decay"),
    "plateau": dict(optimizer="sgd", scheduler="warmup_plateau"),
    "swats": dict(optimizer="adam", optim_callbacks={"s": {"_target_": "lit_optim.callbacks.SWATS", "at": 2}}),
    "averages": dict(optimizer="sgd", optim_callbacks=["lookahead", "ema"]),
    "schedule-free": dict(optimizer={"_target_": "schedule_free_sgd", "lr": 0.1}),
    "gradients": dict(optim_callbacks=["gradient_noise", "agc", "schedule_report"]),
}


@pytest.mark.filterwarnings("ignore:this checkpoint was written at the last batch:UserWarning")
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_both_end_with_the_same_weights_and_resume_what_the_other_has_saved(tmp_path, name):
    whole, half = {}, {}
    for pl in BOTH:
        whole[pl] = weights(fit(pl, tmp_path / "whole", **CONFIGURATIONS[name])[0])
        _, run = fit(pl, tmp_path / "half", max_epochs=1, **CONFIGURATIONS[name])
        half[pl] = tmp_path / f"{pl.__name__}.ckpt"
        run.save_checkpoint(half[pl])
    assert torch.equal(*whole.values())
    if name in ("warmup_cosine", "plateau"):
        return  # its length is another in the shorter run
    for pl in BOTH:
        module, run = fit(pl, tmp_path / "rest", half[OTHER[pl]], **CONFIGURATIONS[name])
        assert run.global_step == 12
        assert torch.equal(weights(module), whole[pl])


@both
def test_a_record_names_the_package(pl, tmp_path):
    fit(pl, tmp_path, optim_callbacks="record", max_epochs=1)
    found = read_record(tmp_path / "record")
    assert found.run["versions"]["lightning"] == pl.__version__
    assert [row.step for row in found.steps] == [6]


@both
def test_a_module_is_what_its_package_makes_it(pl, tmp_path):
    module, run = fit(pl, tmp_path, scheduler="constant", max_epochs=1)
    run.save_checkpoint(tmp_path / "a.ckpt")
    loaded = NETS[pl].load_from_checkpoint(tmp_path / "a.ckpt", optimizer="sgd")
    assert package_of(type(loaded)) == pl.__name__.partition(".")[0]
    assert type(loaded.configure_optimizers()["optimizer"]) is torch.optim.SGD
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(weights(twin), weights(module))
    assert module.__jit_unused_properties__ == [*pl.LightningModule.__jit_unused_properties__, "lr"]
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning):  # of torch.jit, by its version
            warnings.simplefilter("ignore", category)
        scripted = copy.deepcopy(loaded).to_torchscript()
    torch.testing.assert_close(scripted(DATA), loaded(DATA))


@both
def test_a_trainer_of_the_other_package_is_rejected_by_lightning(pl, tmp_path):
    with pytest.raises(TypeError, match="must be a `LightningModule`"):
        fit(OTHER[pl], tmp_path, net=NETS[pl]())


@both
def test_bases_in_the_wrong_order_are_rejected(pl):
    with pytest.raises(ConfigError, match="Wrong: LightningModule is listed before the mixin"):
        type("Wrong", (pl.LightningModule, lit_optim.ConfigureOptimizersMixin), {})

    class Base(pl.LightningModule):
        pass

    late = type("Late", (Base, lit_optim.ConfigureOptimizersMixin), {})
    assert late.configure_optimizers is lit_optim.ConfigureOptimizersMixin.configure_optimizers
    assert late.on_save_checkpoint is lit_optim.ConfigureOptimizersMixin.on_save_checkpoint


@both
def test_callbacks_of_either_package_are_taken(pl, tmp_path):
    for package in BOTH:
        path = f"{package.__name__}.callbacks.Timer"
        for given in ({"_target_": path}, [{"class_path": path}], package.callbacks.Timer(), {"t": {"_target_": path}}):
            (timer,) = lit_optim.build_callbacks(given)
            assert type(timer) is package.callbacks.Timer
    _, run = fit(pl, tmp_path, optim_callbacks={"t": {"_target_": f"{pl.__name__}.callbacks.Timer"}}, max_epochs=1)
    assert sum(is_instance(callback, "callbacks.Timer") for callback in run.callbacks) == 1


@both
def test_what_a_callback_does_is_known_of_both(pl, tmp_path):
    accumulation = pl.callbacks.GradientAccumulationScheduler({0: 2, 1: 3})
    _, run = fit(pl, tmp_path, scheduler="linear", callbacks=[accumulation])
    assert run.global_step == 3 + 2
    assert run.optimizers[0].param_groups[0]["lr"] == 0, "the schedule has ended with the run"
    with pytest.raises(ConfigError, match="only max_time ends the run"):
        fit(pl, tmp_path, scheduler="cosine", callbacks=[pl.callbacks.Timer("00:00:01:00")], max_epochs=-1)
    averaging = pl.callbacks.StochasticWeightAveraging(1e-3)
    with pytest.raises(ConfigError, match="StochasticWeightAveraging replaces the schedule"):
        fit(pl, tmp_path, optim_callbacks="ema", callbacks=[averaging])


@both
def test_an_inherited_backward_is_known_of_both(pl, tmp_path):
    with pytest.raises(ConfigError, match=f"write in {NETS[pl].__name__}: def backward"):
        fit(pl, tmp_path, optimizer="sophia", max_epochs=1)


@both
def test_a_class_that_the_installed_version_lacks(pl):
    assert is_instance(pl.Callback(), "Callback", "callbacks.Timer")
    assert not is_instance(pl.Callback(), "callbacks.Timer")
    assert imported_classes("callbacks.NotThere") == ()


@both
def test_the_version_is_that_of_the_trainers_package(pl, tmp_path, monkeypatch):
    from lit_optim.lightning_api import validates_again_on_resume
    from lit_optim.scheduler.run_progress import epoch_after_last_batch

    monkeypatch.setattr("lit_optim.versions.installed", {"lightning": "2.4.0", "pytorch-lightning": "2.6.1"}.get)
    run = trainer(pl, tmp_path)
    assert validates_again_on_resume(run) == (pl is lightning.pytorch)
    assert epoch_after_last_batch(run) == (pl is lightning.pytorch)


@both
def test_safe_checkpoint_files(pl, tmp_path, monkeypatch):
    monkeypatch.delitem(vars(lightning_api), "TorchCheckpointIO", raising=False)  # of one package, if made before
    spec = importlib.util.find_spec("lit_optim.checkpoint_files.checkpoint_io")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    safe = module.SafeCheckpointIO()
    keep = pl.callbacks.ModelCheckpoint(dirpath=tmp_path, filename="last")
    run = trainer(pl, tmp_path, callbacks=[keep], plugins=[pl.plugins.AsyncCheckpointIO(safe)])
    run.fit(NETS[pl](), DataLoader(DATA, batch_size=4), DataLoader(DATA[:8], batch_size=4))
    assert isinstance(safe, (pl.plugins.CheckpointIO, pl.plugins.TorchCheckpointIO))
    assert lit_optim.find_checkpoint("last", run) == keep.best_model_path
    keep = pl.callbacks.ModelCheckpoint()
    keep.dirpath = "/dev/null/x"
    with pytest.raises(ConfigError, match="dirpath='/dev/null/x': no checkpoint can be written there"):
        fit(pl, tmp_path, callbacks=[keep])
