import pytest

from _support.net import Net, fit
from lit_optim.cli.main import main
from lit_optim.config.read.command_line import choices
from lit_optim.plots.preview import draw_preview, title_of
from lit_optim.preview.curves import preview
from lit_optim.preview.downsample import downsample

PICTURES = [
    ("one.png", [], b"\x89PNG"),
    ("one.svg", ["scheduler=warmup_wsd", "scheduler.drive={weight_decay: {main: {shape: cosine}}}", "param_groups=no_decay"], b"<?xml"),
    ("log.png", ["scheduler=wsd,cosine", "--log", "steps_per_epoch=7"], b"\x89PNG"),
    ("short.png", ["total_steps=1", "steps_per_epoch=1"], b"\x89PNG"),
    ("flat.png", ["scheduler=none", "scheduler.main.factor=0.0"], b"\x89PNG"),
    ("flatlog.png", ["scheduler=none", "scheduler.main.factor=0.0", "--log"], b"\x89PNG"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "words", "begins"), PICTURES)
def test_pictures(name, words, begins, tmp_path):
    file = tmp_path / name
    assert main(["preview", "scheduler=cosine", "total_steps=100", *words, "--out", str(file)]) == 0
    assert file.read_bytes().startswith(begins)


def drawn(*words):
    one = preview(choices([*words])[0])
    return draw_preview([one], {curve: downsample(curve, one.total_steps) for curve in one.curves})


@pytest.mark.parametrize("scheduler", ["warmup_cosine", "cosine_restarts"])
def test_a_point_of_the_picture_is_the_lr_of_its_optimizer_step(scheduler, tmp_path):
    module, _ = fit(tmp_path, Net("adam", scheduler=scheduler), max_epochs=3)
    (line,) = drawn("optimizer=adam", f"scheduler={scheduler}", "total_steps=24").axes[0].lines
    assert [*line.get_xdata()] == [*range(24)]
    assert [[lr] for lr in line.get_ydata()] == module.used


def test_the_title_names_the_schedules_of_all_optimizers_and_the_parts_of_one():
    pair = "{generator: {_target_: adam, lr: 2e-4}, discriminator: {_target_: sgd}}"
    words = [f"optimizer={pair}", "scheduler={generator: warmup_cosine, discriminator: constant}", "total_steps=100"]
    assert title_of([preview(choices(words)[0])]) == "Adam / SGD, warmup + cosine / constant: 100 optimizer steps"
    [choice] = choices(["optimizer=muon_adamw", "scheduler=wsd", "total_steps=100"])
    assert title_of([preview(choice)]) == "AdamW + Muon, wsd: 100 optimizer steps"


def test_a_short_run_has_points_and_its_ticks_are_round():
    (line,) = drawn("optimizer=sgd", "optimizer.lr=30", "scheduler=linear", "total_steps=3").axes[0].lines
    assert line.get_marker() == "o"
    assert [*line.axes.get_yticks()] == [0, 10, 20, 30]
