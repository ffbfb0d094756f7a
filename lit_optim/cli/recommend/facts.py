"""Reads from a module what a recommendation rests on: kinds of layers, sizes, networks by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

NETWORKS = 3  # levels of modules in which networks have names: task, wrapper, network
GRAPH = re.compile(r"^(GCN|GAT|GIN|SAGE|Graph|MessagePassing)(?!ormer)")  # classes of graph layers

ATTENTION = re.compile(r"(\w*_)?(attn|mha)", re.IGNORECASE)
QUERIES = re.compile(
    r"(\w+_)?w?qkv(_proj)?|c_attn|to_q|[Ww]_?q|q_(proj|lin)|query_(proj|key_value)"
)  # a projection's name
PAIRS = ({"q", "k"}, {"query", "key"})  # of projections


@dataclass(frozen=True)
class Facts:
    """What is seen of a module.

    Args:
        parameters: elements of all parameters.
        frozen: those that do not train.
        convolutions: layers of the kind; likewise the next six.
        vocabulary: rows of the largest embedding; 0 = none.
        predicts_tokens: a linear layer has as many outputs as the vocabulary has rows.
        dense: the last layer with parameters is a convolution, as for images out of images.
        pretrained: weights come from elsewhere, by a Hugging Face name or a ``pretrained`` hyper-parameter.
        adapters: parameters of LoRA.
        diffuses: a module embeds the time step.
        networks: names of modules in the first levels.
    """

    parameters: int = 0
    frozen: int = 0
    convolutions: int = 0
    attentions: int = 0
    recurrent: int = 0
    batch_norms: int = 0
    layer_norms: int = 0
    graph_layers: int = 0
    low_bit: int = 0
    vocabulary: int = 0
    predicts_tokens: bool = False
    dense: bool = False
    pretrained: bool = False
    adapters: bool = False
    diffuses: bool = False
    networks: tuple[str, ...] = ()


def facts_of(module: nn.Module) -> Facts:
    """Look at a module and its parameters; no value is read, so that it may lie on the meta device.

    Example:
        >>> from torch import nn
        >>> facts = facts_of(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
        >>> facts.convolutions, facts.batch_norms, facts.parameters, facts.dense
        (1, 1, 240, True)
    """
    from torch import nn

    layers = [*module.named_modules()]
    kinds = [type(layer) for _, layer in layers]
    parameters = [p for p in module.parameters() if not isinstance(p, nn.UninitializedParameter)]
    vocabulary = max((layer.num_embeddings for _, layer in layers if isinstance(layer, nn.Embedding)), default=0)
    weighted = [type(layer) for layer in _with_matrices(module)]

    def count(base: type | tuple[type, ...]) -> int:
        return sum(issubclass(kind, base) for kind in kinds)

    return Facts(
        parameters=sum(p.numel() for p in parameters),
        frozen=sum(p.numel() for p in parameters if not p.requires_grad),
        convolutions=count(nn.modules.conv._ConvNd),
        attentions=sum(_is_attention(name, layer) for name, layer in layers),
        recurrent=count((nn.RNNBase, nn.RNNCellBase)),
        batch_norms=count(nn.modules.batchnorm._BatchNorm),
        layer_norms=sum("layernorm" in kind.__name__.lower() for kind in kinds),
        graph_layers=sum(_is_graph_layer(kind) for kind in kinds),
        low_bit=sum(bool(re.search(r"(4|8)bit", kind.__name__)) for kind in kinds),
        vocabulary=vocabulary,
        predicts_tokens=any(isinstance(layer, nn.Linear) and layer.out_features == vocabulary for _, layer in layers),
        dense=bool(weighted) and issubclass(weighted[-1], nn.modules.conv._ConvNd),
        pretrained=any(map(_is_pretrained, module.modules())),
        adapters=any("lora_" in name for name, _ in module.named_parameters()),
        diffuses=any(re.search(r"t(ime)?(step)?_?(emb|mlp)", name.rpartition(".")[2].lower()) for name, _ in layers),
        networks=tuple(dict.fromkeys(_networks(layers))),
    )


def _with_matrices(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules with parameters of two dimensions or more, in the order in which they are declared."""
    from torch import nn

    for layer in module.modules():
        own = layer.parameters(recurse=False)
        if any(isinstance(p, nn.UninitializedParameter) or p.dim() >= 2 for p in own):
            yield layer


def _is_attention(path: str, layer: nn.Module) -> bool:
    """Return whether a layer is attention by its class, its name, or a projection to queries among its children."""
    names, children = (type(layer).__name__, path.rpartition(".")[2]), {name for name, _ in layer.named_children()}
    if any(pair <= children for pair in PAIRS) or any(map(QUERIES.fullmatch, children)):
        return True
    return any("attention" in name.lower() or ATTENTION.fullmatch(name) for name in names)


def _is_graph_layer(kind: type) -> bool:
    of_package = kind.__module__.startswith(("torch_geometric.nn.conv", "dgl."))
    return of_package or any(GRAPH.match(base.__name__) for base in kind.__mro__)


def _is_pretrained(module: nn.Module) -> bool:
    """Return whether a module says that its weights were loaded: Hugging Face's name, or ``pretrained``."""
    name = getattr(getattr(module, "config", None), "_name_or_path", "")
    given = getattr(module, "hparams", {})
    return bool(name) or bool(given.get("pretrained", False) if hasattr(given, "get") else False)


def _networks(layers: list[tuple[str, nn.Module]]) -> Iterator[str]:
    for path, layer in layers:
        if path and path.count(".") < NETWORKS and next(layer.children(), None) is not None:
            yield path.rpartition(".")[2].lower()
