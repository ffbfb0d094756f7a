"""Bodies of one optimizer whose parameters are all alike: what differs is the schedule."""

from __future__ import annotations

import math

from torch import optim
from torch.optim import lr_scheduler as lrs

from bodies.body import BATCHES, Scheduled, body
from bodies.modules import Cnn, Mlp

RUN = 5 * BATCHES  # optimizer steps


@body(Mlp, """
optimizer: {_target_: torch.optim.Adam, _partial_: true, lr: 0.001}
scheduler: {_target_: torch.optim.lr_scheduler.ReduceLROnPlateau, _partial_: true, mode: min, factor: 0.1, patience: 1, monitor: val/loss}
""")  # fmt: skip
def partials(net):
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    return optimizer, [Scheduled(lrs.ReduceLROnPlateau(optimizer, mode="min", factor=0.1, patience=1))]


@body(Mlp, """
optimizer: {_target_: adamw, lr: 0.01, weight_decay: 0.05}
scheduler: {main: {shape: cosine_restarts, period: 8, peak_decay: 0.5, min_lr: 1e-4}}
""")  # fmt: skip
def restarts_with_decaying_peaks(net):
    optimizer = optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.05)

    def factor(step, first=8, lowest=1e-2, decay=0.5):
        cycle, at = divmod(step, first)
        return lowest + (decay**cycle - lowest) * (1 + math.cos(math.pi * at / first)) / 2

    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, factor), "step")]


@body(Mlp, """
optimizer: {_target_: adamw, lr: 0.001}
scheduler: {_target_: warmup_constant, warmup: {steps: 6, start_factor: 0}}
""")  # fmt: skip
def linear_warmup(net):
    optimizer = optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.01)
    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, lambda step: min(1.0, step / 6)), "step")]


@body(Mlp, """
optimizer: {_target_: adam, lr: 0.01}
scheduler:
  _target_: one_cycle
  drive: {momentum: {main: {shape: one_cycle, start_factor: 0, end_factor: 0}, values: [0.85, 0.95]}}
""")  # fmt: skip
def one_cycle(net):
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    return optimizer, [Scheduled(lrs.OneCycleLR(optimizer, max_lr=0.01, total_steps=RUN), "step")]


@body(Mlp, """
optimizer: {_target_: adamw, lr: 0.003}
scheduler: {_target_: warmup_cosine, warmup: {steps: 4, start_factor: 0.1}, main: {min_lr: 1e-5}}
""")  # fmt: skip
def sequential(net):
    optimizer = optim.AdamW(net.parameters(), lr=3e-3)
    warmup = lrs.LinearLR(optimizer, start_factor=0.1, total_iters=4)
    cosine = lrs.CosineAnnealingLR(optimizer, T_max=RUN - 4, eta_min=1e-5)
    return optimizer, [Scheduled(lrs.SequentialLR(optimizer, [warmup, cosine], milestones=[4]), "step")]


@body(Mlp, """
optimizer: {_target_: adam, lr: 0.01}
scheduler: {_target_: plateau, main: {factor: 0.5, patience: 0}, frequency: 2}
""", epochs=9)  # fmt: skip
def plateau_with_frequency(net):
    optimizer = optim.Adam(net.parameters(), lr=1e-2)
    return optimizer, [Scheduled(lrs.ReduceLROnPlateau(optimizer, factor=0.5, patience=0), frequency=2)]


@body(Mlp, """
optimizer: {_target_: adamw, lr: 0.002}
scheduler: {_target_: warmup_linear, warmup: {steps: 10%, start_factor: 0}}
""")  # fmt: skip
def hf_linear_with_warmup(net):
    optimizer = optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.01)

    def factor(step, warmup=2):
        return step / warmup if step < warmup else max(0.0, (RUN - step) / (RUN - warmup))

    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, factor), "step")]


@body(Mlp, """
optimizer: {_target_: adam, lr: 1.0, betas: [0.9, 0.98], eps: 1e-9}
scheduler: {_target_: noam, main: {warmup_steps: 5, model_size: 16}}
""")  # fmt: skip
def noam(net):
    optimizer = optim.Adam(net.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)

    def factor(step, width=16, warmup=5):
        return width**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)

    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, factor), "step")]


@body(Mlp, """
optimizer: {_target_: adam, lr: 0.01}
scheduler: {_target_: step, main: {step_size: 2ep, gamma: 0.5}}
""")  # fmt: skip
def step_per_epoch(net):
    optimizer = optim.Adam(net.parameters(), lr=1e-2)
    return optimizer, [Scheduled(lrs.StepLR(optimizer, step_size=2, gamma=0.5))]


@body(Cnn, """
optimizer: {_target_: momentum, lr: 0.1, weight_decay: 1e-4}
scheduler: {_target_: multistep, main: {milestones: [2ep, 4ep]}}
""")  # fmt: skip
def multistep(net):
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    return optimizer, [Scheduled(lrs.MultiStepLR(optimizer, milestones=[2, 4], gamma=0.1))]


