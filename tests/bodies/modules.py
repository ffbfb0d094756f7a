"""Small modules of the kinds that bodies are written for; each names its parts as such modules do."""

from __future__ import annotations

import torch
from torch import nn

from bodies.body import WIDTH


class Regression(nn.Module):
    """What all of them learn."""

    def loss(self, batch):
        x, y = batch
        return (self(x) - y).square().mean()


class Mlp(Regression):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(nn.Linear(WIDTH, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 1))

    def forward(self, x):
        return self.model(x)


class Cnn(Regression):
    """A backbone with BatchNorm and a head."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Flatten()
        )
        self.head = nn.Linear(32, 1)

    def forward(self, x):
        return self.head(self.backbone(x.view(-1, 3, 4, 4)))


class FrozenBackbone(Cnn):
    """Its author switches the backbone's gradients off."""

    def __init__(self):
        super().__init__()
        self.backbone.requires_grad_(False)


class Block(nn.Module):
    """A transformer block with the names of timm."""

    def __init__(self, width=8):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Linear(width, width)
        self.gamma = nn.Parameter(torch.full((width,), 0.1))  # the scale of a layer

    def forward(self, x):
        x = x + self.gamma * self.attn(self.norm1(x)).softmax(-1)
        return x + self.gamma * self.mlp(self.norm2(x)).relu()


class Vit(Regression):
    """Names two of its parameters in `no_weight_decay`, as timm's do."""

    def __init__(self, depth=3, width=8):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, 7, width) * 0.02)
        self.patch_embed = nn.Linear(WIDTH // 6, width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1)

    def no_weight_decay(self):
        return {"cls_token", "pos_embed"}

    def forward(self, x):
        x = self.patch_embed(x.view(len(x), 6, -1))
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class BertLayer(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.attention = nn.Linear(width, width)
        self.LayerNorm = nn.LayerNorm(width)

    def forward(self, x):
        return self.LayerNorm(x + self.attention(x).tanh())


class Encoder(nn.Module):
    """An encoder of texts with the names of BERT's."""

    def __init__(self, vocabulary=20, width=8, depth=3):
        super().__init__()
        self.embeddings = nn.Embedding(vocabulary, width)
        self.layer = nn.ModuleList(BertLayer(width) for _ in range(depth))

    def forward(self, x):
        tokens = (x[:, :6].abs() * 10).long() % self.embeddings.num_embeddings
        hidden = self.embeddings(tokens)
        for layer in self.layer:
            hidden = layer(hidden)
        return hidden.mean(1)


class Bert(Regression):
    def __init__(self):
        super().__init__()
        self.bert = Encoder()
        self.classifier = nn.Linear(8, 1)

    def forward(self, x):
        return self.classifier(self.bert(x))


class BertWithFrozenLayers(Bert):
    """Embeddings and the first two layers do not learn."""

    def __init__(self):
        super().__init__()
        self.bert.embeddings.requires_grad_(False)
        self.bert.layer[:2].requires_grad_(False)


class Gpt(Regression):
    """The output layer is the embedding."""

    def __init__(self, width=8, vocabulary=20):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocabulary, width),
                h=nn.ModuleList(Block(width) for _ in range(2)),
                ln_f=nn.LayerNorm(width),
            )
        )
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, x):
        hidden = self.transformer.wte((x[:, :6].abs() * 10).long() % 20)
        for block in self.transformer.h:
            hidden = block(hidden)
        return self.lm_head(self.transformer.ln_f(hidden)).amax((1, 2)).unsqueeze(1)


class Clip(Regression):
    """Two encoders, a projection for each, and a bare temperature."""

    def __init__(self):
        super().__init__()
        self.text_encoder = Encoder(depth=1)
        self.vision_encoder = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 8))
        self.text_projection = nn.Linear(8, 8, bias=False)
        self.vision_projection = nn.Linear(8, 8, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(0.5))

    def forward(self, x):
        text = self.text_projection(self.text_encoder(x))
        vision = self.vision_projection(self.vision_encoder(x.view(-1, 3, 4, 4)))
        return self.logit_scale.exp() * (text * vision).sum(1, keepdim=True)


class Vilt(Bert):
    """An encoder, a block that crosses both modalities, and a classifier of its own."""

    def __init__(self):
        super().__init__()
        self.cross_modal_layer = BertLayer()
        self.vqa_classifier = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.Linear(8, 1))
        del self.classifier

    def forward(self, x):
        return self.vqa_classifier(self.cross_modal_layer(self.bert(x)))


class Lseg(Regression):
    """A pretrained part, a scratch part of many pieces, and a bare scale; an auxiliary layer may be missing."""

    def __init__(self):
        super().__init__()
        self.pretrained = nn.Sequential(nn.Linear(WIDTH, 8), nn.ReLU())
        self.scratch = nn.ModuleDict(
            {f"refinenet{i}": nn.Linear(8, 8) for i in range(1, 5)} | {"head1": nn.Linear(8, 8)}
        )
        self.scratch["output_conv"] = nn.Linear(8, 1)
        self.logit_scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, x):
        x = self.pretrained(x)
        for name, layer in self.scratch.items():
            x = layer(x if name == "output_conv" else x.tanh())
        return x * self.logit_scale.exp()


class StateSpace(Regression):
    """Parameters that bring their own lr and decay in `_optim`, as S4's do."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(WIDTH, 8)
        self.A = nn.Parameter(torch.linspace(-1, 0, 8))
        self.dt = nn.Parameter(torch.zeros(8))
        self.decoder = nn.Linear(8, 1)
        self.A._optim = {"lr": 1e-3, "weight_decay": 0.0}
        self.dt._optim = {"lr": 1e-3}

    def forward(self, x):
        return self.decoder(torch.sigmoid(self.encoder(x) * self.A.exp() + self.dt))


class Bands(Regression):
    """A network for each band of a spectrum."""

    def __init__(self):
        super().__init__()
        self.bands = nn.ModuleList(nn.Linear(WIDTH // 3, 4) for _ in range(3))
        self.merge = nn.Linear(12, 1)

    def forward(self, x):
        parts = [band(part) for band, part in zip(self.bands, x.chunk(3, 1), strict=True)]
        return self.merge(torch.cat(parts, 1).tanh())


class Nerf(Regression):
    """A table of features, a network, and the bare poses of its cameras."""

    def __init__(self):
        super().__init__()
        self.encoding = nn.Embedding(16, 4)
        self.mlp = nn.Sequential(nn.Linear(6 * 4 + 3, 8), nn.ReLU(), nn.Linear(8, 1))
        self.poses = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        features = self.encoding((x[:, :6].abs() * 10).long() % 16).flatten(1)
        return self.mlp(torch.cat([features, x[:, :3] + self.poses], 1))
