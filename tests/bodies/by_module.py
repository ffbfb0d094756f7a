"""Bodies of one optimizer with an lr or a decay by module, by name, or by what the model says of its parameters."""

from __future__ import annotations

import math

from torch import optim
from torch.optim import lr_scheduler as lrs

from bodies.body import BATCHES, SIZE, Scheduled, body, named
from bodies.modules import Bands, Bert, Clip, Cnn, FrozenBackbone, Lseg, Nerf, StateSpace, Vit

RUN = 5 * BATCHES


def warmup_cosine(warmup):
    """From 0 up to 1 in so many steps, and half a cosine down to 0 at the end of the run."""

    def factor(step):
        if step < warmup:
            return step / warmup
        return (1 + math.cos(math.pi * (step - warmup) / (RUN - warmup))) / 2

    return factor


@body(Cnn, """
optimizer: {_target_: adamw, lr: 0.001}
param_groups: {rules: {backbone: {match: {module: backbone}, lr: 1e-5}}}
""")  # fmt: skip
def backbone_and_head(net):
    return optim.AdamW(
        [{"params": net.backbone.parameters(), "lr": 1e-5}, {"params": net.head.parameters()}], lr=1e-3
    ), []


@body(Cnn, """
optimizer: {_target_: adamw, lr: 0.001, weight_decay: 0.05}
scheduler: {_target_: warmup_cosine, warmup: {steps: 20%, start_factor: 0}}
param_groups: {rules: {backbone: {match: {module: backbone}, lr: x0.1}}}
""")  # fmt: skip
def backbone_and_head_with_warmup_cosine(net):
    groups = [{"params": net.backbone.parameters(), "lr": 1e-4}, {"params": net.head.parameters(), "lr": 1e-3}]
    optimizer = optim.AdamW(groups, weight_decay=0.05)
    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, warmup_cosine(4)), "step")]


@body(Clip, """
optimizer: {_target_: adamw, lr: 0.001, weight_decay: 0.1}
param_groups:
  rules:
    text: {match: {module: text_encoder}, lr: x0.1}
    vision: {match: {module: vision_encoder}, lr: x0.5}
    scale: {match: {name: logit_scale}, weight_decay: 0}
""")  # fmt: skip
def clip(net):
    projections = [*net.text_projection.parameters(), *net.vision_projection.parameters()]
    groups = [
        {"params": net.text_encoder.parameters(), "lr": 1e-3 * 0.1},
        {"params": net.vision_encoder.parameters(), "lr": 1e-3 * 0.5},
        {"params": projections},
        {"params": [net.logit_scale], "weight_decay": 0.0},
    ]
    return optim.AdamW(groups, lr=1e-3, weight_decay=0.1), []


@body(Vit, """
optimizer: {_target_: adamw, lr: 0.001, weight_decay: 0.05}
scheduler: {_target_: warmup_cosine, warmup: {steps: 1ep, start_factor: 0}}
param_groups:
  rules:
    no_decay: {match: {any: [{ndim: "<2"}, {declared: no_weight_decay}]}, weight_decay: 0}
    scales: {match: {name: "*.gamma"}, lr: x0.1}
""")  # fmt: skip
def timm_without_decay_and_slow_scales(net):
    skip, groups = net.no_weight_decay(), []
    for name, p in net.named_parameters():
        decay = 0.0 if p.ndim <= 1 or name in skip else 0.05
        groups.append({"params": [p], "weight_decay": decay, "lr": 1e-3 * 0.1 if name.endswith("gamma") else 1e-3})
    optimizer = optim.AdamW(groups)
    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, warmup_cosine(4)), "step")]


@body(StateSpace, """
optimizer: {_target_: adamw, lr: 0.01, weight_decay: 0.05}
scheduler: cosine
param_groups: {rules: {own: {match: {declared: _optim}}}}
""")  # fmt: skip
def s4(net):
    optimizer = optim.AdamW([p for p in net.parameters() if not hasattr(p, "_optim")], lr=0.01, weight_decay=0.05)
    for p in net.parameters():
        if hasattr(p, "_optim"):
            optimizer.add_param_group({"params": [p], **p._optim})
    return optimizer, [Scheduled(lrs.CosineAnnealingLR(optimizer, T_max=RUN), "step")]


@body(Bands, """
optimizer: {_target_: adam, lr: 0.001}
param_groups:
  rules:
    low: {match: {module: bands.0}, lr: 0.01}
    middle: {match: {module: bands.1}, lr: 0.003}
    high: {match: {module: bands.2}, lr: 0.0003}
""")  # fmt: skip
def lr_per_band(net):
    lrs_of_bands = [0.01, 0.003, 0.0003]
    groups = [{"params": band.parameters(), "lr": lr} for band, lr in zip(net.bands, lrs_of_bands, strict=True)]
    return optim.Adam([*groups, {"params": net.merge.parameters()}], lr=1e-3), []


