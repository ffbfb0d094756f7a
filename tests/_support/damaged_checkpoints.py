"""Checkpoints that are damaged, foreign or of another run: what was changed, and what a resume says to it.

Each case takes a whole checkpoint of `Net`, an AdamW with the groups `default` and `no_decay`, and changes it in place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

RESUMES = ""
NAN, INF = float("nan"), float("inf")
Change = Callable[[dict[str, Any]], Any]


def put(*path: Any, to: Any) -> Change:
    """Sets what is at the end of a path of keys."""

    def change(checkpoint):
        for key in path[:-1]:
            checkpoint = checkpoint[key]
        checkpoint[path[-1]] = to

    return change


def drop(*path: Any) -> Change:
    def change(checkpoint):
        for key in path[:-1]:
            checkpoint = checkpoint[key]
        del checkpoint[path[-1]]

    return change


def all_of(*changes: Change) -> Change:
    def change(checkpoint):
        for each in changes:
            each(checkpoint)

    return change


OPTIMIZER = ("optimizer_states", 0)
GROUP = (*OPTIMIZER, "param_groups", 1)  # no_decay
ENTRY = (*OPTIMIZER, "state", 0)  # of layer.0.weight
FIT = ("loops", "fit_loop")
W = "layer.0.weight"
SHAPE = (8, 4)

CASES: dict[str, tuple[Change, str]] = {
    "whole": (lambda checkpoint: None, RESUMES),
    # weights
    "no state_dict": (drop("state_dict"), "cannot be restored .*state_dict"),
    "state_dict None": (put("state_dict", to=None), "cannot be restored .*state_dict"),
    "state_dict a list": (put("state_dict", to=[1]), "cannot be restored .*state_dict"),
    "state_dict of numbers": (put("state_dict", to={W: 3}), "cannot be restored"),
    "a weight is missing": (drop("state_dict", W), rf"cannot be restored .*Missing key.*{W}"),
    "a weight of nothing": (put("state_dict", "x", to=torch.zeros(1)), "cannot be restored .*Unexpected key.*x"),
    "a weight of another shape": (put("state_dict", W, to=torch.zeros(3)), f"cannot be restored .*size mismatch for {W}"),
    "NaN in a weight": (put("state_dict", W, to=torch.full(SHAPE, NAN)), rf"the weight '{W}' holds NaN or infinities \(32 of 32"),
    "an infinite weight": (put("state_dict", W, to=torch.full(SHAPE, INF)), f"the weight '{W}' holds NaN or infinities"),
    # optimizer states
    "no optimizer_states": (drop("optimizer_states"), "holds weights only"),
    "weights only": (all_of(drop("optimizer_states"), drop("lr_schedulers"), drop("loops"), drop("callbacks")), "holds weights only"),
    "optimizer_states None": (put("optimizer_states", to=None), "its 'optimizer_states' is missing"),
    "optimizer_states a mapping": (put("optimizer_states", to={}), "its 'optimizer_states' is a dict, and should be a list"),
    "optimizer_states empty": (put("optimizer_states", to=[]), "holds the state of no optimizer"),
    "optimizer_states of None": (put("optimizer_states", to=[None]), "it is no state dict of an optimizer"),
    "optimizer_states of a number": (put("optimizer_states", to=[3]), "it is no state dict of an optimizer"),
    "optimizer_states of {}": (put("optimizer_states", to=[{}]), "it is no state dict of an optimizer"),
    "two optimizers": (lambda c: c["optimizer_states"].append(c["optimizer_states"][0]), "states of 2 optimizers, and here are 1"),
    "state a list": (put(*OPTIMIZER, "state", to=[]), "its 'state' is a list"),
    "state None": (put(*OPTIMIZER, "state", to=None), "its 'state' is a NoneType"),
    "state emptied": (put(*OPTIMIZER, "state", to={}), "it holds no state of AdamW after 8 steps"),
    "state of one parameter emptied": (put(*ENTRY, to={}), RESUMES),
    "state of one parameter gone": (drop(*ENTRY), RESUMES),
    "state of one parameter a list": (put(*ENTRY, to=[1]), "the state of a parameter is of type list"),
    "state of a stray parameter": (put(*OPTIMIZER, "state", 99, to={}), r"in none of its groups \(99\)"),
    "a key of the state gone": (drop(*ENTRY, "exp_avg_sq"), f"{W}: its state .*lacks 'exp_avg_sq'"),
    "state of another shape": (put(*ENTRY, "exp_avg", to=torch.zeros(3)), rf"{W}: 'exp_avg' has shape \(3,\), and should have \(8, 4\)"),
    "state of another dtype": (put(*ENTRY, "exp_avg", to=torch.zeros(SHAPE, dtype=torch.int64)), f"{W}: 'exp_avg' is of dtype int64"),
    "state a text": (put(*ENTRY, "exp_avg", to="x"), f"{W}: 'exp_avg' is a str"),
    "NaN in the state": (put(*ENTRY, "exp_avg", to=torch.full(SHAPE, NAN)), f"the state of {W}: 'exp_avg' holds NaN .*resume=reset_optimizer"),
    "infinity in the state": (put(*ENTRY, "exp_avg_sq", to=torch.full(SHAPE, INF)), f"the state of {W}: 'exp_avg_sq' holds NaN or"),
    "negative second moment": (put(*ENTRY, "exp_avg_sq", to=torch.full(SHAPE, -1.0)), rf"the state of {W}: 'exp_avg_sq' holds values below 0 \(-1\)"),
    "step -1": (put(*ENTRY, "step", to=torch.tensor(-1.0)), f"the state of {W}: 'step' is -1"),
    "step NaN": (put(*ENTRY, "step", to=torch.tensor(NAN)), f"the state of {W}: 'step' is nan"),
    "step 1e12": (put(*ENTRY, "step", to=1e12), f"the state of {W}: 'step' is 1e"),
    "step of three": (put(*ENTRY, "step", to=torch.ones(3)), f"{W}: 'step' has shape"),
    "step a text": (put(*ENTRY, "step", to="8"), f"{W}: 'step' is a str"),
    # param groups
    "groups None": (put(*OPTIMIZER, "param_groups", to=None), "its 'param_groups' are no list"),
    "groups empty": (put(*OPTIMIZER, "param_groups", to=[]), "its parameters have other names: .* only in the model"),
    "params gone": (drop(*GROUP, "params"), "has no list 'params'"),
    "params of None": (put(*GROUP, "params", to=[None] * 4), "neither numbers nor names"),
    "params twice": (put(*GROUP, "params", to=[0, 1, 2, 3]), "parameter"),
    "a parameter less": (lambda c: c["optimizer_states"][0]["param_groups"][1]["params"].pop(), r"\[2, 3\] parameters in its param groups, and this one \[2, 4\]"),
    "lr gone": (drop(*GROUP, "lr"), "KeyError 'lr'"),
    "lr NaN": (put(*GROUP, "lr", to=NAN), r"lr=nan in its param group no_decay: must be a number between 0 and 1e\+10.*resume=reset"),
    "lr infinite": (put(*GROUP, "lr", to=INF), "lr=inf in its param group no_decay"),
    "lr 1e30": (put(*GROUP, "lr", to=1e30), r"lr=1e\+30 in its param group no_decay"),
    "lr -1": (put(*GROUP, "lr", to=-1.0), r"lr=-1.0 in its param group no_decay"),
    "lr a text": (put(*GROUP, "lr", to="0.1"), "lr='0.1' in its param group no_decay: must be a number"),
    "lr None": (put(*GROUP, "lr", to=None), "lr=None in its param group no_decay: must be a number"),
    "initial_lr 1e30": (put(*GROUP, "initial_lr", to=1e30), r"initial_lr=1e\+30 in its param group no_decay"),
    "betas (1.5, -2)": (put(*GROUP, "betas", to=(1.5, -2)), r"betas=\(1.5, -2\) in its param group no_decay: AdamW refuses it"),
    "betas one number": (put(*GROUP, "betas", to=0.9), "betas=0.9 in its param group no_decay: must be 2 numbers"),
    "weight_decay NaN": (put(*GROUP, "weight_decay", to=NAN), "weight_decay=nan in its param group no_decay"),
    "eps -1": (put(*GROUP, "eps", to=-1.0), "eps=-1.0 in its param group no_decay"),
    "maximize a text": (put(*GROUP, "maximize", to="yes"), "maximize='yes' in its param group no_decay: must be True or False"),
    "a group of another name": (put(*GROUP, "name", to="other"), RESUMES),
    "a group with one more key": (put(*GROUP, "mine", to="kept"), RESUMES),
    "names of another module": (put(*OPTIMIZER, "param_names", to=[["a", "b"], ["c", "d", "e", "f"]]), "its optimizer state is of other parameters: it has a, b,.*on_load_checkpoint"),
    "names that are numbers": (put(*OPTIMIZER, "param_names", to=[[1, 2], [3, 4, 5, 6]]), RESUMES),
    # schedulers, whose place follows from the steps done
    "no lr_schedulers": (drop("lr_schedulers"), RESUMES),
    "lr_schedulers None": (put("lr_schedulers", to=None), RESUMES),
    "lr_schedulers empty": (put("lr_schedulers", to=[]), RESUMES),
    "lr_schedulers of None": (put("lr_schedulers", to=[None]), RESUMES),
    "lr_schedulers of {}": (put("lr_schedulers", to=[{}]), RESUMES),
    "last_epoch a text": (put("lr_schedulers", 0, "last_epoch", to="x"), r"lr_schedulers\[0\].last_epoch='x': must be a whole number"),
    "last_epoch -5": (put("lr_schedulers", 0, "last_epoch", to=-5), r"lr_schedulers\[0\].last_epoch=-5: must be"),
    "last_epoch of another run": (put("lr_schedulers", 0, "last_epoch", to=10**12), r"lr_schedulers\[0\].last_epoch=1000000000000: must be"),
    "factor NaN": (put("lr_schedulers", 0, "factor", to=NAN), r"lr_schedulers\[0\].factor=nan: must be a number"),
    # Lightning's own
    "no loops": (drop("loops"), "its 'loops' is missing"),
    "loops a number": (put("loops", to=3), "its 'loops' is a int"),
    "loops {}": (put("loops", to={}), "its 'loops' have no 'fit_loop'"),
    "fit_loop {}": (put(*FIT, to={}), "its 'loops' have no 'fit_loop'"),
    "fit_loop None": (put(*FIT, to=None), "its 'loops' have no 'fit_loop'"),
    "no epoch_progress": (drop(*FIT, "epoch_progress"), "its 'loops' lack 'epoch_progress'"),
    "epochs -3": (put(*FIT, "epoch_progress", "current", "completed", to=-3), r"its loops.fit_loop\['epoch_progress'\]"),
    "batches None": (put(*FIT, "epoch_loop.batch_progress", "current", "ready", to=None), r"\['epoch_loop.batch_progress'\]"),
    "batches a text": (put(*FIT, "epoch_loop.batch_progress", to="x"), r"\['epoch_loop.batch_progress'\]"),
    "loop state None": (put(*FIT, "epoch_loop.state_dict", to=None), r"\['epoch_loop.state_dict'\]"),
    "no epoch": (all_of(drop("epoch"), drop("global_step")), RESUMES),
    "no version of Lightning": (drop("pytorch-lightning_version"), "cannot be restored .*pytorch-lightning_version"),
    "a version that is none": (put("pytorch-lightning_version", to="x"), "cannot be restored"),
    "no callbacks": (drop("callbacks"), RESUMES),
    "callbacks a list": (put("callbacks", to=[1]), "cannot be restored .*keys"),
    "hyper_parameters a number": (put("hyper_parameters", to=3), RESUMES),
    # lit_optim
    "lit_optim a number": (put("lit_optim", to=3), "its entry 'lit_optim' is not one that lit-optim has written"),
    "lit_optim.spec a number": (put("lit_optim", "spec", to=3), "its entry 'lit_optim' is not one that lit-optim has written"),
    "version 99": (put("lit_optim", "version", to=99), "version 99.*update lit-optim"),
    "version a text": (put("lit_optim", "version", to="1"), "version '1'"),
    "spec without optimizer": (drop("lit_optim", "spec", "optimizer"), RESUMES),
    "spec of an unknown optimizer": (put("lit_optim", "spec", "optimizer", to={"_target_": "this.Adam"}), "this"),
    "spec a text": (put("lit_optim", "spec", "optimizer", to="no such preset"), "optimizer"),
    "environment a number": (put("lit_optim", "environment", to=3), RESUMES),
    "param_names gone": (all_of(drop("lit_optim", "param_names"), drop(*OPTIMIZER, "param_names")), RESUMES),
    "of plain Lightning": (all_of(drop("lit_optim"), drop(*OPTIMIZER, "param_names")), RESUMES),
}  # fmt: skip
NO_MAPPINGS = {
    "a tensor": torch.zeros(3),
    "a list": [1, 2],
    "{}": {},
    "weights alone": {W: torch.zeros(SHAPE)},
}
