"""Every text of the own optimizers: its class, its options, and the same on paper."""

from functools import partial
from typing import Any, NamedTuple

from _support.references import rules_on_paper as paper
from lit_optim.optimizers import SGDW, AdaBound, AdaBoundW
from lit_optim.optimizers.adam import Adam
from lit_optim.optimizers.compiled import Adadelta, Adamax, NAdam, RAdam, RMSprop


class Case(NamedTuple):
    """One text."""

    cls: Any
    options: dict[str, Any]
    on_paper: Any
    lr: float = 0.05

    def build(self, params, **more):
        return self.cls(params, **{"lr": self.lr, "compile": False, **self.options, **more})


BOUNDS = dict(final_lr=0.03, gamma=0.02)  # both bounds bite within 100 steps
CASES = {
    "AdaBound": Case(AdaBound, BOUNDS, partial(paper.adabound, **BOUNDS)),
    "AMSBound": Case(AdaBound, {**BOUNDS, "amsbound": True}, partial(paper.adabound, **BOUNDS, amsbound=True)),
    "AdaBoundW": Case(AdaBoundW, BOUNDS, partial(paper.adabound, **BOUNDS, decoupled=True)),
    "AMSBoundW": Case(AdaBoundW, {**BOUNDS, "amsbound": True}, partial(paper.adabound, **BOUNDS, amsbound=True, decoupled=True)),
    "SGDW": Case(SGDW, {}, paper.sgdw),
    "SGDW, nesterov": Case(SGDW, {"nesterov": True, "momentum": 0.7}, partial(paper.sgdw, nesterov=True, momentum=0.7)),
    "SGDW, dampened": Case(SGDW, {"dampening": 0.3}, partial(paper.sgdw, dampening=0.3)),
    "SGDW, plain": Case(SGDW, {"momentum": 0.0}, partial(paper.sgdw, momentum=0.0)),
    "Adam": Case(Adam, {"eps": 1e-3}, partial(paper.adam, eps=1e-3)),
    "AdamW": Case(Adam, {"decoupled": True, "betas": (0.8, 0.95)}, partial(paper.adam, decoupled=True, betas=(0.8, 0.95))),
    "AMSGrad": Case(Adam, {"amsgrad": True, "eps": 1e-3, "betas": (0.9, 0.9)}, partial(paper.adam, amsgrad=True, eps=1e-3, betas=(0.9, 0.9))),
    "AMSGradW": Case(Adam, {"amsgrad": True, "decoupled": True}, partial(paper.adam, amsgrad=True, decoupled=True)),
    "NAdam": Case(NAdam, {"momentum_decay": 0.02}, partial(paper.nadam, momentum_decay=0.02)),
    "NAdamW": Case(NAdam, {"decoupled_weight_decay": True, "eps": 1e-3}, partial(paper.nadam, decoupled_weight_decay=True, eps=1e-3)),
    "RAdam": Case(RAdam, {}, paper.radam),
    "RAdamW": Case(RAdam, {"decoupled_weight_decay": True, "betas": (0.8, 0.9)}, partial(paper.radam, decoupled_weight_decay=True, betas=(0.8, 0.9))),
    "RMSprop": Case(RMSprop, {}, paper.rmsprop),
    "RMSprop, momentum": Case(RMSprop, {"momentum": 0.8, "alpha": 0.9}, partial(paper.rmsprop, momentum=0.8, alpha=0.9), 0.01),
    "RMSprop, centered": Case(RMSprop, {"centered": True, "eps": 1e-2}, partial(paper.rmsprop, centered=True, eps=1e-2)),
    "RMSprop, both": Case(RMSprop, {"centered": True, "momentum": 0.8, "eps": 1e-2}, partial(paper.rmsprop, centered=True, momentum=0.8, eps=1e-2), 0.01),
    "Adadelta": Case(Adadelta, {"eps": 1e-4}, partial(paper.adadelta, eps=1e-4), 1.0),
    "Adamax": Case(Adamax, {"eps": 1e-3}, partial(paper.adamax, eps=1e-3)),
}  # fmt: skip