@body(Vit, """
optimizer: {_target_: adamw, lr: 0.001, betas: [0.9, 0.95], weight_decay: 0.1}
param_groups: no_decay_1d
""")  # fmt: skip
def decay_by_dimension(net):
    matrices = [p for p in net.parameters() if p.dim() >= 2]
    vectors = [p for p in net.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    return optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95)), []


@body(Cnn, """
optimizer: {_target_: torch.optim.SGD, lr: 0.1, momentum: 0.9}
param_groups: {rules: {rest: {match: {not: {module: head}}, freeze: true}}}
""")  # fmt: skip
def sgd_on_one_submodule(net):
    for p in net.backbone.parameters():
        p.requires_grad_(False)
    return optim.SGD(net.head.parameters(), lr=0.1, momentum=0.9), []


@body(Cnn, """
optimizer: {_target_: torch.optim.SGD, lr: 0.1, momentum: 0.9, lr_scaling: {base_batch_size: 256}}
""", epochs=10, trainer=dict(accumulate_grad_batches=2))  # fmt: skip
def lr_by_batch_size(net):
    batch_size, accumulated, devices = SIZE, 2, 1
    return optim.SGD(net.parameters(), lr=0.1 * batch_size * accumulated * devices / 256, momentum=0.9), []


@body(FrozenBackbone, "optimizer: {_target_: adam, lr: 0.001}")
def filtered(net):
    return optim.Adam(filter(lambda p: p.requires_grad, net.parameters()), lr=1e-3), []


@body(Cnn, """
optimizer: {_target_: adamw, lr: 1e-4, weight_decay: 1e-4}
scheduler: {_target_: step, main: {step_size: 3ep}}
param_groups: {rules: {backbone: {match: {name: "*backbone*"}, lr: 1e-5}}}
""", trainer=dict(gradient_clip_val=0.1))  # fmt: skip
def detr(net):
    groups = [{"params": named(net, without=["backbone"])}, {"params": named(net, "backbone"), "lr": 1e-5}]
    optimizer = optim.AdamW(groups, lr=1e-4, weight_decay=1e-4)
    return optimizer, [Scheduled(lrs.StepLR(optimizer, 3))]


@body(Lseg, """
optimizer: {_target_: torch.optim.SGD, lr: 0.01, momentum: 0.9, weight_decay: 1e-4}
scheduler: {_target_: polynomial, interval: epoch}
param_groups:
  rules: {scratch: {match: {any: [{module: scratch}, {module: auxlayer}, {name: logit_scale}]}, lr: x10}}
  unmatched_rule: warn
""", warns="auxlayer")  # fmt: skip
def lseg(net):
    groups = [{"params": net.pretrained.parameters(), "lr": 0.01}]
    groups += [{"params": part.parameters(), "lr": 0.01 * 10} for part in net.scratch.values()]
    if hasattr(net, "auxlayer"):
        groups.append({"params": net.auxlayer.parameters(), "lr": 0.01 * 10})
    groups.append({"params": [net.logit_scale], "lr": 0.01 * 10})
    optimizer = optim.SGD(groups, lr=0.01, momentum=0.9, weight_decay=1e-4)
    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, lambda epoch: (1.0 - epoch / 5) ** 0.9))]


@body(Nerf, """
optimizer: {_target_: adam, lr: 0.001, eps: 1e-15}
scheduler: {_target_: exponential, main: {end_factor: 0.1}}
param_groups:
  rules:
    encoding: {match: {module: encoding}, lr: x10}
    mlp: {match: {module: mlp}, weight_decay: 1e-6}
    poses: {match: {name: poses}, lr: 1e-4, schedule: {main: {shape: step, step_size: 2ep}}}
""")  # fmt: skip
def nerf_with_a_schedule_of_the_poses(net):
    groups = [
        {"params": net.encoding.parameters(), "lr": 1e-3 * 10},
        {"params": net.mlp.parameters(), "lr": 1e-3, "weight_decay": 1e-6},
        {"params": [net.poses], "lr": 1e-4},
    ]
    optimizer = optim.Adam(groups, eps=1e-15)
    falling, steps = lambda step: 0.1 ** (step / RUN), lambda step: 0.1 ** (step // (2 * BATCHES))
    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, [falling, falling, steps]), "step")]


@body(Bert, """
optimizer: {_target_: adamw, lr: 0.001, weight_decay: 0.01}
param_groups: {layers: {decay: 0.5}}
""")  # fmt: skip
def discriminative_fine_tuning(net):
    parts = [net.bert.embeddings, *net.bert.layer, net.classifier]
    groups = [{"params": part.parameters(), "lr": 1e-3 * 0.5**i} for i, part in enumerate(reversed(parts))]
    return optim.AdamW(groups, weight_decay=0.01), []
