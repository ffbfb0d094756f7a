"""Bodies whose groups are products: who decays, times who has another lr, times who is frozen."""

from __future__ import annotations

import math

from torch import optim
from torch.optim import lr_scheduler as lrs

from bodies.body import BATCHES, Scheduled, body, named
from bodies.by_module import warmup_cosine
from bodies.modules import Bert, BertWithFrozenLayers, Cnn, Gpt, Vilt, Vit

RUN = 5 * BATCHES
NO_DECAY = ("bias", "LayerNorm.weight", "LayerNorm.bias")


def warmup_linear(step, warmup=2):
    return step / warmup if step < warmup else max(0.0, (RUN - step) / (RUN - warmup))


@body(Vilt, """
optimizer: {_target_: adamw, lr: 1e-4, betas: [0.9, 0.98], weight_decay: 0.01}
scheduler: {_target_: warmup_polynomial, warmup: {steps: 10%, start_factor: 0}, main: {power: 1}}
param_groups:
  rules:
    no_decay: {match: {type: [norm, bias]}, weight_decay: 0}
    head: {match: {module: vqa_classifier}, lr: x5}
    cross_modal: {match: {module: cross_modal_layer}, lr: x2}
""")  # fmt: skip
def vilt(net):
    no_decay, head, cross = ("bias", "LayerNorm.weight", "vqa_classifier.1.weight"), "vqa_classifier", "cross_modal"
    optimizer = optim.AdamW(
        [
            {"params": named(net, without=[*no_decay, head, cross]), "weight_decay": 0.01, "lr": 1e-4},
            {"params": named(net, *no_decay, without=[head, cross]), "weight_decay": 0.0, "lr": 1e-4},
            {"params": named(net, head, without=no_decay), "weight_decay": 0.01, "lr": 1e-4 * 5},
            {"params": named(net.vqa_classifier, "bias", "1.weight"), "weight_decay": 0.0, "lr": 1e-4 * 5},
            {"params": named(net, cross, without=no_decay), "weight_decay": 0.01, "lr": 1e-4 * 2},
            {"params": named(net.cross_modal_layer, *no_decay), "weight_decay": 0.0, "lr": 1e-4 * 2},
        ],
        betas=(0.9, 0.98),
    )
    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, warmup_linear), "step")]


@body(BertWithFrozenLayers, """
optimizer: {_target_: adamw, lr: 2e-3, weight_decay: 0.01}
scheduler: {_target_: warmup_linear, warmup: {steps: 2, start_factor: 0}}
param_groups: {rules: {no_decay: {match: {name: ["*bias", "*LayerNorm.*"]}, weight_decay: 0}}}
""")  # fmt: skip
def bert_that_its_author_froze(net):
    groups = [
        {"params": named(net, without=NO_DECAY), "weight_decay": 0.01},
        {"params": named(net, *NO_DECAY), "weight_decay": 0.0},
    ]
    optimizer = optim.AdamW(groups, lr=2e-3)
    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, warmup_linear), "step")]


@body(Bert, r"""
optimizer: {_target_: adamw, lr: 2e-3, weight_decay: 0.01}
scheduler: {_target_: warmup_linear, warmup: {steps: 2, start_factor: 0}}
param_groups:
  rules:
    no_decay: {match: {type: [norm, bias]}, weight_decay: 0}
    lower: {match: {name: 're:bert\.(embeddings|layer\.[01])\.'}, freeze: true}
""")  # fmt: skip
def bert_with_frozen_layers(net):
    for part in (net.bert.embeddings, *net.bert.layer[:2]):
        part.requires_grad_(False)
    return bert_that_its_author_froze(net)


@body(Vit, """
optimizer: {_target_: adamw, lr: 1e-3, weight_decay: 0.05}
scheduler: {_target_: warmup_cosine, warmup: {steps: 1ep, start_factor: 0}}
param_groups:
  layers: {decay: 0.75}
  rules: {no_decay: {match: {any: [{ndim: "<2"}, {declared: no_weight_decay}]}, weight_decay: 0}}
""")  # fmt: skip
def beit_layer_decay(net):
    def layer(name):
        if name.startswith(("cls_token", "pos_embed", "patch_embed")):
            return 0
        return int(name.split(".")[1]) + 1 if name.startswith("blocks") else 4

    groups = [
        {
            "params": [p],
            "lr": 1e-3 * 0.75 ** (4 - layer(name)),
            "weight_decay": 0.0 if p.ndim == 1 or name in net.no_weight_decay() else 0.05,
        }
        for name, p in net.named_parameters()
    ]
    optimizer = optim.AdamW(groups)
    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, warmup_cosine(BATCHES)), "step")]


