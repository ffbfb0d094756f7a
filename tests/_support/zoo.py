"""Small models of every kind that the field trains, without torchvision, each with a batch that fits it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Fused projection of queries, keys and values."""

    def __init__(self, dim, heads=2):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x, causal=False):
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).reshape(b, n, d))


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.gamma = nn.Parameter(0.1 * torch.ones(dim))

    def forward(self, x):
        return x * self.gamma


class Block(nn.Module):
    """A pre-norm transformer block, with LayerScale where asked for."""

    def __init__(self, dim, scale=False):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim), Attention(dim)
        self.ls1 = LayerScale(dim) if scale else nn.Identity()
        self.norm2, self.mlp = nn.LayerNorm(dim), Mlp(dim, 4 * dim)
        self.ls2 = LayerScale(dim) if scale else nn.Identity()

    def forward(self, x, causal=False):
        x = x + self.ls1(self.attn(self.norm1(x), causal))
        return x + self.ls2(self.mlp(self.norm2(x)))


class PatchEmbed(nn.Module):
    def __init__(self, dim, patch=4):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class ViT(nn.Module):
    """Bare parameters in the root, as in timm: declared in its order."""

    def __init__(self, dim=32, depth=2, classes=10):
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, 5, dim))
        self.patch_embed = PatchEmbed(dim)
        self.blocks = nn.Sequential(*(Block(dim, scale=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.patch_embed(x)], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


class GPT(nn.Module):
    """The output layer is tied to the embedding."""

    def __init__(self, dim=32, depth=2, vocabulary=50, context=16):
        super().__init__()
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(vocabulary, dim),
                "wpe": nn.Embedding(context, dim),
                "h": nn.ModuleList(Block(dim) for _ in range(depth)),
                "ln_f": nn.LayerNorm(dim),
            }
        )
        self.lm_head = nn.Linear(dim, vocabulary, bias=False)
        self.lm_head.weight = self.transformer["wte"].weight

    def get_output_embeddings(self):
        return self.lm_head

    def forward(self, tokens):
        body = self.transformer
        x = body["wte"](tokens) + body["wpe"](torch.arange(tokens.shape[1], device=tokens.device))
        for block in body["h"]:
            x = block(x, causal=True)
        return self.lm_head(body["ln_f"](x))


