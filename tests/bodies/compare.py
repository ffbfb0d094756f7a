"""Train a body twice: by its author's torch code in a plain loop, and from its YAML under a Trainer."""

from __future__ import annotations

from typing import Any, NamedTuple

import lightning as L
import torch
import yaml
from torch.utils.data import DataLoader, TensorDataset

import lit_optim
from bodies.body import SIZE, Body, Scheduled, batches


class Values(NamedTuple):
    """What one optimizer step used for one parameter."""

    optimizer: str
    lr: float
    weight_decay: float
    momentum: tuple[float, ...]


class Run(NamedTuple):
    """What is compared: the values of each optimizer step by parameter, and the weights behind the last one."""

    steps: list[dict[str, Values]]
    weights: dict[str, torch.Tensor]
    kernels: dict[str, dict[str, Any]]


def values_of(optimizer: torch.optim.Optimizer, module: torch.nn.Module) -> dict[str, Values]:
    """The values that the next step of an optimizer will use, by the parameters' names."""
    names = {p: name for name, p in module.named_parameters() if p.requires_grad}
    return {
        names[p]: Values(
            class_of(optimizer, group),
            float(group["lr"]),
            float(group.get("weight_decay", 0.0)),
            tuple(map(float, group.get("betas", [group.get("momentum", 0.0)]))),
        )
        for group in optimizer.param_groups
        for p in group["params"]
        if p in names
    }


def class_of(optimizer: torch.optim.Optimizer, group: dict[str, Any]) -> str:
    """The class that steps a group: in a composite that of its part."""
    return type(getattr(optimizer, "parts", {}).get(group.get("part"), optimizer)).__name__


def weights_of(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def from_yaml(body: Body, root: Any) -> Run:
    """Fit the module with nothing but its YAML."""

    class Fitted(lit_optim.ConfigureOptimizersMixin, body.net, L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.optim_spec = yaml.safe_load(body.yaml)
            self.automatic_optimization = not hasattr(self, "losses")
            self.steps: list[dict[str, Values]] = []

        def training_step(self, batch, batch_idx):
            if self.automatic_optimization:
                return self.loss(batch)
            optimizers = self.named_optimizers()
            for name, loss in self.losses(batch, batch_idx):
                self.zero_grad()
                self.manual_backward(loss)
                self.steps.append(values_of(optimizers[name].optimizer, self))
                optimizers[name].step()
            return None

        def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
            self.steps.append(values_of(optimizer.optimizer, self))
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)

        def validation_step(self, batch, batch_idx):
            self.log("val/loss", torch.tensor(body.metrics[self.current_epoch]))

    torch.manual_seed(0)
    module = Fitted()
    quiet = dict(logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    trainer = L.Trainer(
        **quiet,
        accelerator="cpu",
        max_epochs=body.epochs,
        num_sanity_val_steps=0,
        default_root_dir=root,
        **body.trainer,
    )
    rows = TensorDataset(*map(torch.cat, zip(*batches(), strict=True)))
    trainer.fit(module, DataLoader(rows, SIZE), DataLoader(rows, len(rows)))
    return Run(module.steps, weights_of(module), kernels_of(trainer.optimizers, module))


def by_hand(body: Body, kernels: dict[str, dict[str, Any]]) -> Run:
    """Train the module as its author's code would under Lightning, with the kernels of the other run."""
    torch.manual_seed(0)
    net = body.net()
    configured, schedulers = body.configure(net)
    optimizers = configured if isinstance(configured, dict) else {"": configured}
    use_kernels([*optimizers.values()], net, kernels)
    steps: list[dict[str, Values]] = []
    accumulated = body.trainer.get("accumulate_grad_batches", 1)
    for epoch in range(body.epochs):
        for index, batch in enumerate(batches(), start=1):
            if hasattr(net, "losses"):  # manual optimization
                for name, loss in net.losses(batch, index - 1):
                    net.zero_grad()
                    loss.backward()
                    steps.append(values_of(optimizers[name], net))
                    optimizers[name].step()
                    move([each for each in schedulers if each.optimizer == name], "step", 0, None)
                continue
            (net.loss(batch) / accumulated).backward()
            if index % accumulated:
                continue
            if clip := body.trainer.get("gradient_clip_val"):
                members = [p for each in optimizers.values() for group in each.param_groups for p in group["params"]]
                torch.nn.utils.clip_grad_norm_(members, clip)
            steps.append({name: v for each in optimizers.values() for name, v in values_of(each, net).items()})
            for each in optimizers.values():
                each.step()
            net.zero_grad()
            move(schedulers, "step", index, None)
        move(schedulers, "epoch", epoch + 1, body.metrics[epoch])
    return Run(steps, weights_of(net), kernels)


def move(schedulers: list[Scheduled], interval: str, count: int, metric: float | None) -> None:
    """Step the schedulers of one interval whose turn it is."""
    for each in schedulers:
        if each.interval == interval and count % each.frequency == 0:
            follows = isinstance(each.scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
            each.scheduler.step(*([metric] if follows else []))


def kernels_of(optimizers: list[torch.optim.Optimizer], module: torch.nn.Module) -> dict[str, dict[str, Any]]:
    """By which kernels each parameter is stepped: others round otherwise."""
    names = {p: name for name, p in module.named_parameters()}
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    return {names[p]: {k: g[k] for k in ("fused", "foreach") if k in g} for g in groups for p in g["params"]}


def use_kernels(optimizers: list[torch.optim.Optimizer], net: torch.nn.Module, kernels: dict[str, Any]) -> None:
    """Step each group with the kernels that stepped its parameters in the other run."""
    names = {p: name for name, p in net.named_parameters()}
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        for p in group["params"]:
            group.update(kernels.get(names[p], {}))
