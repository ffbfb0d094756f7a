"""Every wrong spec: the key, the value, the rule and what to write instead, all at once."""

import functools

import pytest
import torch
from omegaconf import OmegaConf

import lit_optim
from lit_optim import ConfigError

A = {"_target_": "torch.optim.AdamW"}
PLATEAU = {"main": {"shape": "plateau"}}
EARLY = {"_target_": "lightning.pytorch.callbacks.EarlyStopping"}

CASES = [
    # the messages of the contract, as they are written there
    ({"optimizer": {**A, "lrr": 0.001}}, "optimizer.lrr=0.001: AdamW has no argument 'lrr'; did you mean 'lr'?"),
    ({"scheduler": {"warmup": 1.5}}, "scheduler.warmup=1.5: neither a share below 1 nor a whole number of steps; write e.g. 1500, 0.05, 5% or 2ep"),
    ({"model": {"optimizer": "sdg"}}, "model.optimizer='sdg': no preset of that name; did you mean 'sgd'?"),
    ({"optimizer": {"_target_": "os.system"}}, "optimizer._target_=os.system: not a torch.optim.Optimizer subclass (it is a builtin function)"),
    # optimizer
    ({"optimizer": {**A, "betas": [0.9]}}, "optimizer.betas=[0.9]: AdamW expects tuple[float | Tensor, float | Tensor], got 1 value"),
    ({"optimizer": {**A, "foreach": 3}}, "optimizer.foreach=3: AdamW expects bool | None, got int"),
    ({"optimizer": {**A, "lr": "abc"}}, "optimizer.lr='abc': AdamW expects float | Tensor, got str"),
    ({"optimizer": {**A, "lr": None}}, "optimizer.lr=None: AdamW expects float | Tensor, got NoneType"),
    ({"optimizer": {**A, "lr": True}}, "optimizer.lr=True: AdamW expects float | Tensor, got bool"),
    ({"optimizer": {**A, "lr": float("nan")}}, "optimizer.lr=nan: AdamW expects a finite number"),
    ({"optimizer": {**A, "lr": "inf"}}, "optimizer.lr='inf': AdamW expects a finite number"),
    ({"optimizer": {**A, "weight_decay": 10**400}}, "is too large for a float"),
    ({"optimizer": {**A, "lr": -1}}, "optimizer.lr=-1.0: AdamW refused it: Invalid learning rate: -1.0"),
    ({"optimizer": {**A, "betas": [0.9, 1.5]}}, "AdamW refused it: Invalid beta parameter at index 1: 1.5"),
    ({"optimizer": {"_target_": "torch.optim.RMSprop", "alpha": 5}}, "optimizer.alpha=5.0: must lie between 0 and 1"),
    ({"optimizer": {"_target_": "torch.optim.SGD", "momentum": 7}}, "optimizer.momentum=7.0: must lie between 0 and 1"),
    ({"optimizer": {"_target_": "torch.optim.LBFGS", "max_iter": -3}}, "optimizer.max_iter=-3: must be at least 1"),
    ({"optimizer": {"_target_": "torch.optim.LBFGS", "line_search_fn": "wolfe"}}, "optimizer.line_search_fn='wolfe': LBFGS knows only 'strong_wolfe'"),
    ({"optimizer": {"_target_": "torch.optim.Rprop", "step_sizes": [50, 1e-6]}}, "the smallest step size comes first"),
    ({"scheduler": {"main": 500}}, "scheduler.main=500: a length in place of the whole slot drops its shape"),
    ({"scheduler": {"main": {"shape": "step", "step_size": 1, "gamma": 1e200}}}, "scheduler.main: grows beyond all bounds"),
    ({"scheduler": {"main": {"shape": "exponential", "gamma": 1e10}}}, "scheduler.main: grows beyond all bounds"),
    ({"scheduler": {"warmup": {"steps": 5, "shape": "exponential"}}}, "scheduler.warmup.start_factor: this shape cannot begin at 0"),
    ({"scheduler": {**PLATEAU, "main": {"shape": "plateau", "mode": "max"}, "monitor": "x"}}, "scheduler.main.mode='max': write scheduler.mode=max"),
    ({"scheduler": {**PLATEAU, "main": {"shape": "plateau", "base_lr": 5.0}, "monitor": "x"}}, "scheduler.main.base_lr=5.0: it is the optimizer's lr"),
    ({"scheduler": {"warmup_steps": 5, "warmup_ratio": 0.5}}, "scheduler: give one of warmup_steps, warmup_ratio"),
    ({"scheduler": {"warmup_ratio": 5}}, "scheduler.warmup_ratio=5: a share of the run below 1"),
    ({"optimizer": {**A, "params": []}}, "optimizer.params=[]: AdamW is given 'params' at run time; remove it"),
    ({"optimizer": {"_target_": "torch.optim.SGD", "nesterov": True}}, "SGD refused it: Nesterov momentum requires a momentum"),
    ({"optimizer": {"_target_": "torch.optim.Adamm"}}, "torch.optim has no 'Adamm'; did you mean torch.optim.Adam?"),
    ({"optimizer": {"_target_": "adabounds.AdaBound"}}, "optimizer._target_=adabounds.AdaBound: there is no package 'adabounds'"),
    ({"optimizer": {"_target_": "torch.optim"}}, "(it is a module)"),
    ({"optimizer": {"_target_": "torch.nn.Linear"}}, "(it is the class Linear)"),
    ({"optimizer": {"_target_": "torch.load"}}, "(it is a function)"),
    ({"optimizer": {"_target_": "builtins.eval"}}, "(it is a builtin function)"),
    ({"optimizer": {"_target_": "../x.y"}}, "not an import path; write e.g. torch.optim.AdamW"),
    ({"optimizer": {"_target_": "AdamW"}}, "optimizer._target_=AdamW: not an import path"),
    ({"optimizer": {"_target_": 3}}, "not a torch.optim.Optimizer subclass (it is an int)"),
    ({"optimizer": {"lr": 0.1}}, "optimizer._target_: missing; name a class there, or choose a preset, e.g. optimizer="),
    ({"optimizer": 3}, "optimizer=3: not a spec"),
    ({"optimizer": [A]}, "not a spec"),
    ({"optimizer": {**A, "_args_": [1]}}, "optimizer._args_: positional arguments are not taken"),
    ({"optimizer": functools.partial(torch.optim.SGD, 3)}, "a partial with positional arguments"),
    ({"optimizer": OmegaConf.create({**A, "lr": "${nowhere.lr}"})}, "optimizer: Interpolation key 'nowhere.lr' not found"),
    ({"optimizer": OmegaConf.create({**A, "lr": "???"})}, "optimizer.lr: missing; give it a value"),
    ({"optimizer": "torch.optim.Nothing"}, "torch.optim has no 'Nothing'"),
    ({"optimizer": "\u0430dam"}, "no preset of that name"),
    # scheduler
    ({"scheduler": "warmup_cosin"}, "scheduler='warmup_cosin': no preset of that name; did you mean 'warmup_cosine'?"),
    ({"scheduler": {"warmpu": 1}}, "scheduler.warmpu=1: ScheduleLR has no argument 'warmpu'; did you mean 'warmup'?"),
    ({"scheduler": {"warmup": {"steps": "5%", "shap": "linear"}}}, "scheduler.warmup.shap='linear': linear has no argument 'shap'; did you mean 'shape'?"),
    ({"scheduler": {"warmup": {"steps": "5%", "shape": "linaer"}}}, "scheduler.warmup.shape='linaer': no shape of that name; did you mean 'linear'?"),
    ({"scheduler": {"warmup": {"steps": "150%"}}}, "scheduler.warmup='150%': more than the whole run; write at most 100%"),
    ({"scheduler": {"warmup": [5]}}, "scheduler.warmup=[5]: not a duration"),
    ({"scheduler": {"main": {"shape": "cosine", "end_factor": -1}}}, "scheduler.main.end_factor=-1.0: must be at least 0"),
    ({"scheduler": {"main": {"shape": "cosine", "end_factor": "abc"}}}, "scheduler.main.end_factor='abc': cosine expects float, got str"),
    ({"scheduler": {"main": {"shape": "cosine", "min_lr": "abc"}}}, "scheduler.main.min_lr='abc': expects float, got str"),
    ({"scheduler": {"main": {"shape": "cosine", "min_lr": -1}}}, "scheduler.main.min_lr=-1: must be an absolute lr of at least 0"),
    ({"scheduler": {"main": {"shape": "cosine", "min_lr": float("nan")}}}, "scheduler.main.min_lr=nan: must be an absolute lr of at least 0"),
    ({"scheduler": {"main": "cosine"}}, "scheduler.main='cosine': expects a mapping; write main.shape=cosine"),
    ({"scheduler": {"groups": {"head": {"shape": "linear"}}}}, "scheduler.groups.head.shape='linear': no such key; write main: {shape: linear, ...}"),
    ({"scheduler": {"drive": {"average_decay": {"main": {"shape": "cosine"}, "values": [0.9, 1.0]}}}}, "scheduler.drive.average_decay.values=[0.9, 1.0]: both must be at least 0 and below 1"),
    ({"scheduler": {"drive": {"lookahead_alpha": {"main": {"shape": "cosine"}, "values": [1.5, 0.5]}}}}, "scheduler.drive.lookahead_alpha.values=[1.5, 0.5]: both must be at least 0 and at most 1"),
    ({"optim_callbacks": ["agc", "lookahead", "agc"]}, "optim_callbacks.agc[2]: a second Agc, beside optim_callbacks.agc; keep one of them"),
    ({"optim_callbacks": {"a": {"_target_": "lit_optim.callbacks.Lookahead"}, "b": {"_target_": "lit_optim.callbacks.Lookahead"}}}, "optim_callbacks.b: a second Lookahead, beside optim_callbacks.a; keep one of them"),
    ({"scheduler": {"drive": {"betas[0]": {"main": {"shape": "cosine"}, "values": [0.9, 1.0]}}}}, "scheduler.drive.betas[0].values=[0.9, 1.0]: both must be at least 0 and below 1"),
    ({"scheduler": {"main": {"shape": "step"}}}, "scheduler.main.step_size: step needs a value for it"),
    ({"scheduler": {"main": {"shape": "step", "step_size": 0}}}, "scheduler.main.step_size=0: must be at least 1"),
    ({"scheduler": {"main": {"shape": "step", "step_size": 1.5}}}, "scheduler.main.step_size=1.5: neither a share below 1"),
    ({"scheduler": {"main": {"shape": "multistep", "milestones": "30%"}}}, "scheduler.main.milestones='30%': a list of durations"),
    ({"scheduler": {"main": {"shape": "multistep", "milestones": ["30%", "x"]}}}, "scheduler.main.milestones='x': not a duration"),
    ({"scheduler": {"main": {"shape": "exponential", "gamma": 0.9, "end_factor": 0.1}}}, "scheduler.main.gamma=0.9: give either gamma or end_factor=0.1, not both"),
    ({"scheduler": {"main": {"shape": "os.system"}}}, "not a schedule factory: a function whose first argument is total_steps"),
    ({"scheduler": {"main": {"shape": "subprocess.call"}}}, "not a schedule factory"),
    ({"scheduler": {"main": {"shape": "no.such.thing"}}}, "scheduler.main.shape=no.such.thing: there is no package 'no'; is it installed?"),
    ({"scheduler": {"main": {"shape": 3}}}, "scheduler.main.shape=3: no shape of that name"),
    ({"scheduler": PLATEAU}, "scheduler.monitor: missing; name the logged metric that the plateau follows"),
    ({"scheduler": {"main": {"shape": "lit_optim.schedules.shapes.plateau.plateau"}}}, "scheduler.monitor: missing"),
    ({"scheduler": {"warmup": {"steps": 5, "shape": "plateau"}}}, "scheduler.warmup.shape="),
    ({"scheduler": {"warmup": {"steps": 5, "shape": "plateau"}}}, "a plateau cannot be a warmup; choose e.g. linear"),
    ({"scheduler": {**PLATEAU, "monitor": 3}}, "scheduler.monitor=3: must be a text"),
    ({"scheduler": {**PLATEAU, "monitor": "x", "mode": "mni"}}, "scheduler.mode='mni': must be one of min, max; did you mean 'min'?"),
    ({"scheduler": {"interval": "steps"}}, "scheduler.interval='steps': must be one of step, epoch; did you mean 'step'?"),
    ({"scheduler": {"total_steps": 0}}, "scheduler.total_steps=0: must be a whole number of at least 1"),
    ({"scheduler": {"total_steps": float("nan")}}, "scheduler.total_steps=nan: must be a whole number"),
    ({"scheduler": {"frequency": 2.5}}, "scheduler.frequency=2.5: must be a whole number of at least 1"),
    ({"scheduler": {**PLATEAU, "monitor": "x", "reduce_on_plateau": False}}, "scheduler.reduce_on_plateau=False: its metric drives this schedule; remove it"),
    ({"scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 1, "reduce_on_plateau": True}}, "scheduler.reduce_on_plateau=True: no metric drives this schedule"),
    ({"scheduler": {"_target_": "torch.optim.lr_scheduler.StepLR"}}, "scheduler.step_size: StepLR needs a value for it"),
    ({"scheduler": {"_target_": "torch.optim.AdamW"}}, "not a torch.optim.lr_scheduler.LRScheduler subclass (it is the class AdamW)"),
    # groups and callbacks
    ({"optim_callbacks": "loookahead"}, "optim_callbacks='loookahead': no preset of that name"),
    ({"optim_callbacks": {"a": {**EARLY, "monitor": "y", "monitr": "x"}}}, "optim_callbacks.a.monitr='x': EarlyStopping has no argument 'monitr'; did you mean 'monitor'?"),
    ({"optim_callbacks": {"a": {**EARLY, "monitor": "x", "mode": "up"}}}, "optim_callbacks.a: EarlyStopping refused these values: `mode` can be"),
    ({"optim_callbacks": {"a": {"_target_": "os.system"}}}, "optim_callbacks.a._target_=os.system: not a lightning.Callback subclass"),
    ({"optim_callbacks": {"a": 3}}, "optim_callbacks.a=3: not a callback"),
    ({"optim_callbacks": 3}, "optim_callbacks=3: not a list of callbacks"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "message"), CASES, ids=[message[:60] for _, message in CASES])
def test_message(config, message):
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate(config)
    text = str(caught.value)
    assert message in text
    assert len(text.splitlines()) == 1


def holds_partial(config):
    return any(isinstance(value, functools.partial) for value in config.values())


@pytest.mark.parametrize("config", [config for config, _ in CASES if not holds_partial(config)])
def test_the_same_in_a_dictconfig(config):
    with pytest.raises(ConfigError):
        lit_optim.validate(OmegaConf.create(config))


@pytest.mark.parametrize("cfg", [None, "adamw", 3, [], OmegaConf.create([]), OmegaConf.create({"a": None}).a, OmegaConf.create(None)])  # fmt: skip
def test_what_is_no_configuration(cfg):
    with pytest.raises(ConfigError, match="config=.*: expects a mapping with any of the keys optimizer, scheduler"):
        lit_optim.validate(cfg)


def test_unknown_groups():
    with pytest.raises(ConfigError, match=r"^schedular: no such group; did you mean 'scheduler'\?$"):
        lit_optim.validate({"optimizer": "sgd", "schedular": "cosine"})
    lit_optim.validate({"scheduler": "cosine", "schedular": "cosine", "optimizers": ["of the app's own"]})


def test_all_errors_at_once():
    config = {
        "optimizer": {**A, "lrr": 1, "betas": [0.9], "foreach": 3},
        "scheduler": {"warmup": 1.5, "main": {"shape": "cosin"}, "mode": "up"},
        "param_groups": "no_dcay",
        "optim_callbacks": {"a": {"_target_": "os.system"}, "b": 3},
    }
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate(config)
    keys = [problem.partition("=")[0] for problem in caught.value.problems]
    assert keys == [
        "optimizer.lrr", "optimizer.betas", "optimizer.foreach", "scheduler.mode", "scheduler.warmup", "scheduler.main.shape",
        "param_groups", "optim_callbacks.a._target_", "optim_callbacks.b",
    ]  # fmt: skip
    assert str(caught.value).startswith("9 errors in the configuration:\n  - optimizer.lrr=1: ")


def test_several_bad_values_are_found_by_the_dry_run():
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate({"optimizer": {**A, "lr": -1, "betas": [0.9, 1.5], "eps": -1}})
    assert [problem.partition("=")[0] for problem in caught.value.problems] == [
        "optimizer.lr",
        "optimizer.betas",
        "optimizer.eps",
    ]


def test_problems_are_kept_apart_and_pickle():
    import pickle

    error = pickle.loads(pickle.dumps(ConfigError("a=1: x", "b=2: y", "a=1: x")))
    assert error.problems == ("a=1: x", "b=2: y")
    assert isinstance(error, ValueError)


def test_a_spec_that_the_model_refers_to_is_reported_once():
    cfg = OmegaConf.create({"optimizer": {**A, "lr": float("nan")}, "model": {"optimizer": "${optimizer}"}})
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate(cfg)
    assert str(caught.value) == "optimizer.lr=nan: AdamW expects a finite number"