class LlamaRMSNorm(nn.Module):
    """A class that torch does not know."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return self.weight * x * x.square().mean(-1, keepdim=True).add(1e-6).rsqrt()


class LlamaAttention(nn.Module):
    """Grouped queries: 4 heads share 2 of keys and values."""

    def __init__(self, dim, heads=4, shared=2):
        super().__init__()
        self.heads, self.shared, small = heads, shared, dim * shared // heads
        self.q_proj, self.o_proj = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim, bias=False)
        self.k_proj, self.v_proj = nn.Linear(dim, small, bias=False), nn.Linear(dim, small, bias=False)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = (
            p(x).reshape(b, n, -1, d // self.heads).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj)
        )
        k, v = (t.repeat_interleave(self.heads // self.shared, 1) for t in (k, v))
        return self.o_proj(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(b, n, d))


class SwiGLU(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(dim, hidden, bias=False), nn.Linear(dim, hidden, bias=False)
        self.down_proj = nn.Linear(hidden, dim, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class LlamaLayer(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.self_attn, self.mlp = LlamaAttention(dim), SwiGLU(dim, 88)
        self.input_layernorm, self.post_attention_layernorm = LlamaRMSNorm(dim), LlamaRMSNorm(dim)

    def forward(self, x):
        x = x + self.self_attn(self.input_layernorm(x))
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """No biases; the output layer is not tied."""

    def __init__(self, dim=32, depth=2, vocabulary=50):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, dim)
        self.layers = nn.ModuleList(LlamaLayer(dim) for _ in range(depth))
        self.norm = LlamaRMSNorm(dim)
        self.lm_head = nn.Linear(dim, vocabulary, bias=False)

    def forward(self, tokens):
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.lm_head(self.norm(x))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride > 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        skip = x if self.downsample is None else self.downsample(x)
        return F.relu(skip + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class ResNet(nn.Module):
    """Over 90 % of its parameters are matrices between the first convolution and the classifier."""

    def __init__(self, width=16, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = nn.Sequential(BasicBlock(width, width, 1), BasicBlock(width, width, 1))
        self.layer2 = nn.Sequential(BasicBlock(width, 2 * width, 2), BasicBlock(2 * width, 2 * width, 1))
        self.fc = nn.Linear(2 * width, classes)

    def forward(self, x):
        return self.fc(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))).mean((2, 3)))


class LSTM(nn.Module):
    def __init__(self, dim=24, vocabulary=50):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, dim)
        self.lstm = nn.LSTM(dim, dim, num_layers=2, batch_first=True)
        self.decoder = nn.Linear(dim, vocabulary)

    def forward(self, tokens):
        return self.decoder(self.lstm(self.embedding(tokens))[0])


class DoubleConv(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
        )  # fmt: skip


class UNet(nn.Module):
    """The output is a convolution."""

    def __init__(self, width=8, classes=2):
        super().__init__()
        self.downs = nn.ModuleList([DoubleConv(3, width), DoubleConv(width, 2 * width)])
        self.middle = DoubleConv(2 * width, 2 * width)
        self.ups = nn.ModuleList([DoubleConv(4 * width, width), DoubleConv(2 * width, width)])
        self.out = nn.Conv2d(width, classes, 1)

    def forward(self, x):
        skips = []
        for down in self.downs:
            skips.append(down(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.middle(x)
        for up in self.ups:
            x = up(torch.cat([F.interpolate(x, scale_factor=2.0), skips.pop()], 1))
        return self.out(x)


class PatchMerging(nn.Module):
    """Halves the length of a sequence and doubles its width."""

    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(2 * dim)
        self.reduction = nn.Linear(2 * dim, 2 * dim, bias=False)

    def forward(self, x):
        return self.reduction(self.norm(x.reshape(len(x), x.shape[1] // 2, -1)))


class Stage(nn.Module):
    def __init__(self, dim, depth, last):
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim) for _ in range(depth))
        self.downsample = nn.Identity() if last else PatchMerging(dim)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.downsample(x)


class Swin(nn.Module):
    """Stages hold blocks: lists in a list."""

    def __init__(self, dim=16, classes=10):
        super().__init__()
        self.patch_embed = PatchEmbed(dim)
        self.layers = nn.ModuleList([Stage(dim, 2, last=False), Stage(2 * dim, 1, last=True)])
        self.norm = nn.LayerNorm(2 * dim)
        self.head = nn.Linear(2 * dim, classes)

    def forward(self, x):
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x).mean(1))


class BertEmbeddings(nn.Module):
    def __init__(self, dim, vocabulary, context):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, dim, padding_idx=0)
        self.position_embeddings = nn.Embedding(context, dim)
        self.LayerNorm = nn.LayerNorm(dim)

    def forward(self, tokens):
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        return self.LayerNorm(self.word_embeddings(tokens) + self.position_embeddings(positions))


class BertEncoder(nn.Module):
    def __init__(self, dim, depth):
        super().__init__()
        self.layer = nn.ModuleList(nn.TransformerEncoderLayer(dim, 2, 64, 0.0, batch_first=True) for _ in range(depth))

    def forward(self, x):
        for layer in self.layer:
            x = layer(x)
        return x


class Bert(nn.Module):
    def __init__(self, dim=32, depth=2, vocabulary=50, context=16, classes=3):
        super().__init__()
        self.embeddings = BertEmbeddings(dim, vocabulary, context)
        self.encoder = BertEncoder(dim, depth)
        self.pooler = nn.Linear(dim, dim)
        self.classifier = nn.Linear(dim, classes)

    def forward(self, tokens):
        return self.classifier(self.pooler(self.encoder(self.embeddings(tokens))[:, 0]).tanh())


class TextTower(nn.Module):
    def __init__(self, dim, vocabulary=50):
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, dim)
        self.resblocks = nn.ModuleList([Block(dim)])
        self.ln_final = nn.LayerNorm(dim)

    def forward(self, tokens):
        x = self.token_embedding(tokens)
        for block in self.resblocks:
            x = block(x)
        return self.ln_final(x).mean(1)


class Clip(nn.Module):
    """Two towers, and their temperature in the root."""

    def __init__(self, dim=16):
        super().__init__()
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.visual = ViT(dim, depth=1, classes=dim)
        self.text = TextTower(dim)

    def forward(self, images, tokens):
        image, text = F.normalize(self.visual(images), dim=-1), F.normalize(self.text(tokens), dim=-1)
        return self.logit_scale.exp() * image @ text.T


def lazy_mlp():
    return nn.Sequential(
        nn.LazyLinear(16), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(16), nn.ReLU(), nn.LazyLinear(2)
    )


def lazy_conv():
    return nn.Sequential(
        nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.LazyConv2d(8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.LazyLinear(10),
    )  # fmt: skip


def mlp():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.LayerNorm(16), nn.ReLU(), nn.Linear(16, 2))


class VGG(nn.Module):
    """Flat chains, no blocks."""

    def __init__(self, width=8, classes=10):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        )  # fmt: skip
        self.classifier = nn.Sequential(nn.Linear(2 * width, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, classes))

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def images() -> tuple[Tensor, ...]:
    return (torch.randn(4, 3, 8, 8),)


def tokens() -> tuple[Tensor, ...]:
    return (torch.randint(50, (4, 8)),)


def vectors() -> tuple[Tensor, ...]:
    return (torch.randn(4, 6),)


ZOO: dict[str, tuple[Callable[[], nn.Module], Callable[[], tuple[Tensor, ...]]]] = {
    "vit": (ViT, images),
    "gpt": (GPT, tokens),
    "llama": (Llama, tokens),
    "resnet": (ResNet, images),
    "lstm": (LSTM, tokens),
    "unet": (UNet, images),
    "swin": (Swin, images),
    "bert": (Bert, tokens),
    "clip": (Clip, lambda: (*images(), *tokens())),
    "lazy_mlp": (lazy_mlp, vectors),
    "lazy_conv": (lazy_conv, images),
    "mlp": (mlp, vectors),
    "vgg": (VGG, images),
}
