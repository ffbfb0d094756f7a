"""Chooses a recipe for what is seen of a module."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lit_optim.cli.recommend.facts import Facts
from lit_optim.config.read.preset_header import header
from lit_optim.config.read.presets import RECIPE

CHARACTERS = 512  # rows of an embedding of characters or bytes at most
TUNED = 350_000_000  # parameters up to which the lr of a language model's recipe is meant


@dataclass(frozen=True)
class Recommendation:
    """A recipe, the words to copy, why, and what to try second."""

    recipe: str
    line: str
    reasons: tuple[str, ...]
    second: tuple[str, ...]


def recommend(facts: Facts) -> Recommendation:
    """Recommend a recipe.

    Example:
        >>> found = recommend(Facts(recurrent=1, vocabulary=10_000, predicts_tokens=True))
        >>> print(found.line)
        recipe=rnn ++trainer.gradient_clip_val=0.25
        >>> print(found.reasons[0])
        1 recurrent layer, no attention, a vocabulary of 10,000: words
    """
    recipe, reason = next(_candidates(facts))
    head = header(RECIPE, recipe)
    clip = "" if head.clip == "none" else f" ++{head.clip}"  # ++: in an app with the key, and in one without
    source = f"the numbers are those of {head.source} (checked: {head.checked})"
    return Recommendation(
        recipe, f"recipe={recipe}{clip}", (reason, *_remarks(facts, recipe), source), (*head.second.split("; "),)
    )


def _candidates(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield recipes and their reason, the most particular first; the last one fits all."""
    if facts.low_bit or facts.adapters:
        yield "qlora", f"{_count(facts.low_bit, 'layer')} in few bits" if facts.low_bit else "adapters (lora_)"
    yield from _by_networks(facts)
    if facts.graph_layers:
        yield "gnn", _count(facts.graph_layers, "graph layer")
    if facts.diffuses and (facts.convolutions or facts.attentions):
        yield "diffusion", "an embedding of the time step, convolutions or attention"
    if facts.recurrent and not facts.attentions:
        words = facts.vocabulary > CHARACTERS and facts.predicts_tokens
        what = (
            "words" if words else "characters" if facts.vocabulary <= CHARACTERS else "words are read, none predicted"
        )
        kind = f"a vocabulary of {facts.vocabulary:,}: {what}"
        seen = f"{_count(facts.recurrent, 'recurrent layer')}, no attention"
        yield "rnn" if words else "char_rnn", f"{seen}, {kind if facts.vocabulary else 'no vocabulary'}"
    if facts.attentions:
        yield _transformer(facts)
    elif facts.predicts_tokens:
        yield "lm", f"no attention or recurrence, predicts one of {facts.vocabulary:,} tokens"
    if facts.convolutions and facts.layer_norms and not facts.batch_norms and not facts.dense:
        yield "vit", f"{_count(facts.convolutions, 'convolution')}, layer norms, no batch norm: as ConvNeXt, AdamW"
    if facts.convolutions:
        seen = _count(facts.convolutions, "convolution")
        yield ("segmentation", f"{seen}, also the last layer") if facts.dense else ("cnn", f"{seen}, no attention")
    yield "tabular", "no convolution, attention or recurrence is seen: a multi-layer perceptron"


def _by_networks(facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield recipes of several networks, which their names show."""
    if _named(facts, "gen(erator)?|net_?g|g") and _named(facts, "disc(riminator)?|critic|net_?d|d"):
        yield "gan", "two networks, a generator and a discriminator"
    if _named(facts, "actor|policy") and _named(facts, r"q(f|_?net)?_?\d?|critics|critic_?\d"):
        yield "sac", "an actor, and networks of Q"
    if _named(facts, "actor|policy") and _named(facts, "critic|value(_?net)?"):
        yield "ppo", "an actor and a critic; for SAC or TD3 take recipe=sac"
    if _named(facts, "actor|policy"):
        yield "ppo", "a policy network; for SAC or TD3 take recipe=sac"


def _transformer(facts: Facts) -> tuple[str, str]:
    seen, origin = _count(facts.attentions, "attention layer"), "pretrained" if facts.pretrained else "from scratch"
    if facts.vocabulary and facts.predicts_tokens and not facts.pretrained:
        return "lm", f"{seen}, predicts one of {facts.vocabulary:,} tokens, {origin}"
    if facts.vocabulary and not facts.convolutions:
        return "bert_finetune", f"{seen}, a vocabulary of {facts.vocabulary:,}, {origin}"
    if facts.dense:
        return "segmentation_transformer", f"{seen}, a convolution as last layer"
    return "vit_finetune" if facts.pretrained else "vit", f"{seen}, {origin}"


def _remarks(facts: Facts, recipe: str) -> Iterator[str]:
    """Yield what else is seen, and matters for the recipe."""
    if facts.frozen:
        yield f"{facts.frozen:,} of {facts.parameters:,} parameters are frozen"
    if recipe == "lm" and facts.parameters > TUNED:
        yield f"{facts.parameters:,} parameters: the lr is meant for 124M, lower it"
    if recipe in ("bert_finetune", "segmentation_transformer") and not facts.pretrained:
        scratch = "; from scratch take recipe=lm" if recipe == "bert_finetune" else ""
        yield f"nothing shows that it is pretrained: this recipe is meant for loaded weights{scratch}"
    if recipe in ("cnn", "segmentation") and facts.pretrained:
        yield "pretrained: this recipe is meant for training from scratch, try a tenth of the lr"
    if facts.batch_norms and recipe == "diffusion":
        yield "batch norms: the average needs optim_callbacks.ema.recalibrate_batch_norm"


def _named(facts: Facts, pattern: str) -> bool:
    return any(re.fullmatch(pattern, name) for name in facts.networks)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
