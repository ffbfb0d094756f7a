import pytest

from lit_optim.cli.main import main

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
