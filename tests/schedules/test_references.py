"""Every shape against a reference of its own: the papers' formulas in float64, written without looking at ours.

Each reference is a function of the 0-based step t, the length N of the run and the arguments. They go through
`build_scheduler`, so that durations, units and defaults are in the test too.
"""

import itertools
import math
import random

import pytest
import torch

import lit_optim
from lit_optim import schedules

LR = 0.3
PI = math.acos(-1.0)


def lerp(a, b, share):
    return a + (b - a) * min(max(share, 0.0), 1.0)


def cosine(t, n, start_factor=1.0, end_factor=0.0, k=1.0):
    r = min(t / n, 1.0) ** k
    return end_factor + 0.5 * (start_factor - end_factor) * (1 + math.cos(PI * r))


def linear(t, n, start_factor=1.0, end_factor=0.0):
    return lerp(start_factor, end_factor, t / n)


def polynomial(t, n, start_factor=1.0, end_factor=0.0, power=1.0, k=1.0):
    return end_factor + (start_factor - end_factor) * (1 - min(t / n, 1.0) ** k) ** power


def step(t, n, step_size, gamma=0.1):
    drops = 0
    while (drops + 1) * step_size <= min(t, n):
        drops += 1
    return gamma**drops


def multistep(t, n, milestones, gamma=0.1):
    return math.prod(gamma for milestone in milestones if milestone <= min(t, n))


def exponential(t, n, start_factor=1.0, end_factor=None, gamma=None):
    t = min(t, n)
    if gamma is not None:
        return start_factor * math.exp(t * math.log(gamma))
    return start_factor * math.exp(t / n * math.log(end_factor / start_factor))


def inverse_sqrt(t, n, timescale):
    return ((min(t, n) + timescale) / timescale) ** -0.5


def noam(t, n, warmup_steps, model_size=None, offset=0):
    s, w = min(t, n) + 1 + offset, warmup_steps
    d = 1 / w if model_size is None else model_size  # its own peak (d W) ** -1/2 is 1
    return d**-0.5 * min(s**-0.5, s * w**-1.5)


def tanh(t, n, start_factor=1.0, end_factor=0.0, lower=-6.0, upper=3.0):
    r = min(t / n, 1.0)
    return end_factor + (start_factor - end_factor) / (1 + math.exp(2 * (lower * (1 - r) + upper * r)))


def rex(t, n, start_factor=1.0, end_factor=0.0):
    x = min(t / n, 1.0)
    return end_factor + (start_factor - end_factor) * (1 - x) / (0.5 + 0.5 * (1 - x))


def wsd(t, n, decay, tail="1-sqrt", start_factor=1.0, end_factor=0.0):
    begin = n - min(decay, n)
    if t >= n:
        return end_factor
    if t < begin:
        return start_factor
    r = (t - begin) / (n - begin)
    if tail == "exp":
        return start_factor ** (1 - r) * end_factor**r
    done = {"linear": r, "cosine": math.sin(PI * r / 2) ** 2, "1-sqrt": r**0.5, "1-square": r**2}[tail]
    return lerp(start_factor, end_factor, done)


def cyclic(t, n, step_size_up, step_size_down=0, base_factor=0.25, max_factor=1.0, offset=0, gamma=1.0, halves=False):
    """Smith's recipe with unequal sides: walk from corner to corner."""
    t = min(t, n)
    x, corner, cycle, down = t + offset, 0, 0, step_size_down or step_size_up
    while corner + step_size_up + down <= x:
        corner, cycle = corner + step_size_up + down, cycle + 1
    x -= corner
    height = x / step_size_up if x < step_size_up else 1 - (x - step_size_up) / down
    return base_factor + (max_factor - base_factor) * height * gamma**t * (0.5**cycle if halves else 1.0)


def restarts(t, n, period=0, cycles=0, period_mult=1, peak_decay=1.0, cycle_warmup=0, start_factor=1.0, end_factor=0.0):
    if cycles:
        parts = [period_mult**i for i in range(cycles)]
        edges = [math.floor(n * sum(parts[:i]) / sum(parts) + 0.5) for i in range(cycles + 1)]
        lengths = [b - a for a, b in itertools.pairwise(edges)]
    else:
        lengths = [period * period_mult**i for i in range(n if period_mult == 1 else 64)]
    if t >= n:
        if sum(lengths) == n or any(sum(lengths[:i]) == n for i in range(len(lengths))):
            return end_factor
        t = n
    cycle = 0
    while t >= lengths[cycle]:
        t, cycle = t - lengths[cycle], cycle + 1
    peak = max(start_factor * peak_decay**cycle, end_factor) if peak_decay != 1 else start_factor
    ramp = cycle_warmup if cycle_warmup < lengths[cycle] else lengths[cycle] - 1
    if t < ramp:
        return lerp(end_factor, peak, (t + 1) / ramp)
    return cosine(t - ramp, lengths[cycle] - ramp, peak, end_factor)


