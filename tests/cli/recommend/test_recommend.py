"""``lit-optim recommend``: a recipe for every kind of network, by path and of an app, for people and programs."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from _support.net import Net
from _support.recipe_tasks import ActorCritic, Diffuser, Generator, SegFormer, gcn
from _support.zoo import GPT, LSTM, Bert, Llama, ResNet, UNet, ViT, lazy_conv, lazy_mlp, mlp
from conftest import preset_names
from lit_optim.cli.main import main
from lit_optim.cli.recommend import COMPARE, recommendation_blocks
from lit_optim.cli.recommend.choose import Recommendation, recommend
from lit_optim.cli.recommend.facts import Facts, facts_of


class Linear4bit(nn.Linear):
    """As bitsandbytes calls its layer."""


class Quantized(GPT):
    def __init__(self):
        super().__init__()
        self.adapter = Linear4bit(4, 4)


class WithAdapters(GPT):
    def __init__(self):
        super().__init__()
        self.lora_A = nn.Parameter(torch.zeros(2, 4))


class Sac(nn.Module):
    def __init__(self):
        super().__init__()
        self.actor, self.qf1, self.qf2 = mlp(), mlp(), mlp()


class MessagePassing(nn.Module):
    """As torch_geometric calls the base of its layers."""


class MyConv(MessagePassing):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(4, 4)


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.policy = mlp()


class Wrapped(nn.Module):
    """A task around a network, as in an app."""

    def __init__(self, net):
        super().__init__()
        self.net = net


def words():
    return LSTM(vocabulary=10_000)


def layer(**children):
    return nn.ModuleDict(children)


def linear():
    return nn.Linear(4, 4)


ATTENTION = {
    "class": nn.MultiheadAttention(4, 1),
    "name": layer(attn=linear()),
    "one projection": layer(qkv=linear(), proj=linear()),
    "GPT-2": layer(c_attn=linear(), c_proj=linear()),
    "Llama": layer(q_proj=linear(), k_proj=linear(), v_proj=linear()),
    "diffusers": layer(to_q=linear(), to_k=linear()),
    "letters": layer(q=linear(), k=linear(), v=linear()),
    "words": layer(query=linear(), key=linear(), value=linear()),
    "GPT-NeoX": layer(query_key_value=linear()),
}


@pytest.mark.parametrize("form", ATTENTION)
def test_attention_is_seen_however_it_is_written(form):
    assert facts_of(nn.Sequential(ATTENTION[form])).attentions


@pytest.mark.parametrize("names", [("q",), ("q1", "q2"), ("query",), ("key", "value"), ("qf1", "actor"), ("proj",)])
def test_a_layer_of_another_kind_is_no_attention(names):
    assert not facts_of(layer(**{name: linear() for name in names})).attentions


def pretrained(net):
    net.config = type("Config", (), {"_name_or_path": "someone/model"})
    return net


NETS = {
    "CNN": (ResNet, "cnn"),
    "CNN without sizes": (lazy_conv, "cnn"),
    "U-Net": (UNet, "segmentation"),
    "ViT": (ViT, "vit"),
    "ViT in a task": (lambda: Wrapped(ViT()), "vit"),
    "pretrained ViT": (lambda: pretrained(ViT()), "vit_finetune"),
    "SegFormer": (SegFormer, "segmentation_transformer"),
    "GPT": (GPT, "lm"),
    "Llama": (Llama, "lm"),
    "pretrained GPT": (lambda: pretrained(GPT()), "bert_finetune"),
    "BERT": (lambda: pretrained(Bert()), "bert_finetune"),
    "4 bits": (Quantized, "qlora"),
    "LoRA": (WithAdapters, "qlora"),
    "LSTM over characters": (LSTM, "char_rnn"),
    "LSTM over words": (words, "rnn"),
    "LSTM over numbers": (lambda: nn.LSTM(4, 8), "char_rnn"),
    "GAN": (lambda: Wrapped(Generator()), "gan"),
    "actor and critic": (ActorCritic, "ppo"),
    "actor and Q": (Sac, "sac"),
    "diffusion": (Diffuser, "diffusion"),
    "graph": (gcn, "gnn"),
    "GRU that reads words": (lambda: nn.Sequential(nn.Embedding(9000, 4), nn.GRU(4, 4), nn.Linear(4, 2)), "char_rnn"),
    "convolution and layer norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 7), nn.LayerNorm(4), nn.Linear(4, 9)), "vit"),
    "state space": (lambda: nn.Sequential(nn.Embedding(9000, 4), nn.Conv1d(4, 4, 4), nn.Linear(4, 9000)), "lm"),
    "graph layer by its base": (MyConv, "gnn"),
    "policy alone": (Policy, "ppo"),
    "MLP": (mlp, "tabular"),
    "MLP without sizes": (lazy_mlp, "tabular"),
    "a module with the mixin": (Net, "tabular"),
}


@pytest.mark.parametrize("kind", NETS)
def test_each_kind_gets_its_recipe(kind):
    build, expected = NETS[kind]
    found = recommend(facts_of(build()))
    assert found.recipe == expected
    assert found.recipe in preset_names("recipe")
    assert found.line.startswith(f"recipe={expected}")
    assert len(found.reasons) >= 2
    assert all([*found.reasons, *found.second])


SEEN = [
    (Facts(convolutions=3), "3 convolutions, no attention"),
    (Facts(convolutions=1, frozen=5, parameters=9), "5 of 9 parameters are frozen"),
    (Facts(attentions=2, vocabulary=9, predicts_tokens=True, parameters=10**9), "the lr is meant for 124M, lower it"),
    (Facts(attentions=2, vocabulary=9), "nothing shows that it is pretrained"),
    (Facts(convolutions=2, pretrained=True), "try a tenth of the lr"),
    (Facts(convolutions=2, diffuses=True, batch_norms=1), "ema.recalibrate_batch_norm"),
    (Facts(recurrent=1, vocabulary=512), "a vocabulary of 512: characters"),
    (Facts(recurrent=1, vocabulary=513, predicts_tokens=True), "a vocabulary of 513: words"),
    (Facts(recurrent=1, vocabulary=513), "a vocabulary of 513: words are read, none predicted"),
    (Facts(low_bit=1), "1 layer in few bits"),
]


@pytest.mark.parametrize(("facts", "words"), SEEN)
def test_reasons_say_what_is_seen(facts, words):
    assert words in " ".join(recommend(facts).reasons)


def test_facts_are_read_on_the_meta_device():
    with torch.device("meta"):
        facts = facts_of(ResNet())
    assert (facts.convolutions, facts.batch_norms, facts.dense) == (10, 10, False)
    assert facts.parameters == sum(p.numel() for p in ResNet().parameters())


def test_a_model_by_path(capsys):
    assert main(["recommend", "_support.zoo:GPT"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Try first", "  python train.py recipe=lm ++trainer.gradient_clip_val=1.0"]
    assert "because   2 attention layers, predicts one of 50 tokens, from scratch" in lines
    assert "second    lm_muon" in lines
    evidence, test = lines[-3:-1]
    assert evidence.startswith("evidence  docs/folklore.md in the repository: ")
    assert (Path(__file__).parents[3] / evidence.split()[1]).exists()
    assert test == f"test      {COMPARE}"
    assert main(["recommend", "_support.zoo:UNet", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["recipe"], found["facts"]["convolutions"]) == ("segmentation", 11)


def test_a_comparison_is_named_where_one_optimizer_trains():
    named = {name: str(recommendation_blocks(Recommendation(name, "", (), ()))) for name in ("cnn", "gan", "sac")}
    assert {name for name, text in named.items() if "lit-optim compare train.py optimizer=" in text} == {"cnn"}


def test_the_model_of_an_app(tmp_path, capsys):
    (tmp_path / "train.yaml").write_text("model: {_target_: _support.zoo.LSTM, vocabulary: 50}\n", encoding="utf-8")
    assert main(["recommend", "--config-dir", str(tmp_path), "model.vocabulary=9000"]) == 0
    assert "recipe=rnn" in capsys.readouterr().out


def test_the_model_of_a_script_that_gives_arguments_when_it_runs(capsys):
    app = str(Path(__file__).parents[3] / "examples" / "train.py")
    assert main(["recommend", app]) == 2
    words = ["+model.net.shape=...", "+model.net.classes=...", "+model.classes=..."]
    assert capsys.readouterr().err.endswith(f"add them to the command, each with its value: {' '.join(words)}\n")
    words = ["+model.net.shape=[1,8,8]", "+model.net.classes=10", "+model.classes=10"]
    assert main(["recommend", app, *words]) == 0
    assert "recipe=cnn" in capsys.readouterr().out
    assert main(["card", app, *words]) == 0


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("torch.nn:Identity", "MODEL: Identity has no parameters, so there is nothing to optimize"),
        ("nope", "MODEL=nope: not package.module:Name; write e.g. my.models:ViT"),
        ("gone.py", "gone.py: cannot be read (No such file or directory); give the path of your app's script"),
    ],
)
def test_what_is_no_model(path, message, capsys):
    assert main(["recommend", path]) == 2
    assert message in capsys.readouterr().err


def test_a_path_is_needed_once(capsys):
    assert main(["recommend"]) == 2
    assert "MODEL: missing; give one, e.g. lit-optim recommend my.models:ViT" in capsys.readouterr().err
    assert main(["recommend", "_support.zoo:GPT", "optimizer=sgd"]) == 2
    assert "MODEL: _support.zoo:GPT optimizer=sgd; give one" in capsys.readouterr().err
