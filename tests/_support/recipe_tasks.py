"""A small module of its kind for every recipe, with a batch that fits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import lit_optim
from _support.zoo import GPT, LSTM, Bert, ResNet, UNet, ViT, images, mlp, tokens, vectors


class GCNLayer(nn.Module):
    """Mixes the nodes of a ring, which is the same graph in every batch."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x):
        return self.linear((x + x.roll(1, 0) + x.roll(-1, 0)) / 3)


class Diffuser(nn.Module):
    """Images out of images, at a time step."""

    def __init__(self):
        super().__init__()
        self.time_embed = nn.Sequential(nn.Linear(1, 8))
        self.inside, self.outside = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x):
        time = self.time_embed(torch.ones(len(x), 1))[:, :, None, None]
        return self.outside(torch.relu(self.inside(x) + time))


class SegFormer(nn.Module):
    """A transformer with a head of convolutions."""

    def __init__(self):
        super().__init__()
        self.backbone, self.decode_head = ViT(classes=16), nn.Sequential(nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 2, 1))

    def forward(self, x):
        return self.decode_head(self.backbone(x))


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor, self.critic = mlp(), mlp()

    def forward(self, x):
        return self.actor(x) + self.critic(x)


class Generator(nn.Module):
    """Two networks under the names of a GAN."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = mlp(), mlp()


def gcn():
    return nn.Sequential(GCNLayer(6, 16), nn.ReLU(), GCNLayer(16, 2))


def vectors_of(count):
    return torch.cat([vectors()[0] for _ in range(count)])


KINDS: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]]]] = {
    "cnn": (ResNet, images),
    "cnn_modern": (ResNet, images),
    "vit": (ViT, images),
    "vit_finetune": (ViT, images),
    "lm": (GPT, tokens),
    "lm_tuned": (GPT, tokens),
    "lm_muon": (GPT, tokens),
    "bert_finetune": (Bert, tokens),
    "qlora": (GPT, tokens),
    "rnn": (LSTM, tokens),
    "char_rnn": (LSTM, tokens),
    "gan": (Generator, vectors),
    "ppo": (ActorCritic, vectors),
    "sac": (ActorCritic, vectors),
    "diffusion": (Diffuser, images),
    "gnn": (gcn, vectors),
    "tabular": (mlp, vectors),
    "segmentation": (UNet, images),
    "segmentation_transformer": (SegFormer, images),
}


class RecipeTask(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Takes the parts of the network apart where the optimizers have names; keeps the lrs that were used."""

    def __init__(
        self, net: nn.Module, optimizer: Any = None, scheduler: Any = None, param_groups: Any = None,
        optim_callbacks: Any = None,
    ):  # fmt: skip
        super().__init__()
        self.save_hyperparameters(ignore=["net"])
        self.names = [name for name in optimizer if name in dict(net.named_children())]
        self.automatic_optimization = not self.names
        if self.names:
            for name in self.names:
                setattr(self, name, getattr(net, name))
        else:
            self.net = net
        self.used: list[float] = []

    def training_step(self, batch, batch_idx):
        if not self.names:
            return self.net(*batch).float().square().mean()
        for name, optimizer in self.named_optimizers().items():
            optimizer.zero_grad()
            self.manual_backward(getattr(self, name)(*batch).square().mean())
            self.used.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
        return None

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", torch.tensor(1.0))

    def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
        if not self.names:
            self.used.append(float(optimizer.param_groups[0]["lr"]))
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)


def loader_of(name: str, batches: int = 5) -> DataLoader[Any]:
    drawn = [KINDS[name][1]() for _ in range(batches)]
    return DataLoader(TensorDataset(*(torch.cat(parts) for parts in zip(*drawn, strict=True))), batch_size=4)