def one_cycle(
    t, n, start_factor=0.04, max_factor=1.0, end_factor=None, pct_start=0.3, anneal_strategy="cos", three_phase=False
):
    """The text of torch's class, with the floor held from its last step on."""
    floor = start_factor / 1e4 if end_factor is None else end_factor
    if t >= n - 1:
        return floor
    ends = [(pct_start * n - 1, start_factor, max_factor)]
    if three_phase:
        ends.append((2 * pct_start * n - 2, max_factor, start_factor))
    ends.append((n - 1, start_factor if three_phase else max_factor, floor))
    begin = 0.0
    for end, a, b in ends:
        if t <= end and end > begin:
            share = (t - begin) / (end - begin)
            return lerp(a, b, share if anneal_strategy == "linear" else math.sin(PI * share / 2) ** 2)
        begin = end
    raise AssertionError("no leg")


REFERENCES = {
    "cosine": cosine, "linear": linear, "polynomial": polynomial, "step": step, "multistep": multistep,
    "exponential": exponential, "inverse_sqrt": inverse_sqrt, "noam": noam, "tanh": tanh, "rex": rex, "wsd": wsd,
    "triangular": cyclic, "triangular2": lambda *a, **k: cyclic(*a, halves=True, **k), "exp_range": cyclic,
    "cosine_restarts": restarts, "one_cycle": one_cycle,
    "constant": lambda t, n, factor=1.0: factor,
}  # fmt: skip

CASES = [
    *(("cosine", n, o) for n in (1, 2, 3, 1000) for o in ({}, {"end_factor": 0.1}, {"k": 0.3}, {"k": 3, "end_factor": 0.5})),
    *(("linear", n, o) for n in (1, 2, 77) for o in ({}, {"end_factor": 1e-3}, {"start_factor": 0.0, "end_factor": 2.0})),
    *(("polynomial", n, o) for n in (1, 2, 77) for o in ({}, {"power": 0.9}, {"power": 3, "k": 2.5, "end_factor": 0.01})),
    *(("step", n, o) for n in (1, 50) for o in ({"step_size": 1, "gamma": 0.97}, {"step_size": 7}, {"step_size": 500})),
    *(("multistep", 50, {"milestones": m, "gamma": 0.2}) for m in ([], [0], [7, 7, 31], [50, 60], [49])),
    *(("exponential", n, o) for n in (1, 2, 90) for o in ({"gamma": 0.93}, {"gamma": 1.01}, {"end_factor": 1e-6}, {"end_factor": 3.0, "start_factor": 0.2})),
    *(("inverse_sqrt", n, {"timescale": w}) for n in (1, 200) for w in (1, 13, 4000)),
    *(("noam", n, {"warmup_steps": w, **o}) for n in (1, 200) for w in (1, 13, 4000) for o in ({}, {"model_size": 512}, {"offset": 3})),
    *(("tanh", n, o) for n in (1, 2, 77) for o in ({}, {"lower": -4, "upper": 4, "end_factor": 0.1}, {"lower": 0.5, "upper": 1})),
    *(("rex", n, o) for n in (1, 2, 77) for o in ({}, {"end_factor": 0.1})),
    *(("wsd", n, {"decay": d, "tail": tail, "end_factor": 0.05}) for n in (1, 2, 60) for d in (0, 1, 17, 60, 99) for tail in ("linear", "cosine", "1-sqrt", "1-square", "exp")),
    *(("wsd", 60, {"decay": 6, "tail": tail}) for tail in ("linear", "cosine", "1-sqrt", "1-square")),
    *((name, 130, {"step_size_up": up, "step_size_down": down, "offset": offset, "base_factor": base})
      for name in ("triangular", "triangular2", "exp_range") for up, down in ((1, 0), (5, 0), (3, 11), (400, 2)) for offset in (0, 3) for base in (0.0, 0.3)),
    *(("exp_range", 130, {"step_size_up": 4, "gamma": gamma}) for gamma in (0.9, 0.9999, 1.01)),
    *(("cosine_restarts", n, {"period": p, "period_mult": m, **o}) for n in (1, 2, 130) for p, m in ((1, 1), (7, 1), (10, 2), (3, 3), (1, 10))
      for o in ({}, {"peak_decay": 0.5, "end_factor": 0.2})),
    *(("cosine_restarts", n, {"cycles": c, "period_mult": m}) for n in (40, 130, 1001) for c, m in ((1, 1), (3, 2), (4, 1), (3, 3))),
    ("cosine_restarts", 130, {"period": 20, "cycle_warmup": 5, "end_factor": 0.1, "peak_decay": 0.7}),
    ("cosine_restarts", 1300, {"period": 10, "period_mult": 3}),  # restarts at 121 * 10
    ("cosine_restarts", 1300, {"period": 10, "period_mult": 10}),  # and at 111 * 10
    *(("one_cycle", n, {"pct_start": p, "anneal_strategy": a, "three_phase": three, **o}) for n in (1, 2, 3, 10, 33, 1000)
      for p in (0.0, 0.05, 0.3, 0.45) for a in ("cos", "linear") for three in (False, True) for o in ({}, {"start_factor": 0.5, "end_factor": 0.0}) if p or not three),
    *(("one_cycle", 100, {"pct_start": 0.95, "max_factor": 2.0, "anneal_strategy": a}) for a in ("cos", "linear")),
    ("constant", 9, {"factor": 0.3}), ("constant", 1, {}),
]  # fmt: skip