@body(Mlp, """
optimizer: {_target_: adam, lr: 0.01}
scheduler: {_target_: cosine, total_steps: 40, interval: epoch}
""")  # fmt: skip
def cosine_longer_than_the_run(net):
    optimizer = optim.Adam(net.parameters(), lr=1e-2)
    return optimizer, [Scheduled(lrs.CosineAnnealingLR(optimizer, T_max=10))]


@body(Mlp, """
optimizer: {_target_: adam, lr: 0.01}
scheduler: {_target_: torch.optim.lr_scheduler.CosineAnnealingLR, T_max: 2, eta_min: 1e-4}
""")  # fmt: skip
def cosine_shorter_than_the_run(net):
    optimizer = optim.Adam(net.parameters(), lr=1e-2)
    return optimizer, [Scheduled(lrs.CosineAnnealingLR(optimizer, T_max=2, eta_min=1e-4))]


@body(Mlp, """
optimizer: {_target_: nesterov, lr: 0.05, weight_decay: 1e-5}
scheduler: {_target_: torch.optim.lr_scheduler.ExponentialLR, gamma: 0.9}
""")  # fmt: skip
def exponential_per_epoch(net):
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-5)
    return optimizer, [Scheduled(lrs.ExponentialLR(optimizer, gamma=0.9))]


@body(Mlp, """
optimizer: {_target_: momentum, lr: 0.1, weight_decay: 0}
scheduler: {_target_: triangular2, main: {step_size_up: 3, base_factor: 0.1}}
""")  # fmt: skip
def cyclic(net):
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    scheduler = lrs.CyclicLR(optimizer, 0.01, 0.1, step_size_up=3, mode="triangular2", cycle_momentum=False)
    return optimizer, [Scheduled(scheduler, "step")]


@body(Mlp, """
optimizer: {_target_: adam, lr: 0.01}
scheduler: {_target_: torch.optim.lr_scheduler.LambdaLR, lr_lambda: bodies.single.own_factor}
""")  # fmt: skip
def lambda_per_epoch(net):
    optimizer = optim.Adam(net.parameters(), lr=1e-2)
    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, own_factor))]


@body(Mlp, """
optimizer: {_target_: adafactor, lr: 0.01}
""")  # fmt: skip
def adafactor(net):
    return optim.Adafactor(net.parameters(), lr=1e-2, weight_decay=0.0), []


@body(Cnn, """
optimizer: {_target_: rmsprop, lr: 0.001, alpha: 0.99, weight_decay: 1e-8, momentum: 0.9}
scheduler: {_target_: plateau, mode: max, main: {patience: 1}}
""")  # fmt: skip
def rmsprop_and_plateau(net):
    optimizer = optim.RMSprop(net.parameters(), lr=1e-3, weight_decay=1e-8, momentum=0.9)
    return optimizer, [Scheduled(lrs.ReduceLROnPlateau(optimizer, mode="max", patience=1))]


@body(Mlp, """
optimizer: {_target_: adam, lr: 0.001}
""")  # fmt: skip
def adam(net):
    return optim.Adam(net.parameters(), lr=1e-3), []


@body(Mlp, """
optimizer: {_target_: adam, lr: 0.001, weight_decay: 5e-4}
scheduler: cosine
""", epochs=10, trainer=dict(gradient_clip_val=0.1, accumulate_grad_batches=2))  # fmt: skip
def clipped_and_accumulated(net):
    optimizer = optim.Adam(net.parameters(), lr=1e-3, weight_decay=5e-4)
    return optimizer, [Scheduled(lrs.CosineAnnealingLR(optimizer, T_max=20), "step")]


@body(Mlp, """
optimizer: {_target_: momentum, lr: 0.1, weight_decay: 0}
scheduler: {main: {shape: cosine_restarts, period: 2ep, period_mult: 2, min_lr: 0.001}, interval: epoch}
""")  # fmt: skip
def warm_restarts_per_epoch(net):
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    return optimizer, [Scheduled(lrs.CosineAnnealingWarmRestarts(optimizer, T_0=2, T_mult=2, eta_min=1e-3))]


@body(Mlp, """
optimizer: {_target_: adamw, lr: 0.01}
scheduler:
  phases: {up: {steps: 2ep, shape: linear, start_factor: 0, end_factor: 1}, top: {steps: 1ep, shape: constant}, down: {shape: cosine}}
  order: [up, top, down]
  interval: epoch
""", epochs=10)  # fmt: skip
def warmup_cosine_in_epochs(net):
    """The schedule of lightning-bolts: a warmup from 0 whose last epoch is at the top already."""
    optimizer = optim.AdamW(net.parameters(), lr=1e-2)

    def factor(epoch, warmup=3, epochs=10):
        if epoch < warmup:
            return epoch / (warmup - 1)
        return (1 + math.cos(math.pi * (epoch - warmup) / (epochs - warmup))) / 2

    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, factor))]


@body(Cnn, """
optimizer: {_target_: momentum, lr: 0.05, weight_decay: 5e-4}
scheduler: polynomial
""")  # fmt: skip
def polynomial(net):
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, lambda step: (1 - step / RUN) ** 0.9), "step")]


def own_factor(epoch):
    return 0.65**epoch
