"""Several optimizers by name in manual optimization do what a loop by hand does."""

import itertools
import math

import lightning as L
import pytest
import torch
from torch import nn

import lit_optim
from _support.net import BATCHES, fit, loader, weights
from _support.several import NAMES, SCHEDULES, Gan

EPOCHS = 2
TOTAL = EPOCHS * BATCHES


def batches(epochs=EPOCHS):
    data = loader()
    for epoch in range(epochs):
        data.sampler.set_epoch(epoch)
        for batch_idx, (x, _) in enumerate(data):
            yield batch_idx, x


def warmup_cosine(step, total):
    warm = round(0.05 * total)
    return (step + 1) / warm if step < warm else (1 + math.cos(math.pi * (step - warm) / (total - warm))) / 2


def linear(step, total):
    return 1 - 0.9 * step / total


def by_hand(n_critic=1, generator_steps=TOTAL):
    """The same training without Lightning and lit_optim: each schedule counts the steps of its own optimizer."""
    net = Gan()
    adam = torch.optim.Adam(net.generator.parameters(), lr=2e-2, betas=(0.5, 0.9), fused=True)
    sgd = torch.optim.SGD(net.critic.parameters(), lr=0.05, momentum=0.9, fused=True)
    plans = {"generator": (adam, 2e-2, warmup_cosine, generator_steps), "discriminator": (sgd, 0.05, linear, TOTAL)}
    taken = dict.fromkeys(plans, 0)
    for batch_idx, x in batches():
        for name, loss in net.losses(x):
            if name == "generator" and (batch_idx + 1) % n_critic:
                continue
            optimizer, lr, factor, total = plans[name]
            optimizer.param_groups[0]["lr"] = lr * factor(taken[name], total)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            taken[name] += 1
    return net, taken


@pytest.mark.parametrize(
    "stepping", [False, True], ids=["no step of schedules by hand", "a step by hand changes nothing"]
)
def test_equals_a_loop_by_hand(tmp_path, stepping):
    module, run = fit(tmp_path, Gan(by_hand=stepping), max_epochs=EPOCHS)
    expected, _ = by_hand()
    assert torch.equal(weights(module), weights(expected))
    assert run.global_step == 2 * TOTAL
    assert module.used["generator"] == pytest.approx([2e-2 * warmup_cosine(t, TOTAL) for t in range(TOTAL)])
    assert [*module.named_optimizers()] == ["generator", "discriminator"]
    assert [*module.named_optimizers().values()] == module.optimizers()