def optimizer():
    return torch.optim.SGD([torch.zeros(1)], lr=LR)


def lrs(spec, steps, **options):
    """The lr inside each optimizer step."""
    scheduler = lit_optim.build_scheduler(spec, optimizer(), **options)
    seen = []
    for _ in range(steps):
        seen.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize(("shape", "n", "arguments"), CASES, ids=lambda v: str(v)[:70])
def test_a_whole_run_and_past_its_end(shape, n, arguments):
    reference = REFERENCES[shape]
    for t, lr in enumerate(lrs({"main": {"shape": shape, **arguments}}, n + 5, total_steps=n)):
        assert lr == pytest.approx(LR * reference(t, n, **arguments), rel=1e-9, abs=1e-12 * LR), t


def test_every_shape_has_a_reference():
    assert {*REFERENCES} == {*schedules.shape_names()} - {"plateau", "lambda"}
    assert {shape for shape, _, _ in CASES} == {*REFERENCES}


WARMUPS = {
    "linear": lambda t, w: (t + 1) / w,
    "cosine": lambda t, w: math.sin(PI * (t + 1) / w / 2) ** 2,
}
EPOCH = 40


def steps_of(duration, total):
    """A duration in optimizer steps, not rounded."""
    text = str(duration)
    if text.endswith("%"):
        return total * float(text[:-1]) / 100
    if text.endswith("ep"):
        return EPOCH * float(text[:-2])
    return total * duration if 0 < duration < 1 else duration


@pytest.mark.parametrize("seed", range(60))
def test_warmup_main_cooldown_in_all_units(seed):
    """Edges are rounded cumulatively; main counts its own steps, and the cooldown begins where main has ended."""
    draw = random.Random(seed)
    total = draw.choice([97, 200, 1000, 1003])
    w = draw.choice([0, 1, 5, 0.05, "5%", "1ep", "12.5%", "0.5ep"])
    c = draw.choice([0, 1, 7, 0.1, "12.5%", "1ep"])
    name = draw.choice(["cosine", "linear", "rex", "polynomial"])
    end, ramp = draw.choice([0.0, 0.1, 0.5]), draw.choice([*WARMUPS])
    first = round(steps_of(w, total))
    last = round(total - steps_of(c, total))
    spec = {"warmup": {"steps": w, "shape": ramp}, "main": {"shape": name, "end_factor": end}, "cooldown": c}
    for t, lr in enumerate(lrs(spec, total + 3, total_steps=total, steps_per_epoch=EPOCH)):
        if t < first:
            expected = WARMUPS[ramp](t, first)
        elif t < last:
            expected = REFERENCES[name](t - first, last - first, end_factor=end)
        elif last < total:
            expected = lerp(end, 0.0, (t - last) / (total - last))
        else:
            expected = end
        assert lr == pytest.approx(LR * expected, rel=1e-9, abs=1e-12 * LR), (t, spec)


@pytest.mark.parametrize("name", ["warmup_inverse_sqrt", "warmup_noam"])
@pytest.mark.parametrize("warmup", [{}, {"warmup": 1}, {"warmup": 37}, {"warmup": {"steps": "2.5%"}}, {"warmup_steps": 60}, {"warmup_epochs": 2}])  # fmt: skip
def test_roots_join_their_warmup_whatever_its_length(name, warmup):
    """fairseq's inverse_sqrt is (W / t) ** 1/2 behind the ramp, the paper's is at s = t + 1: each meets its ramp at 1."""
    run = lrs(name, 1000, total_steps=1000, steps_per_epoch=EPOCH, **warmup)
    w = {1: 1, 37: 37, 60: 60, 2: 80}.get(next(iter(warmup.values()), None), 25) if warmup and not isinstance(warmup.get("warmup"), dict) else 25 if warmup else 50  # fmt: skip
    for t, lr in enumerate(run):
        s = t if name == "warmup_inverse_sqrt" else t + 1
        assert lr == pytest.approx(LR * ((t + 1) / w if t < w else (w / s) ** 0.5), rel=1e-12), t


def test_a_length_as_the_warmups_needs_a_warmup():
    for spec in ({"warmup": 0}, {"warmup": "0%"}, {"warmup": {"steps": 0}}):
        with pytest.raises(
            lit_optim.ConfigError, match=r"main\.timescale='warmup': there is no warmup before it; write"
        ):
            lrs("warmup_inverse_sqrt", 1, total_steps=100, **spec)


def test_a_length_as_the_warmups_in_a_chain():
    phases = {"warmup": {"steps": 8}, "root": {"shape": "inverse_sqrt", "timescale": "warmup"}}
    run = lrs({"phases": phases, "order": ["warmup", "root"]}, 33, total_steps=40)
    assert [run[8], run[32]] == pytest.approx([LR, LR / 2])
