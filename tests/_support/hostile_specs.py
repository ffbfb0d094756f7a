"""Specs that a checkpoint must not get executed: each names what is no optimizer, schedule or callback of ours.

`lo_seen` is a module that is imported already, whose functions and classes leave a file behind when they are called;
`lo_unseen` one that does so when it is imported.
"""

from __future__ import annotations

MODULE = """
import os, pathlib, torch
from lightning.pytorch import Callback as Base
HERE = pathlib.Path(__file__)

def sing(*args, **kwargs):
    HERE.with_name("sung").touch()
    return 1.0

def shape(total_steps):
    sing()
    return sing

class Sings:
    def __init__(self, *args, **kwargs):
        sing()

class Callback(Base):
    def __init__(self):
        sing()

thing = Sings.__new__(Sings)
type(thing).__call__ = sing
"""

BIAS = {"type": "bias"}
ADAMW = "torch.optim.AdamW"


def rules(**rule):
    return {"param_groups": {"rules": {"r": {"match": BIAS, "lr": 0.1, **rule}}}}


def callback(**spec):
    return {"optim_callbacks": {"x": spec}}


def by_lambda(function, **more):
    return {"scheduler": {"main": {"shape": "lambda", "function": function}, **more}}


def optimizer(target, **arguments):
    return {"optimizer": {"_target_": target, **arguments}}


def composite(**part):
    parts = {"a": {"optimizer": "adamw", "match": BIAS, **part}, "rest": {"optimizer": "sgd"}}
    return optimizer("lit_optim.optimizers.Composite", lr=0.1, parts=parts)


OURS = "a checkpoint may name optimizers, schedulers, and callbacks and schedules of lit_optim, not this"
FUNCTION, CLASS, OBJECT = f"{OURS} function", f"{OURS} class", f"{OURS} object"
UNSEEN = "'lo_unseen' is not imported"
OUTSIDE = "outside of the run's folder"
REPORT, SWATS = "lit_optim.callbacks.ScheduleReport", "lit_optim.callbacks.SWATS"
CALLBACKS = "lightning.pytorch.callbacks."

