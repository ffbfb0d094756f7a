"""The tasks of the benchmark with generated data: what is read, its order, and a short trial of each task."""

import gzip
import math
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from benchmark.data import FASHION, JARGON, Batches, fashion_mnist, jargon
from benchmark.nets import CharTransformer, SmallCnn
from benchmark.train import build, main
from lit_optim import ConfigError
from lit_optim.config.read.app_config import app_config
from lit_optim.study.record_files import read_record

APP = Path(__file__).resolve().parents[3] / "examples" / "benchmark" / "train.py"


def write_fashion(root, counts):
    """Images of one grey each, their own number, with its last digit as the class."""
    folder = root / FASHION
    folder.mkdir(parents=True)
    for name, count in counts.items():
        pixels = b"".join(bytes([number]) * 784 for number in range(count))
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"\0" * 16 + pixels))
        labels = bytes(number % 10 for number in range(count))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(b"\0" * 8 + labels))


def write_text(root, text):
    file = root / JARGON
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress(b"contents\nGlossary of\n" + b"\nGlossary\n" + text))


def test_images_are_split_in_order_and_standardised_by_those_of_training(tmp_path):
    write_fashion(tmp_path, {"train": 30, "t10k": 7})
    found = fashion_mnist(str(tmp_path), train=20, val=5, test=4)
    assert [tuple(x.shape) for x, _ in found] == [(20, 1, 28, 28), (5, 1, 28, 28), (4, 1, 28, 28)]
    assert [y.tolist() for _, y in found[1:]] == [[0, 1, 2, 3, 4], [0, 1, 2, 3]]
    deviation = math.sqrt(sum((n - 9.5) ** 2 for n in range(20)) * 784 / (20 * 784 - 1))
    assert found.val[0][:, 0, 0, 0].tolist() == pytest.approx([(20 + n - 9.5) / deviation for n in range(5)])


def test_text_begins_at_the_glossary_and_targets_are_the_next_bytes(tmp_path):
    text = bytes(random.Random(0).choices(range(97, 123), k=100))
    write_text(tmp_path, text)
    found = jargon(str(tmp_path), train=40, val=20, test=10, length=5)
    whole = b"\nGlossary\n" + text
    assert [tuple(x.shape) for x, _ in found] == [(8, 5), (4, 5), (2, 5)]
    assert bytes(torch.cat([x.flatten() for x, _ in found]).tolist()) == whole[:70]
    assert bytes(torch.cat([y.flatten() for _, y in found]).tolist()) == whole[1:71]


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda f: fashion_mnist(f, 1, 1, 1), "has no usr/.*/train-images.*; type `apt-get download dataset-fashion-mnist && dpkg -x dataset-"),
        (lambda f: jargon(f, 1, 1, 1, 1), "has no usr/.*/jargon.txt.gz; type `apt-get download jargon-text && dpkg -x jargon-text_"),
    ],
)  # fmt: skip
def test_missing_data_name_the_command(read, words, tmp_path):
    with pytest.raises(ConfigError, match=rf"^data.folder={tmp_path}: {words}"):
        read(str(tmp_path))


def test_damaged_data_are_an_error(tmp_path):
    file = tmp_path / JARGON
    file.parent.mkdir(parents=True)
    file.write_bytes(b"no gzip")
    with pytest.raises(ConfigError, match="damaged .*; unpack jargon-text again"):
        jargon(str(tmp_path), 1, 1, 1, 1)


def test_the_order_depends_on_the_seed_and_changes_every_epoch():
    x = torch.arange(7)

    def epochs(seed):
        batches = Batches((x, 10 * x), 3, seed)
        assert len(batches) == 3
        return [[(a.tolist(), b.tolist()) for a, b in batches] for _ in range(2)]

    first, second = epochs(1)
    assert (first, second) == tuple(epochs(1)) != tuple(epochs(2))
    assert first != second
    assert [len(a) for a, _ in first] == [3, 3, 1]
    assert sorted(value for a, _ in first for value in a) == [*range(7)]
    assert all(b == [10 * value for value in a] for a, b in first)
    assert [a for a, _ in epochs(None)[0]] == [[0, 1, 2], [3, 4, 5], [6]]


def test_the_networks():
    assert SmallCnn(width=4)(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    net, codes = CharTransformer(length=6, dim=8, depth=1, heads=2).eval(), torch.arange(6)[None]
    changed = codes.clone()
    changed[0, 4] = 100
    assert torch.equal(net(codes)[0, :4], net(changed)[0, :4])  # no position sees a later one
    assert not torch.equal(net(codes)[0, 4], net(changed)[0, 4])


SMALL = {
    "images": ["data.train=60", "data.val=20", "data.test=10", "net.width=4"],
    "lstm": ["data.train=3200", "data.val=640", "data.test=320", "net.width=8"],
    "transformer": ["data.train=3200", "data.val=640", "data.test=320", "net.dim=8", "net.depth=1", "net.heads=2"],
}


@pytest.fixture
def data(tmp_path):
    write_fashion(tmp_path, {"train": 80, "t10k": 10})
    write_text(tmp_path, bytes(random.Random(0).choices(b"abc \n", k=5000)))
    return tmp_path


def words_of(task, optimizer, folder):
    size = ["steps=4", "val_every=2", "batch_size=8", "val_batch_size=20", f"data.folder={folder}"]
    return [f"task={task}", f"optimizer={optimizer}", "optim_callbacks=[record,lookahead]", *SMALL[task], *size]


@pytest.mark.parametrize("task", SMALL)
def test_a_trial_of_a_task(task, data):
    records, weights = [], []
    for optimizer in ("adam", "momentum"):
        folder = data / task / optimizer
        values = app_config(
            APP.parent / "conf", "train", [*words_of(task, optimizer, data), f"output_dir={folder}"]
        ).values
        cfg = OmegaConf.create(values)
        weights.append(build(cfg)[1].state_dict())
        assert main.__wrapped__(cfg) == pytest.approx(value_of(folder, cfg.optimized_metric))
        records.append(read_record(folder / "record"))
    places = [{(row.step, row.name) for row in record.metrics} for record in records]
    assert places[0] == {(step, f"val/{n}") for step in (2, 4) for n in ("loss", "acc")} | {
        (4, "test/loss"),
        (4, "test/acc"),
    }
    assert places[0] == places[1]
    assert [record.run["outcome"] for record in records] == ["finished"] * 2
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])  # the same initial weights


def value_of(folder, metric):
    return [row.value for row in read_record(folder / "record").metrics if row.name == metric][-1]


@pytest.mark.slow
def test_the_script(data):
    command = [sys.executable, str(APP), *words_of("transformer", "adam", data)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=data, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"test/acc=0\.\d+ test/loss=\d\.\d+ val/acc=", done.stdout)