def test_wgan_whose_schedules_move_with_their_own_steps(tmp_path):
    scheduler = {**SCHEDULES, "generator": {"_target_": "warmup_cosine", "total_steps": TOTAL // 4}}
    module, run = fit(tmp_path, Gan(scheduler=scheduler, n_critic=4), max_epochs=EPOCHS)
    expected, taken = by_hand(4, TOTAL // 4)
    assert torch.equal(weights(module), weights(expected))
    assert taken == {"generator": TOTAL // 4, "discriminator": TOTAL}
    assert [config.scheduler.last_epoch for config in run.lr_scheduler_configs] == [TOTAL // 4, TOTAL]


def test_an_epoch_of_a_rarer_optimizer_has_fewer_steps(tmp_path):
    slots = {"warmup": {"steps": "1ep"}, "main": {"shape": "constant"}, "total_steps": TOTAL // 4}
    module, _ = fit(tmp_path, Gan(scheduler={"generator": slots}, n_critic=4), max_epochs=EPOCHS)
    assert module.used["generator"] == pytest.approx([0.01, 0.02, 0.02, 0.02])


def test_a_length_that_is_wrong_is_warned_of_with_the_right_one(tmp_path):
    advice = r"scheduler.generator: made for 16 steps, and its optimizer takes about 4 steps; write scheduler.generator.total_steps=4"
    with pytest.warns(UserWarning, match=advice):
        fit(tmp_path, Gan(n_critic=4), max_epochs=EPOCHS)
    given = {**SCHEDULES, "generator": {"_target_": "cosine", "total_steps": 6}}
    with pytest.warns(UserWarning, match=r"made for 6 steps, and its optimizer takes 16 steps; write .*total_steps=16"):
        fit(tmp_path, Gan(scheduler=given), max_epochs=EPOCHS)


@pytest.mark.parametrize("scheduler", ["constant", {"main": {"shape": "step", "step_size": 3, "gamma": 0.5}}, "none"])
def test_a_schedule_without_an_end_has_no_wrong_length(tmp_path, scheduler):
    fit(tmp_path, Gan(scheduler=scheduler, n_critic=4), max_epochs=EPOCHS)


def test_max_steps_counts_the_steps_of_all(tmp_path):
    module, run = fit(tmp_path, Gan(scheduler="linear"), max_epochs=-1, max_steps=12)
    assert run.global_step == 12
    assert module.used["discriminator"] == pytest.approx([0.05 * (1 - t / 6) for t in range(6)])


def test_rules_apply_to_the_parameters_of_each(tmp_path):
    module, run = fit(tmp_path, Gan(param_groups="no_decay", optimizer={**NAMES, "generator": "adamw"}), max_epochs=1)
    names = [[group["name"] for group in optimizer.param_groups] for optimizer in run.optimizers]
    assert names == [["generator", "generator/no_decay"], ["discriminator", "discriminator/no_decay"]]
    owned = [{id(p) for group in o.param_groups for p in group["params"]} for o in run.optimizers]
    assert owned == [{*map(id, module.generator.parameters())}, {*map(id, module.critic.parameters())}]
    assert run.optimizers[0].param_groups[1]["weight_decay"] == 0


class Hand(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Steps what its subclass says; `plan` yields (optimizer's name, loss)."""

    def __init__(self, optimizer, scheduler=None):
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        torch.manual_seed(1)
        self.parts()

    def training_step(self, batch, batch_idx):
        optimizers = self.named_optimizers()
        for name, loss in self.plan(batch[0], batch_idx):
            self.toggle_optimizer(optimizers[name])
            optimizers[name].zero_grad()
            self.manual_backward(loss())
            optimizers[name].step()
            self.untoggle_optimizer(optimizers[name])

    def validation_step(self, batch, batch_idx):
        pass


def run_by_hand(net, optimizers, schedules=()):
    for batch_idx, x in batches():
        for name, loss in net.plan(x, batch_idx):
            for p in net.parameters():
                p.grad = None
            loss().backward()
            optimizers[name].step()
            if name in schedules:
                schedules[name].step()
    return net


class Td3(Hand):
    """The actor, and its target, move in every second batch only."""

    def parts(self):
        self.actor, self.q1, self.q2 = nn.Linear(4, 2), nn.Linear(6, 1), nn.Linear(6, 1)
        self.target = nn.Linear(4, 2).requires_grad_(False)

    def plan(self, x, batch_idx):
        pair = torch.cat([x, self.target(x)], 1)
        yield "critic", lambda: sum((q(pair) - 1).square().mean() for q in (self.q1, self.q2))
        if batch_idx % 2:
            yield "actor", lambda: -self.q1(torch.cat([x, self.actor(x)], 1)).mean()
            with torch.no_grad():
                for slow, p in zip(self.target.parameters(), self.actor.parameters(), strict=True):
                    slow.lerp_(p, 0.1)


def test_td3(tmp_path):
    spec = {"actor": {"_target_": "adam", "lr": 0.01}, "critic": {"_target_": "adam", "lr": 0.02, "of": ["q1", "q2"]}}
    module, run = fit(tmp_path, Td3(spec), max_epochs=EPOCHS)
    net = Td3(spec)
    critics = [*net.q1.parameters(), *net.q2.parameters()]
    optimizers = {
        "actor": torch.optim.Adam(net.actor.parameters(), lr=0.01, fused=True),
        "critic": torch.optim.Adam(critics, lr=0.02, fused=True),
    }
    assert torch.equal(weights(module), weights(run_by_hand(net, optimizers)))
    assert [config.scheduler.last_epoch for config in run.lr_scheduler_configs] == [TOTAL // 2, TOTAL]


class ActorCritic(Hand):
    def parts(self):
        self.actor, self.critic, self.log_alpha = nn.Linear(4, 2), nn.Linear(4, 1), nn.Parameter(torch.zeros(()))

    def plan(self, x, batch_idx):
        yield "critic", lambda: (self.critic(x) - x.sum(1, keepdim=True)).square().mean()
        yield "actor", lambda: self.actor(x).sum(1) @ self.critic(x).detach()[:, 0] / len(x)
        yield "temperature", lambda: 2 * (self.log_alpha.exp() * x.mean()).square()


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_actor_critic_with_schedulers_of_torch(tmp_path, interval):
    step_lr = {"_target_": "torch.optim.lr_scheduler.StepLR", "step_size": 2, "gamma": 0.5, "interval": interval}
    spec = {
        "actor": {"_target_": "sgd", "lr": 0.1},
        "critic": "sgd",
        "temperature": {"_target_": "sgd", "of": "log_alpha"},
    }
    module, run = fit(
        tmp_path, ActorCritic(spec, {"actor": step_lr, "critic": {**step_lr, "step_size": 1}}), max_epochs=EPOCHS
    )
    net = ActorCritic(spec)
    optimizers = {
        "actor": torch.optim.SGD(net.actor.parameters(), lr=0.1, fused=True),
        "critic": torch.optim.SGD(net.critic.parameters(), lr=0.01, fused=True),
        "temperature": torch.optim.SGD([net.log_alpha], lr=0.01, fused=True),
    }
    size = {"actor": 2, "critic": 1}
    if interval == "epoch":
        size = {name: every * BATCHES for name, every in size.items()}
    schedules = {n: torch.optim.lr_scheduler.StepLR(optimizers[n], every, gamma=0.5) for n, every in size.items()}
    assert torch.equal(weights(module), weights(run_by_hand(net, optimizers, schedules)))
    lrs = [optimizer.param_groups[0]["lr"] for optimizer in run.optimizers]
    assert lrs == [optimizer.param_groups[0]["lr"] for optimizer in optimizers.values()]


class CycleGan(Hand):
    def cycle(self, x):
        return (self.gen_b(self.gen_a(x)) - x).abs().mean()

    def parts(self):
        self.gen_a, self.gen_b, self.disc_a, self.disc_b = (nn.Linear(4, n) for n in (4, 4, 1, 1))

    def plan(self, x, batch_idx):
        yield (
            "generators",
            lambda: self.cycle(x) - self.disc_a(self.gen_a(x)).mean() - self.disc_b(self.gen_b(x)).mean(),
        )
        for name, real, fake in (("disc_a", self.disc_a, self.gen_a), ("disc_b", self.disc_b, self.gen_b)):
            yield name, lambda real=real, fake=fake: real(fake(x)).square().mean() - real(x).mean()


def test_cycle_gan_of_two_modules(tmp_path):
    adam = {"_target_": "adam", "lr": 0.01, "betas": [0.5, 0.999]}
    spec = {"generators": {**adam, "of": ["gen_a", "gen_b"]}, "disc_a": adam, "disc_b": adam}
    module, _ = fit(tmp_path, CycleGan(spec), max_epochs=EPOCHS)
    net = CycleGan(spec)
    owned = {"generators": itertools.chain(net.gen_a.parameters(), net.gen_b.parameters()),
             "disc_a": net.disc_a.parameters(), "disc_b": net.disc_b.parameters()}  # fmt: skip
    optimizers = {n: torch.optim.Adam(ps, lr=0.01, betas=(0.5, 0.999), fused=True) for n, ps in owned.items()}
    assert torch.equal(weights(module), weights(run_by_hand(net, optimizers)))


class One(Hand):
    """One optimizer without a name, which accumulates two batches by hand."""

    def parts(self):
        self.layer = nn.Linear(4, 1)

    def training_step(self, batch, batch_idx):
        self.manual_backward(self.layer(batch[0]).square().mean())
        if batch_idx % 2:
            self.named_optimizers()["optimizer"].step()
            self.optimizers().zero_grad()
            self.lr_schedulers().step()


def test_the_schedule_of_one_optimizer_moves_with_its_real_steps(tmp_path):
    slots = {"main": {"shape": "linear"}, "total_steps": TOTAL // 2}
    module, run = fit(tmp_path, One("sgd", slots), max_epochs=EPOCHS)
    assert run.lr_scheduler_configs[0].scheduler.last_epoch == TOTAL // 2
    assert isinstance(module.lr_schedulers(), lit_optim.ScheduleLR)
    with pytest.warns(
        UserWarning, match=r"scheduler: made for 16 steps, .* takes about 8 steps; write scheduler.total_steps=8"
    ):
        fit(tmp_path, One("sgd", "linear"), max_epochs=EPOCHS)
