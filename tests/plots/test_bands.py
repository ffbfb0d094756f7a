"""What is shaded: against edges that are counted by hand, and without a gap for every preset."""

from itertools import pairwise

import pytest

import lit_optim
from lit_optim.config.read.command_line import choices
from lit_optim.plots.bands import bands
from lit_optim.plots.phase_shading import place_names
from lit_optim.plots.preview import bands_of
from lit_optim.preview.curves import preview
from lit_optim.preview.downsample import downsample
from lit_optim.schedules.plan.plan import Phase

EDGES = [  # of 1,000 steps, warmup 5 %
    ("warmup_cosine", [("warmup", 0), ("main", 50)]),
    ("warmup_wsd", [("warmup", 0), ("stable", 50), ("decay", 900)]),
    ("cosine_restarts", [("cycle 1", 0), ("cycle 2", 143), ("cycle 3", 429)]),  # 1 : 2 : 4 parts of 1,000
    ("triangular2", [("cycle 1", 0), *((f"cycle {i + 1}", 100 * i + 1) for i in range(1, 10))]),
    ("one_cycle", [("main", 0)]),
    ("multistep", [("main", 0)]),
    ("plateau", [("main", 0)]),
    ("constant", [("main", 0)]),
]


def drawn(*words, total=1000):
    one = preview(choices([*words, f"total_steps={total}"])[0])
    return bands_of(one.curves[:1], {c: downsample(c, total) for c in one.curves}, total)


@pytest.mark.parametrize(("name", "edges"), EDGES)
def test_edges(name, edges):
    assert [(band.name, band.start) for band in drawn(f"scheduler={name}")] == edges


def test_a_cooldown_and_what_is_behind_the_schedule():
    words = ["scheduler=cosine", "scheduler.warmup=10", "scheduler.main.steps=60", "scheduler.cooldown=10"]
    found = drawn(*words, total=100)
    assert [(b.name, b.start, b.stop) for b in found] == [
        ("warmup", 0, 10), ("main", 10, 70), ("cooldown", 70, 80), ("held", 80, 100)
    ]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in lit_optim.presets("scheduler") if not name.startswith("lambda")])
@pytest.mark.parametrize("total", [7, 5000])
def test_no_gap(name, total):
    words = ["steps_per_epoch=1000"] if total > 1000 else ["steps_per_epoch=1"]
    found = drawn(f"scheduler={name}", *words, total=total)
    assert (found[0].start, found[-1].stop) == (0, total)
    assert all(a.stop == b.start and a.start < a.stop for a, b in pairwise(found))


def test_a_run_that_begins_within_a_phase():
    found = bands([Phase("warmup", 0, 5), Phase("rest", 5, None)], range(3, 9), [0.0] * 6, 9)
    assert [(b.name, b.start, b.stop) for b in found] == [("warmup", 3, 5), ("rest", 5, 9)]


def test_noise_has_no_cycles():
    found = drawn("scheduler=cosine", "scheduler.noise={std: 0.2, limit: 0.5, seed: 1}")
    assert [band.name for band in found] == ["main"]


def test_names_cover_no_other():
    spans = [(f"cycle {i}", i / 12, (i + 1) / 12) for i in range(12)]
    places = place_names(spans)
    assert [*places] == [*range(12)]
    for row in range(3):
        middles = [x for x, r in places.values() if r == row]
        assert all(b - a > 0.08 for a, b in pairwise(middles))
    assert len(place_names([("warmup", 0.0, 0.001)] * 5)) == 3