@body(Gpt, """
optimizer: {_target_: adamw, lr: 6e-4, betas: [0.9, 0.95], weight_decay: 0.1}
scheduler: {_target_: warmup_cosine, warmup: {steps: 2, start_factor: 0}, main: {end_factor: 0.1}}
param_groups: no_decay_1d
""", trainer=dict(gradient_clip_val=1.0))  # fmt: skip
def nano_gpt(net):
    parameters = dict(net.named_parameters())  # the tied weight once
    groups = [
        {"params": [p for p in parameters.values() if p.dim() >= 2], "weight_decay": 0.1},
        {"params": [p for p in parameters.values() if p.dim() < 2], "weight_decay": 0.0},
    ]
    optimizer = optim.AdamW(groups, lr=6e-4, betas=(0.9, 0.95))

    def factor(step, warmup=2, lowest=0.1):
        if step < warmup:
            return step / warmup
        done = (step - warmup) / (RUN - warmup)
        return lowest + 0.5 * (1.0 + math.cos(math.pi * done)) * (1 - lowest)

    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, factor), "step")]


@body(Vit, """
optimizer: {_target_: adamw, lr: 5e-4, weight_decay: 0.04}
scheduler:
  _target_: warmup_cosine
  warmup: {steps: 4, start_factor: 0}
  drive: {weight_decay: {main: {shape: cosine}, values: [0.04, 0.4]}}
param_groups: {rules: {no_decay: {match: {any: [{ndim: "<2"}, {name: "*bias"}]}, weight_decay: 0}}}
""")  # fmt: skip
def dino_with_rising_decay(net):
    free = [p for name, p in net.named_parameters() if name.endswith(".bias") or p.ndim == 1]
    ids = {id(p) for p in free}
    decayed = [p for p in net.parameters() if id(p) not in ids]
    optimizer = optim.AdamW([{"params": decayed, "weight_decay": 0.04}, {"params": free, "weight_decay": 0.0}], lr=5e-4)
    return optimizer, [
        Scheduled(lrs.LambdaLR(optimizer, warmup_cosine(4)), "step"),
        Scheduled(RisingDecay(optimizer.param_groups[0]), "step"),
    ]


class RisingDecay:
    """Half a cosine from 0.04 up to 0.4."""

    def __init__(self, group):
        self.group, self.count = group, 0

    def step(self):
        self.count += 1
        self.group["weight_decay"] = 0.4 + 0.5 * (0.04 - 0.4) * (1 + math.cos(math.pi * self.count / RUN))


@body(Cnn, """
optimizer: {_target_: torch.optim.SGD, lr: 0.02, momentum: 0.9, weight_decay: 1e-4}
scheduler: {_target_: warmup_multistep, warmup: {steps: 3, start_factor: 0.001}, main: {milestones: [9]}}
param_groups:
  rules:
    bias: {match: {type: bias}, lr: x2, weight_decay: 0}
    norm: {match: {type: norm}, lr: x1, weight_decay: 0}
""")  # fmt: skip
def detectron_with_fast_biases(net):
    groups = []
    for name, p in net.named_parameters():
        norm = name.startswith("backbone.1.")
        bias = name.endswith("bias") and not norm
        groups.append({"params": [p], "lr": 0.02 * (2 if bias else 1), "weight_decay": 0.0 if norm or bias else 1e-4})
    optimizer = optim.SGD(groups, lr=0.02, momentum=0.9)

    def factor(step, warmup=3):
        ramp = 0.001 + (1 - 0.001) * step / warmup if step < warmup else 1.0
        return ramp * 0.1 ** (step >= 3 * BATCHES)

    return optimizer, [Scheduled(lrs.LambdaLR(optimizer, factor), "step")]


@body(Bert, """
optimizer: {_target_: adamw, lr: 2e-4, weight_decay: 0.01}
param_groups:
  layers: {decay: 0.9, of: bert}
  rules:
    no_decay: {match: {type: [norm, bias]}, weight_decay: 0}
    head: {match: {module: classifier}, lr: 1e-3}
    embeddings: {match: {module: bert.embeddings}, freeze: true}
""")  # fmt: skip
def bert_with_layer_decay_and_frozen_embeddings(net):
    net.bert.embeddings.requires_grad_(False)
    parts, lr = [(net.classifier, 1e-3)], 2e-4
    for layer in reversed(net.bert.layer):
        lr *= 0.9
        parts.append((layer, lr))
    groups = [{"params": named(part, without=NO_DECAY), "lr": lr, "weight_decay": 0.01} for part, lr in parts]
    groups += [{"params": named(part, *NO_DECAY), "lr": lr, "weight_decay": 0.0} for part, lr in parts]
    return optim.AdamW(groups), []


@body(Gpt, """
optimizer: {_target_: adamw, lr: 1e-3, betas: [0.9, 0.95], weight_decay: 0}
param_groups: {rules: {decay: {match: {type: linear, not: {type: [bias, embedding]}}, weight_decay: 0.1}}}
""")  # fmt: skip
def min_gpt_with_a_white_list(net):
    linear = [m.weight for m in net.transformer.h.modules() if type(m).__name__ == "Linear"]
    ids = {id(p) for p in linear}
    others = [p for p in net.parameters() if id(p) not in ids]
    groups = [{"params": linear, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95)), []
