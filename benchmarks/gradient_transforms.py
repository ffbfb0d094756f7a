"""Gradient noise, AGC and centralization against one fused AdamW step, and their hooks in a Lightning step."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import nn

from benchmarks.interleave import cpu_seconds, interleaved, table
from benchmarks.lightning_step import STEPS, Plain, seconds_a_step
from lit_optim.callbacks import Agc, Centralize, GradientNoise
from lit_optim.gradients import Agc as AgcLink
from lit_optim.gradients import Centralize as CentralizeLink
from lit_optim.gradients import Link, Noise

MLP = [(256, 64), (256,), (256, 256), (256,), (64, 256), (64,)]  # 6 tensors, 0.1 M: W3


def resnet18() -> list[tuple[int, ...]]:
    """Shapes of a ResNet-18: 62 tensors, 11.7 M parameters: W1."""
    shapes: list[tuple[int, ...]] = [(64, 3, 7, 7), (64,), (64,)]
    before = 64
    for width in (64, 128, 256, 512):
        for block in range(2):
            shapes += [(width, before, 3, 3), (width,), (width,), (width, width, 3, 3), (width,), (width,)]
            if block == 0 and width != 64:
                shapes += [(width, before, 1, 1), (width,), (width,)]
            before = width
    return [*shapes, (1000, 512), (1000,)]


def applied(link: Link, parameters: list[nn.Parameter]) -> Callable[[], Any]:
    """What the link does in a step, alone."""
    optimizer = torch.optim.SGD(parameters, lr=0.0)
    link.attach(optimizer)
    chain = link.chain
    assert chain is not None

    @torch.no_grad()
    def apply(_: Any = optimizer) -> None:  # the chain itself does not keep its optimizer alive
        chain._run(link.after_clipping)

    return apply


def transforms(title: str, shapes: list[tuple[int, ...]], rounds: int, repeat: int) -> None:
    parameters = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    for p in parameters:
        p.grad = torch.randn_like(p)
    optimizer = torch.optim.AdamW(parameters, lr=1e-9, fused=True)
    works: dict[str, Callable[[], Any]] = {
        "one AdamW(fused=True) step": optimizer.step,
        "torch.randn_like, add_": lambda: [p.grad.add_(torch.randn_like(p), alpha=1e-9) for p in parameters],  # type: ignore[union-attr]
        "gradient_noise": applied(Noise(eta=1e-18), parameters),
        "agc": applied(AgcLink(lam=1e9), parameters),
        "centralize": applied(CentralizeLink(), parameters),
    }
    for work in works.values():
        work()
    variants = {name: lambda work=work: cpu_seconds(work, repeat) for name, work in works.items()}
    goal = "Goal: gradient_noise at most 6."
    print(table(title, interleaved(variants, rounds), goal))


class Nothing(L.Callback):
    """A callback with the same hook, empty."""

    def on_before_optimizer_step(self, *_: Any) -> None:
        pass


def hooks(rounds: int) -> None:
    """The callbacks with everything excluded: what is left are their hooks."""
    silent = {"exclude": ["*"]}
    variants = {
        "AdamW(fused=True), an empty callback": lambda: seconds_a_step(Plain(fused=True), Nothing()),
        "agc, centralize, gradient_noise without a parameter": lambda: seconds_a_step(
            Plain(fused=True), Agc(**silent), Centralize(**silent), GradientNoise(**silent)
        ),
    }
    timings = interleaved(variants, rounds)
    print(table(f"A Lightning step of the MLP, {STEPS} steps a run", timings))
    layer = Plain()
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    bare = min(cpu_seconds(optimizer.step, 2000) for _ in range(7))
    for link in (AgcLink(**silent), CentralizeLink(**silent), Noise(**silent)):
        link.attach(optimizer, layer)
    hooked = min(cpu_seconds(optimizer.step, 2000) for _ in range(7))
    share = (hooked - bare) / timings[0].median
    print(f"the three hooks alone: {(hooked - bare) * 1e6:.1f} us, {share:.1%} of that step (goal: below 1 %)\n")


def main(rounds: int = 10) -> None:
    begin = time.perf_counter()
    transforms("Gradient transforms, an MLP of 6 tensors and 0.1 M parameters (W3)", MLP, rounds, 100)
    transforms("Gradient transforms, a ResNet-18 of 62 tensors and 11.7 M parameters (W1)", resnet18(), rounds, 3)
    hooks(2 * rounds)
    print(f"({time.perf_counter() - begin:.0f} s)")


if __name__ == "__main__":
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    main()
