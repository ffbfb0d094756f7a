"""Algorithm 1 of Keskar & Socher 2017 in numpy and 64 bits, with lit-optim's documented extensions; shares no code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]


@dataclass
class Scope:
    """What is known of the groups that share an estimate."""

    groups: list[dict[str, Any]]
    k: int = 0
    lam: float = 0.0
    gamma: float = 0.0
    Lambda: float = 0.0
    switched_at: int | None = None
    asked: bool = False


@dataclass
class Swats:
    """``groups``: dictionaries of names, ``lr`` and ``weight_decay``; ``s(k)``: what multiplies the lrs at step k."""

    groups: list[dict[str, Any]]
    w: Weights
    s: Callable[[int], float] = lambda k: 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-9
    amsgrad: bool = False
    decoupled: bool = False
    eps_placement: str = "paper"
    switch_tol: float = 1e-9
    switch_rtol: float = 0.0
    min_steps: int = 2
    scope: str = "global"
    max_sgd_lr: float | None = None
    normalize_by_lr: bool = False
    follow_schedule: bool = True
    maximize: bool = False
    step_number: int = 0
    m: Weights = field(default_factory=dict)
    a: Weights = field(default_factory=dict)
    a_max: Weights = field(default_factory=dict)
    v: Weights = field(default_factory=dict)
    t: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        self.scopes = [Scope(self.groups)] if self.scope == "global" else [Scope([group]) for group in self.groups]
        for name in self.w:
            self.m[name], self.a[name] = np.zeros_like(self.w[name]), np.zeros_like(self.w[name])
            self.a_max[name], self.v[name] = np.zeros_like(self.w[name]), np.zeros_like(self.w[name])
            self.t[name] = 0

    def step(self, gradients: dict[str, np.ndarray | None]) -> None:
        s_k = self.s(self.step_number)
        self.step_number += 1
        for scope in self.scopes:
            if all(gradients[name] is None for group in scope.groups for name in group["names"]):
                continue
            if scope.switched_at is None:
                self.adam(scope, gradients, s_k)
            else:
                self.sgd(scope, gradients, s_k)

    def gradient(self, name, gradients, wd):
        g = -gradients[name] if self.maximize else gradients[name]
        return g if self.decoupled else g + wd * self.w[name]

    def adam(self, scope, gradients, s_k):
        b1, b2 = self.betas
        scope.k += 1
        largest = max(group["lr"] * s_k for group in scope.groups)
        pp = p_s_g = 0.0
        for group in scope.groups:
            alpha, wd = group["lr"] * s_k, group.get("weight_decay", 0.0)
            for name in group["names"]:
                if gradients[name] is None:
                    continue
                g = self.gradient(name, gradients, wd)
                if self.decoupled:
                    self.w[name] = self.w[name] - alpha * wd * self.w[name]
                self.t[name] += 1
                t = self.t[name]
                self.m[name] = b1 * self.m[name] + (1 - b1) * g
                self.a[name] = b2 * self.a[name] + (1 - b2) * g * g
                self.a_max[name] = np.maximum(self.a_max[name], self.a[name])
                a = self.a_max[name] if self.amsgrad else self.a[name]
                if self.eps_placement == "paper":
                    p = -alpha * sqrt(1 - b2**t) / (1 - b1**t) * self.m[name] / (np.sqrt(a) + self.eps)
                else:
                    p = -alpha * (self.m[name] / (1 - b1**t)) / (np.sqrt(a / (1 - b2**t)) + self.eps)
                self.w[name] = self.w[name] + p
                pp += float((p * p).sum())
                p_s_g += float((p * g).sum()) * (alpha / largest if largest else 1.0)
        unit = largest if self.normalize_by_lr and largest else 1.0
        if p_s_g != 0:
            scope.gamma = pp / -p_s_g / unit
            scope.lam = b2 * scope.lam + (1 - b2) * scope.gamma
        average = scope.lam / (1 - b2**scope.k)
        near = abs(average - scope.gamma) < max(self.switch_tol, self.switch_rtol * abs(scope.gamma))
        settled = scope.k >= self.min_steps and near
        if (settled or scope.asked) and average > 0 and largest > 0:
            self.switch(scope, average * unit, largest, s_k)

    def switch(self, scope, Lambda, largest, s_k):
        scope.Lambda = Lambda if self.max_sgd_lr is None else min(Lambda, self.max_sgd_lr)
        scope.switched_at = scope.k
        for group in scope.groups:
            group["sgd_lr"] = (1 - self.betas[0]) * scope.Lambda * (group["lr"] * s_k / largest)
            group["s_switch"] = s_k

    def sgd(self, scope, gradients, s_k):
        for group in scope.groups:
            s = s_k if self.follow_schedule else group["s_switch"]
            wd = group.get("weight_decay", 0.0)
            for name in group["names"]:
                if gradients[name] is None:
                    continue
                g = self.gradient(name, gradients, wd)
                if self.decoupled:
                    self.w[name] = self.w[name] - group["lr"] * s * wd * self.w[name]
                self.v[name] = self.betas[0] * self.v[name] + g
                self.w[name] = self.w[name] - group["sgd_lr"] * s / group["s_switch"] * self.v[name]