HOSTILE = {  # what it is -> (specs, what the message says)
    "optimizer: a function of the system": (optimizer("os.system", command="touch sung"), FUNCTION),
    "optimizer: a process": (optimizer("subprocess.Popen", args=["touch", "sung"]), CLASS),
    "optimizer: a function": (optimizer("lo_seen.sing"), FUNCTION),
    "optimizer: a class that is none": (optimizer("lo_seen.Sings"), CLASS),
    "optimizer: an object": (optimizer("lo_seen.thing"), OBJECT),
    "optimizer: not imported": (optimizer("lo_unseen.SGD"), UNSEEN),
    "optimizer: through a module of ours": (optimizer("lit_optim.imports.sys.exit"), FUNCTION),
    "optimizer: through torch": (optimizer("torch.os.system", command="touch sung"), FUNCTION),
    "optimizer: a method": (optimizer("torch.optim.SGD.__init__"), "not a torch.optim.Optimizer subclass|function"),
    "optimizer: a path": (optimizer("../../evil.py"), "not an import path"),
    "optimizer: a builtin": (optimizer("builtins.eval", source="1"), FUNCTION),
    "optimizer: a script": (optimizer("timm.__main__.SGD"), "'timm' is not imported|has no"),
    "optimizer: class_path": ({"optimizer": {"class_path": "lo_seen.sing", "init_args": {}}}, FUNCTION),
    "optimizer: partial": (optimizer("lo_seen.sing", _partial_=True), FUNCTION),
    "optimizer: positional": (optimizer(ADAMW, _args_=["os.system"]), "positional arguments are not taken"),
    "optimizer: inside": (optimizer(ADAMW, betas=[0.9, {"_target_": "lo_seen.sing"}]), FUNCTION),
    "optimizer: inside, partial": (optimizer(ADAMW, lr={"_target_": "lo_seen.sing", "_partial_": True}), FUNCTION),
    "optimizer: deep inside": (optimizer(ADAMW, lr={"a": [{"b": {"_target_": "lo_unseen.x"}}]}), UNSEEN),
    "optimizer: a list": ({"optimizer": [{"_target_": "lo_seen.sing"}]}, "optimizer"),
    "optimizer: of a part": (composite(optimizer="lo_seen.sing"), FUNCTION),
    "optimizer: match of a part": (composite(match="lo_seen.sing"), FUNCTION),
    "optimizer: lr_scaling": (optimizer(ADAMW, lr_scaling={"base_batch_size": {"_target_": "lo_seen.sing"}}), "lr_scaling"),
    "optimizer: a class with side effects": (optimizer("tempfile.TemporaryDirectory"), CLASS),
    "schedule: lambda": (by_lambda("lo_seen.sing"), FUNCTION),
    "schedule: lambda of the system": (by_lambda("os.kill"), FUNCTION),
    "schedule: lambda of torch": (by_lambda("torch.manual_seed"), FUNCTION),
    "schedule: lambda of ours": (by_lambda("lit_optim.cli.main.main"), FUNCTION),
    "schedule: lambda, an object": (by_lambda("lo_seen.thing"), OBJECT),
    "schedule: lambda, a class": (by_lambda("lo_seen.Sings"), CLASS),
    "schedule: lambda, not imported": (by_lambda("lo_unseen.f"), UNSEEN),
    "schedule: warmup": ({"scheduler": {"warmup": {"steps": 2, "shape": "lo_seen.shape"}}}, FUNCTION),
    "schedule: cooldown": (by_lambda("lit_optim.schedules.shapes.lambda_.unchanged", cooldown={"steps": 2, "shape": "lo_seen.shape"}), FUNCTION),
    "schedule: phases": ({"scheduler": {"phases": {"a": {"shape": "lambda", "function": "lo_seen.sing"}}, "order": ["a"]}}, FUNCTION),
    "schedule: drive": (by_lambda("lit_optim.schedules.shapes.lambda_.unchanged", drive={"weight_decay": {"main": {"shape": "lo_seen.shape"}}}), FUNCTION),
    "schedule: groups": (by_lambda("lit_optim.schedules.shapes.lambda_.unchanged", groups={"r": {"main": {"shape": "lo_seen.shape"}}}), FUNCTION),
    "schedule: a factory": ({"scheduler": {"main": {"shape": "lo_seen.shape"}}}, FUNCTION),
    "schedule: of torch": ({"scheduler": {"_target_": "torch.optim.lr_scheduler.LambdaLR", "lr_lambda": "lo_seen.sing"}}, FUNCTION),
    "schedule: a function": ({"scheduler": {"_target_": "lo_seen.sing"}}, FUNCTION),
    "schedule: a class that is none": ({"scheduler": {"_target_": "lo_seen.Sings"}}, CLASS),
    "schedule: preset's name, changed": ({"scheduler": {"_target_": "lambda", "main": {"function": "lo_seen.sing"}}}, FUNCTION),
    "rules: match": (rules(match="lo_seen.sing"), FUNCTION),
    "rules: match, a class": (rules(match="lo_seen.Sings"), CLASS),
    "rules: match, a class of torch": (rules(match="torch.nn.Linear"), "not a function"),
    "rules: match, of the system": (rules(match="os.system"), FUNCTION),
    "rules: match, not imported": (rules(match="lo_unseen.match"), UNSEEN),
    "rules: all": (rules(match={"all": [BIAS, "lo_seen.sing"]}), FUNCTION),
    "rules: not": (rules(match={"not": {"any": ["lo_seen.sing"]}}), FUNCTION),
    "rules: backward": (rules(match="torch.autograd.backward"), FUNCTION),
    "rules: type": (rules(match={"type": "lo_unseen.Norm"}), UNSEEN),
    "rules: type, a function": (rules(match={"type": "lo_seen.sing"}), FUNCTION),
    "rules: schedule": (rules(schedule={"main": {"shape": "lambda", "function": "lo_seen.sing"}}), FUNCTION),
    "rules: a value": (rules(lr={"_target_": "lo_seen.sing"}), FUNCTION),
    "callback: Lightning's": (callback(_target_=CALLBACKS + "ModelCheckpoint", dirpath="../outside"), CLASS),
    "callback: a harmless one of Lightning's": (callback(_target_=CALLBACKS + "LearningRateMonitor"), CLASS),
    "callback: of a third party": (callback(_target_="lo_seen.Callback"), CLASS),
    "callback: a function": (callback(_target_="lo_seen.sing"), FUNCTION),
    "callback: in a list": ({"optim_callbacks": [{"_target_": "lo_seen.Callback"}]}, CLASS),
    "callback: class_path": ({"optim_callbacks": {"x": {"class_path": "lo_seen.Callback"}}}, CLASS),
    "callback: inside": (callback(_target_=REPORT, folder={"_target_": "pathlib.Path"}), CLASS),
    "folder: above": (callback(_target_=REPORT, folder="../../outside"), OUTSIDE),
    "folder: absolute": (callback(_target_=REPORT, folder="/outside"), OUTSIDE),
    "folder: out by way of in": (callback(_target_=REPORT, folder="optim/../../outside"), OUTSIDE),
    "folder: a link": (callback(_target_=REPORT, folder="link/x"), OUTSIDE),
    "folder: a null byte": (callback(_target_=REPORT, folder="a\0b"), OUTSIDE),
    "folder: a URL": (callback(_target_=REPORT, folder="file:///outside"), OUTSIDE),
    "folder: of a preset": ({"optim_callbacks": {"_target_": "schedule_report", "folder": "../outside"}}, OUTSIDE),
    "folder: of a record": (callback(_target_="lit_optim.callbacks.Record", folder="../outside"), OUTSIDE),
    "folder: of SWATS": (callback(_target_=SWATS, folder="../outside"), OUTSIDE),
    "exclude: agc": (callback(_target_="lit_optim.callbacks.Agc", exclude=[{"all": ["lo_seen.sing"]}]), FUNCTION),
    "exclude: noise": (callback(_target_="lit_optim.callbacks.GradientNoise", exclude={"not": "lo_unseen.x"}), UNSEEN),
    "stages: match": (callback(_target_="lit_optim.callbacks.Unfreeze", stages={"a": {"at": 0, "match": "lo_seen.sing"}, "b": "1ep"}), FUNCTION),
}  # fmt: skip

DAMAGED = {  # values that no run of ours writes, and what is said of them
    "optimizer: a number": ({"optimizer": 3}, "optimizer"),
    "optimizer: nothing": ({"optimizer": {}}, "optimizer"),
    "optimizer: a target that is a number": (optimizer(5), "optimizer._target_"),
    "optimizer: control characters": (optimizer("torch.optim.\n\x1b[31mSGD"), "not an import path"),
    "optimizer: not finite": (optimizer(ADAMW, lr=float("nan")), "expects a finite number"),
    "schedule: a number": ({"scheduler": 3}, "scheduler"),
    "schedule: a shape that is a list": ({"scheduler": {"main": {"shape": [1]}}}, "scheduler.main.shape"),
    "rules: a number": ({"param_groups": {"rules": 3}}, "param_groups.rules=3"),
    "rules: a name": ({"param_groups": "../../etc"}, "no preset of that name"),
    "callback: a number": ({"optim_callbacks": {"x": 3}}, "not a callback"),
    "callback: a name": ({"optim_callbacks": "/etc/passwd"}, "no preset of that name"),
}  # fmt: skip
