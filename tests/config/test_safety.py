"""What a configuration, and worse a checkpoint, must not be able to run."""

import functools
import importlib
import os
import pickle
import subprocess
import sys

import hydra
import pytest
import torch
from omegaconf import OmegaConf

import lit_optim
from _support.by_version import needs_partials_of_hydra
from _support.net import Net, fit
from lit_optim import ConfigError

CANARY = """
import pathlib, torch
pathlib.Path(__file__).with_name("sung").touch()
class Canary(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
def shape(total_steps):
    return lambda step: 1.0
"""


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A package that leaves a file behind when it is imported; the returned function tells whether it was."""
    (tmp_path / "lo_canary").mkdir()
    (tmp_path / "lo_canary" / "__init__.py").write_text(CANARY)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield (tmp_path / "lo_canary" / "sung").exists
    sys.modules.pop("lo_canary", None)


TOUCH = "touch {}/sung"
HOSTILE = [
    ("os.system", {"command": TOUCH}),
    ("posix.system", {"command": TOUCH}),
    ("torch.os.system", {"command": TOUCH}),
    ("subprocess.Popen", {"args": ["touch", "{}/sung"]}),
    ("subprocess.run", {"args": ["touch", "{}/sung"]}),
    ("subprocess.check_output", {"args": ["touch", "{}/sung"]}),
    ("builtins.eval", {"source": "open('{}/sung', 'w')"}),
    ("builtins.exec", {"source": "open('{}/sung', 'w')"}),
    ("builtins.open", {"file": "{}/sung", "mode": "w"}),
    ("builtins.__import__", {"name": "lo_canary"}),
    ("importlib.import_module", {"name": "lo_canary"}),
    ("importlib.reload", {"module": "lo_canary"}),
    ("runpy.run_module", {"mod_name": "lo_canary"}),
    ("pathlib.Path.touch", {"self": "{}/sung"}),
    ("pathlib.Path", {}),
    ("torch.load", {"f": "{}/evil.pt", "weights_only": False}),
    ("torch.hub.load", {"repo_or_dir": "{}", "model": "x", "source": "local"}),
    ("torch.utils.cpp_extension.load_inline", {"name": "x", "cpp_sources": ""}),
    ("torch.ops.load_library", {"path": "{}/x.so"}),
    ("pickle.loads", {}),
    ("functools.partial", {"func": "os.system"}),
    ("multiprocessing.Process", {}),
    ("lit_optim.imports.importlib.import_module", {"name": "lo_canary"}),
    ("lit_optim.imports.sys.exit", {}),
    ("torch.optim.Optimizer.__init_subclass__", {}),
    ("torch.optim.SGD.__init__", {}),
    ("torch.optim.SGD.step.__globals__", {}),
]


def filled(value, folder):
    if isinstance(value, str):
        return value.replace("{}", str(folder))
    if isinstance(value, dict):
        return {k: filled(v, folder) for k, v in value.items()}
    return [filled(item, folder) for item in value] if isinstance(value, list) else value


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


PLACES = {
    "optimizer": lambda spec: {"optimizer": spec},
    "mounted": lambda spec: {"model": {"optimizer": spec}},
    "scheduler": lambda spec: {"scheduler": spec},
    "callback": lambda spec: {"optim_callbacks": {"x": spec}},
    "inside an optimizer": lambda spec: {"optimizer": {"_target_": "torch.optim.AdamW", "betas": [0.9, spec]}},
    "inside a scheduler": lambda spec: {"scheduler": {"_target_": "torch.optim.lr_scheduler.LambdaLR", "lr_lambda": spec}},
    "inside a slot": lambda spec: {"scheduler": {"main": {"shape": "step", "step_size": spec}}},
    "in place of a slot": lambda spec: {"scheduler": {"main": spec}},
    "inside a callback": lambda spec: {"optim_callbacks": {"x": {"_target_": "lightning.pytorch.callbacks.Timer", "duration": spec}}},
    "inside a rule": lambda spec: {"optimizer": "sgd", "param_groups": {"rules": [{"match": {"type": "bias"}, "lr": spec}]}},
    "as rules": lambda spec: {"optimizer": "sgd", "param_groups": spec},
    "as a type": lambda spec: {"optimizer": "sgd", "param_groups": {"rules": [{"match": {"type": spec}}]}},
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("target", "arguments"), HOSTILE, ids=[target for target, _ in HOSTILE])
def test_nothing_but_the_right_base_is_called(tmp_path, canary, place, target, arguments):
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Evil(tmp_path / "sung")))
    (tmp_path / "hubconf.py").write_text(f"def x(): open('{tmp_path}/sung', 'w')")
    for extra in ({}, {"_partial_": True}, {"_partial_": False, "_convert_": "all"}):
        spec = {"_target_": target, **filled(arguments, tmp_path), **extra}
        with pytest.raises(ConfigError):
            lit_optim.validate(OmegaConf.create(PLACES[place](spec)))
    assert not (tmp_path / "sung").exists()
    assert not canary()


@pytest.mark.parametrize("target", [target for target, _ in HOSTILE])
def test_a_shape_is_a_function_of_total_steps(target):
    with pytest.raises(ConfigError, match="scheduler.main.shape"):
        lit_optim.validate({"scheduler": {"main": {"shape": target}}})


@pytest.mark.parametrize("function", [os.system, subprocess.run, torch.load, eval, importlib.import_module, print])
def test_functions_of_the_system_are_no_factories(function):
    for spec in (function, functools.partial(function), {"_target_": function}):
        with pytest.raises(ConfigError, match=r"not a torch.optim.Optimizer subclass"):
            lit_optim.build_optimizer(spec, torch.nn.Linear(1, 1))
        with pytest.raises(ConfigError, match=r"not a torch.optim.lr_scheduler.LRScheduler subclass"):
            lit_optim.build_scheduler(spec, torch.optim.SGD([torch.ones(1)]))


@needs_partials_of_hydra
def test_a_partial_of_hydras_is_a_configuration_too():
    partial = hydra.utils.instantiate({"_target_": "numpy.load", "_partial_": True})
    with pytest.raises(ConfigError, match=r"numpy.load: not a torch.optim.Optimizer subclass \(it is a function\)"):
        lit_optim.build_optimizer(partial, torch.nn.Linear(1, 1))


def checkpoint_naming(tmp_path, group, spec):
    """A checkpoint whose specs were exchanged, in the hyper-parameters and in our own entry."""
    _, run = fit(tmp_path, Net(), max_epochs=1)
    run.save_checkpoint(tmp_path / "c.ckpt")
    checkpoint = torch.load(tmp_path / "c.ckpt", weights_only=True)
    checkpoint["hyper_parameters"][group] = spec
    checkpoint["lit_optim"]["spec"][group] = spec
    torch.save(checkpoint, tmp_path / "c.ckpt")
    return tmp_path / "c.ckpt"


CANARIES = {
    "optimizer": {"_target_": "lo_canary.Canary"},
    "scheduler": {"main": {"shape": "lo_canary.shape"}},
    "optim_callbacks": {"x": {"_target_": "lo_canary.Canary"}},
}


@pytest.mark.parametrize("group", CANARIES)
class TestWhatACheckpointNames:
    def test_is_not_imported(self, tmp_path, canary, group):
        module = Net.load_from_checkpoint(checkpoint_naming(tmp_path, group, CANARIES[group]))
        with pytest.raises(ConfigError, match="lo_canary.*: a checkpoint names it, and 'lo_canary' is not imported"):
            fit(tmp_path, module, max_epochs=1)
        if group != "optim_callbacks":
            with pytest.raises(ConfigError, match="'lo_canary' is not imported"):
                module.configure_optimizers()
        assert module.lr is None or module.lr > 0
        assert not canary()

    def test_is_not_imported_by_an_evaluation_either(self, tmp_path, canary, group):
        from _support import net

        module = Net.load_from_checkpoint(checkpoint_naming(tmp_path, group, CANARIES[group]))
        net.trainer(tmp_path).validate(module, net.loader(8))
        assert not canary()

    def test_is_imported_where_it_is_allowed(self, tmp_path, canary, group):
        path = checkpoint_naming(tmp_path, group, CANARIES[group])
        module = Net.load_from_checkpoint(path, allow=["lo_canary"])
        if group == "optim_callbacks":
            with pytest.raises(ConfigError, match="not a lightning.*Callback subclass"):
                fit(tmp_path, module, max_epochs=1)
        else:
            fit(tmp_path, module, max_epochs=1)
        assert canary()

    def test_is_used_where_somebody_has_imported_it(self, tmp_path, canary, group):
        import lo_canary

        path = checkpoint_naming(tmp_path, group, CANARIES[group])
        if group == "optimizer":
            _, run = fit(tmp_path, Net.load_from_checkpoint(path), max_epochs=1)
            assert type(run.optimizers[0]) is lo_canary.Canary
        if group == "scheduler":
            with pytest.raises(ConfigError, match="a checkpoint may name .*, not this function"):
                fit(tmp_path, Net.load_from_checkpoint(path), max_epochs=1)

    def test_is_beaten_by_an_argument_which_is_trusted(self, tmp_path, canary, group):
        if group == "optim_callbacks":
            return
        path = checkpoint_naming(tmp_path, "optimizer", "sgd")
        fit(tmp_path, Net.load_from_checkpoint(path, **{group: CANARIES[group]}), max_epochs=1)
        assert canary()


def test_a_resumed_run_does_not_import_it_either(tmp_path, canary):
    path = checkpoint_naming(tmp_path, "optimizer", CANARIES["optimizer"])
    with pytest.raises(ConfigError, match="'lo_canary' is not imported"):
        fit(tmp_path, Net(), ckpt_path=path, max_epochs=2)
    assert not canary()


def test_a_module_that_builds_while_it_is_loaded(tmp_path, canary):
    class Eager(Net):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.configure_optimizers()

    path = checkpoint_naming(tmp_path, "optimizer", CANARIES["optimizer"])
    with pytest.raises(ConfigError, match="'lo_canary' is not imported"):
        Eager.load_from_checkpoint(path)
    assert not canary()


def test_on_the_command_line_any_package_may_be_named(canary):
    optimizer = lit_optim.build_optimizer("lo_canary.Canary", torch.nn.Linear(1, 1))
    assert type(optimizer).__name__ == "Canary"
