"""The data of the benchmark, which Debian packages ship; tensors in memory, and batches by index."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lit_optim import ConfigError

HERE = Path(__file__).resolve().parent
FETCH = "apt-get download {0} && dpkg -x {0}_*.deb {1}"  # unpacks it without installing
FASHION, JARGON = "usr/share/datasets/fashion-mnist", "usr/share/doc/jargon-text/jargon.txt.gz"
Examples = tuple[Tensor, Tensor]  # inputs and targets


class Splits(NamedTuple):
    """Examples to train on, to select by, and to test on; test is read once, at the end of a run."""

    train: Examples
    val: Examples
    test: Examples


class Batches:
    """Yields batches of examples: in a new order each time with a seed, in order without one."""

    def __init__(self, examples: Examples, size: int, seed: int | None = None) -> None:
        self.x, self.y = examples
        self.size = size
        self.generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return (len(self.y) + self.size - 1) // self.size

    def __iter__(self) -> Iterator[Examples]:
        count = len(self.y)
        order = torch.arange(count) if self.generator is None else torch.randperm(count, generator=self.generator)
        for start in range(0, count, self.size):
            chosen = order[start : start + self.size]
            yield self.x[chosen], self.y[chosen]


def fashion_mnist(folder: str | None, train: int, val: int, test: int) -> Splits:
    """Reads images of Fashion-MNIST: the first of its training file, the next ones, and the first of its test file."""
    parts = []
    for name, first, last in (("train", 0, train), ("train", train, train + val), ("t10k", 0, test)):
        images = _unpacked(folder, "dataset-fashion-mnist", f"{FASHION}/{name}-images-idx3-ubyte.gz", 16 + last * 784)
        labels = _unpacked(folder, "dataset-fashion-mnist", f"{FASHION}/{name}-labels-idx1-ubyte.gz", 8 + last)
        x = torch.frombuffer(images, dtype=torch.uint8, offset=16).reshape(-1, 1, 28, 28)[first:].float()
        parts.append((x, torch.frombuffer(labels, dtype=torch.uint8, offset=8)[first:].long()))
    mean, std = parts[0][0].mean(), parts[0][0].std()
    return Splits(*(((x - mean) / std, y) for x, y in parts))


def jargon(folder: str | None, train: int, val: int, test: int, length: int) -> Splits:
    """Reads bytes of the Jargon File's glossary, in the public domain, as sequences with the next bytes as targets."""
    text = bytes(_unpacked(folder, "jargon-text", JARGON))
    begin, parts = text.index(b"\nGlossary\n"), []
    for size in (train, val, test):
        codes = torch.frombuffer(bytearray(text[begin : begin + size + 1]), dtype=torch.uint8).long()
        parts.append((codes[:-1].reshape(-1, length), codes[1:].reshape(-1, length)))
        begin += size
    return Splits(*parts)


def _unpacked(folder: str | None, package: str, name: str, count: int = -1) -> bytearray:
    root = HERE / "data" if folder is None else Path(folder)
    try:
        with gzip.open(root / name) as file:
            return bytearray(file.read(count))
    except FileNotFoundError:
        command = FETCH.format(package, root)
        raise ConfigError(f"data.folder={root}: has no {name}; type `{command}` (Debian, Ubuntu)") from None
    except (OSError, EOFError) as error:
        raise ConfigError(f"data.folder={root}: {name} is damaged ({error}); unpack {package} again") from error
