"""Bodies of several optimizers: in turns under manual optimization, and together under automatic optimization."""

from __future__ import annotations

from itertools import chain

from torch import optim
from torch.optim import lr_scheduler as lrs

from bodies.body import BATCHES, Scheduled, body
from bodies.by_module import warmup_cosine
from bodies.modules import Vit
from bodies.networks import ActorCritic, CycleGan, Gan, Recommender, Sac, Td3, VqGan, Wgan


@body(Gan, """
optimizer:
  generator: {_target_: adam, lr: 2e-4, betas: [0.5, 0.999]}
  discriminator: {_target_: adam, lr: 1e-4, betas: [0.5, 0.999]}
""")  # fmt: skip
def gan(net):
    return {
        "generator": optim.Adam(net.generator.parameters(), lr=2e-4, betas=(0.5, 0.999)),
        "discriminator": optim.Adam(net.discriminator.parameters(), lr=1e-4, betas=(0.5, 0.999)),
    }, []


@body(Wgan, """
optimizer:
  generator: {_target_: torch.optim.RMSprop, lr: 5e-4}
  critic: {_target_: torch.optim.RMSprop, lr: 1e-3}
scheduler: {generator: {_target_: cosine, total_steps: 10}, critic: cosine}
""")  # fmt: skip
def wgan_with_n_critic(net):
    generator = optim.RMSprop(net.generator.parameters(), lr=5e-4)
    critic = optim.RMSprop(net.critic.parameters(), lr=1e-3)
    return {"generator": generator, "critic": critic}, [
        Scheduled(lrs.CosineAnnealingLR(generator, T_max=10), "step", optimizer="generator"),
        Scheduled(lrs.CosineAnnealingLR(critic, T_max=20), "step", optimizer="critic"),
    ]


@body(CycleGan, """
optimizer:
  generators: {_target_: adam, of: [a_to_b, b_to_a], lr: 2e-4, betas: [0.5, 0.999]}
  discriminators: {_target_: adam, of: [discriminator_a, discriminator_b], lr: 2e-4, betas: [0.5, 0.999]}
scheduler:
  phases: {hold: {steps: 2ep, shape: constant}, fall: {shape: linear}}
  order: [hold, fall]
  interval: epoch
""")  # fmt: skip
def cycle_gan(net):
    optimizers = {
        "generators": optim.Adam(chain(net.a_to_b.parameters(), net.b_to_a.parameters()), lr=2e-4, betas=(0.5, 0.999)),
        "discriminators": optim.Adam(
            chain(net.discriminator_a.parameters(), net.discriminator_b.parameters()), lr=2e-4, betas=(0.5, 0.999)
        ),
    }
    return optimizers, [
        Scheduled(lrs.LambdaLR(each, lambda epoch: 1.0 - max(0, epoch - 2) / (5 - 2))) for each in optimizers.values()
    ]


@body(VqGan, """
optimizer:
  autoencoder: {_target_: adam, of: [encoder, quant_conv, quantize, decoder], lr: 1e-3, betas: [0.5, 0.9]}
  discriminator: {_target_: adam, of: criterion.discriminator, lr: 1e-3, betas: [0.5, 0.9]}
""")  # fmt: skip
def vq_gan(net):
    parts = (net.encoder, net.quant_conv, net.quantize, net.decoder)
    return {
        "autoencoder": optim.Adam([p for part in parts for p in part.parameters()], lr=1e-3, betas=(0.5, 0.9)),
        "discriminator": optim.Adam(net.criterion["discriminator"].parameters(), lr=1e-3, betas=(0.5, 0.9)),
    }, []


@body(Td3, """
optimizer:
  actor: {_target_: adam, lr: 1e-3}
  critics: {_target_: adam, lr: 3e-3}
""")  # fmt: skip
def td3(net):
    return {
        "actor": optim.Adam(net.actor.parameters(), lr=1e-3),
        "critics": optim.Adam(net.critics.parameters(), lr=3e-3),
    }, []


@body(Sac, """
optimizer:
  policy: {_target_: adam, lr: 3e-4}
  critics: {_target_: adam, of: [q1, q2], lr: 1e-3}
  temperature: {_target_: adam, of: {name: log_alpha}, lr: 1e-2}
""")  # fmt: skip
def sac_with_a_bare_temperature(net):
    return {
        "policy": optim.Adam(net.policy.parameters(), lr=3e-4),
        "critics": optim.Adam([*net.q1.parameters(), *net.q2.parameters()], lr=1e-3),
        "temperature": optim.Adam([net.log_alpha], lr=1e-2),
    }, []


@body(ActorCritic, """
optimizer:
  actor: {_target_: adam, lr: 1e-3}
  critic: {_target_: adamw, lr: 5e-3}
scheduler:
  actor: {_target_: step, main: {step_size: 5, gamma: 0.5}}
  critic: {_target_: step, main: {step_size: 2ep, gamma: 0.1}}
""")  # fmt: skip
def actor_critic_with_two_step_schedules(net):
    actor = optim.Adam(net.actor.parameters(), lr=1e-3)
    critic = optim.AdamW(net.critic.parameters(), lr=5e-3)
    return {"actor": actor, "critic": critic}, [
        Scheduled(lrs.StepLR(actor, step_size=5, gamma=0.5), "step", optimizer="actor"),
        Scheduled(lrs.StepLR(critic, step_size=2), optimizer="critic"),
    ]


@body(Vit, """
optimizer: {_target_: muon_adamw, lr: 0.001}
scheduler: {_target_: warmup_cosine, warmup: {steps: 1ep, start_factor: 0}}
""", trainer=dict(gradient_clip_val=1.0))  # fmt: skip
def muon_and_adamw(net):
    matrices = [p for name, p in net.named_parameters() if p.ndim == 2 and name.startswith(("patch_embed", "blocks"))]
    ids = {id(p) for p in matrices}
    others = [p for p in net.parameters() if id(p) not in ids]
    optimizers = {
        "adamw": optim.AdamW(others, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1),
        "muon": optim.Muon(matrices, lr=1e-3, momentum=0.95, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    }
    return optimizers, [Scheduled(lrs.LambdaLR(each, warmup_cosine(BATCHES)), "step") for each in optimizers.values()]


@body(Recommender, """
optimizer: {_target_: adam, lr: 0.001}
param_groups: {rules: {table: {match: {type: embedding}, optimizer: {_target_: sparse_adam, lr: 0.01}}}}
""")  # fmt: skip
def sparse_table_and_dense_network(net):
    return {
        "sparse": optim.SparseAdam(net.table.parameters(), lr=0.01),
        "dense": optim.Adam(net.top.parameters(), lr=1e-3),
    }, []
