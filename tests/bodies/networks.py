"""Modules of several networks that learn in turns: `losses` yields a name and a loss, and goes on after that step."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import mse_loss, softplus

from bodies.modules import Regression


def net(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 8), nn.LeakyReLU(0.2), nn.Linear(8, outputs))


class Gan(nn.Module):
    def __init__(self):
        super().__init__()
        self.generator = net(8, 16)
        self.discriminator = net(16, 1)

    def losses(self, batch, index):
        noise, real = batch[0][:, :8], batch[0][:, 8:24]
        fake = self.generator(noise).detach()
        yield "discriminator", softplus(-self.discriminator(real)).mean() + softplus(self.discriminator(fake)).mean()
        yield "generator", softplus(-self.discriminator(self.generator(noise))).mean()


class Wgan(nn.Module):
    """The critic learns twice as often as the generator, and its weights are clipped."""

    def __init__(self):
        super().__init__()
        self.generator = net(8, 16)
        self.critic = net(16, 1)

    def losses(self, batch, index):
        noise, real = batch[0][:, :8], batch[0][:, 8:24]
        yield "critic", self.critic(self.generator(noise).detach()).mean() - self.critic(real).mean()
        with torch.no_grad():
            for p in self.critic.parameters():
                p.clamp_(-0.1, 0.1)
        if index % 2 == 1:
            yield "generator", -self.critic(self.generator(noise)).mean()


class CycleGan(nn.Module):
    """Two translators under one optimizer, two discriminators under another."""

    def __init__(self):
        super().__init__()
        self.a_to_b, self.b_to_a = net(8, 8), net(8, 8)
        self.discriminator_a, self.discriminator_b = net(8, 1), net(8, 1)

    def losses(self, batch, index):
        a, b = batch[0][:, :8], batch[0][:, 8:16]
        fake_a, fake_b = self.b_to_a(b), self.a_to_b(a)
        fooled = (self.discriminator_a(fake_a) - 1).square().mean() + (self.discriminator_b(fake_b) - 1).square().mean()
        yield "generators", fooled + 10 * (mse_loss(self.b_to_a(fake_b), a) + mse_loss(self.a_to_b(fake_a), b))
        real = (self.discriminator_a(a) - 1).square().mean() + (self.discriminator_b(b) - 1).square().mean()
        fake = (
            self.discriminator_a(fake_a.detach()).square().mean()
            + self.discriminator_b(fake_b.detach()).square().mean()
        )
        yield "discriminators", real + fake


class VqGan(nn.Module):
    """An autoencoder of many parts; the discriminator is a part of the loss, as in taming-transformers."""

    def __init__(self):
        super().__init__()
        self.encoder, self.quant_conv, self.decoder = net(16, 4), nn.Linear(4, 4), net(4, 16)
        self.quantize = nn.Embedding(4, 4)
        self.criterion = nn.ModuleDict({"discriminator": net(16, 1)})

    def losses(self, batch, index):
        x = batch[0][:, :16]
        hidden = self.quant_conv(self.encoder(x))
        code = self.quantize(torch.cdist(hidden, self.quantize.weight).argmin(1))
        image = self.decoder(hidden + (code - hidden).detach())
        judge = self.criterion["discriminator"]
        yield "autoencoder", mse_loss(image, x) + mse_loss(code, hidden) - 0.1 * judge(image).mean()
        yield "discriminator", (1 - judge(x)).relu().mean() + (1 + judge(image.detach())).relu().mean()


class Td3(nn.Module):
    """Twin critics, an actor that learns at every second step, and targets that follow both."""

    def __init__(self):
        super().__init__()
        self.actor, self.target_actor = net(8, 2), net(8, 2).requires_grad_(False)
        self.critics = nn.ModuleList([net(10, 1), net(10, 1)])

    def losses(self, batch, index):
        state, action, later, reward = batch[0].split([8, 2, 8, 30], 1)
        with torch.no_grad():
            best = torch.cat([later, self.target_actor(later).tanh()], 1)
            wanted = reward[:, :1] + 0.9 * torch.minimum(self.critics[0](best), self.critics[1](best))
        seen = torch.cat([state, action], 1)
        yield "critics", mse_loss(self.critics[0](seen), wanted) + mse_loss(self.critics[1](seen), wanted)
        if index % 2 == 1:
            yield "actor", -self.critics[0](torch.cat([state, self.actor(state).tanh()], 1)).mean()
            with torch.no_grad():
                for target, p in zip(self.target_actor.parameters(), self.actor.parameters(), strict=True):
                    target.lerp_(p, 0.05)


class Sac(nn.Module):
    """A policy, two critics, and a bare temperature."""

    def __init__(self):
        super().__init__()
        self.policy, self.q1, self.q2 = net(8, 2), net(10, 1), net(10, 1)
        self.log_alpha = nn.Parameter(torch.zeros(()))

    def losses(self, batch, index):
        state, action, reward = batch[0][:, :8], batch[0][:, 8:10], batch[1]
        seen = torch.cat([state, action], 1)
        yield "critics", mse_loss(self.q1(seen), reward) + mse_loss(self.q2(seen), reward)
        chosen = self.policy(state).tanh()
        entropy = -chosen.square().sum(1, keepdim=True)
        value = torch.minimum(self.q1(torch.cat([state, chosen], 1)), self.q2(torch.cat([state, chosen], 1)))
        yield "policy", (-self.log_alpha.exp().detach() * entropy - value).mean()
        yield "temperature", -(self.log_alpha * (0.5 - entropy.detach())).mean()


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor, self.critic = net(8, 2), net(8, 1)

    def losses(self, batch, index):
        state, reward = batch[0][:, :8], batch[1]
        value = self.critic(state)
        advantage = (reward - value).detach()
        yield "actor", -(self.actor(state).log_softmax(1)[:, :1] * advantage).mean()
        yield "critic", mse_loss(value, reward)


class Recommender(Regression):
    """A table with sparse gradients, and a network with dense ones."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(30, 4, sparse=True)
        self.top = net(12, 1)

    def forward(self, x):
        return self.top(self.table((x[:, :3].abs() * 10).long() % 30).flatten(1))
