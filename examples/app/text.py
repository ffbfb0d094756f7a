from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from app.data_module import TensorData
from lit_optim import ConfigError
from lit_optim.errors import wrong


class Text(TensorData):
    """A text as sequences of bytes, each with the sequence one byte later as its target; the last 10 % to validate on.

    Args:
        path: a file of any encoding; None takes the reference manual that is part of Python.
        sequence_length: bytes in a sequence.
        limit: bytes to read at most, to keep a run short; None = all.
        batch_size: sequences in a batch.
        num_workers: processes that load.
        seed: of the order of the training data.
    """

    classes = 256  # values of a byte

    def __init__(
        self,
        path: str | None = None,
        sequence_length: int = 64,
        limit: int | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, num_workers, seed)
        if path is not None and not Path(path).is_file():
            raise ConfigError(wrong("path", path, "no such file"))
        if sequence_length < 1:
            raise ConfigError(wrong("sequence_length", sequence_length, "must be at least 1"))
        if limit is not None and limit < 1:
            raise ConfigError(wrong("limit", limit, "must be at least 1, or null for all bytes"))
        self.path, self.limit = path, limit
        self.shape = (sequence_length,)
        windows = len(self._content()) // sequence_length
        if windows < 10:
            rule = f"leaves {windows} sequences of {sequence_length} bytes; 10 are needed"
            raise ConfigError(wrong("limit", limit, rule))

    def tensors(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Cut into sequences one after the other."""
        length = self.shape[0]
        codes = torch.frombuffer(bytearray(self._content()), dtype=torch.uint8).long()
        count = (len(codes) - 1) // length
        x = codes[: count * length].reshape(count, length)
        y = codes[1 : count * length + 1].reshape(count, length)
        cut = int(0.9 * count)
        return (x[:cut], y[:cut]), (x[cut:], y[cut:])

    def _content(self) -> bytes:
        if self.path is not None:
            return Path(self.path).read_bytes()[: self.limit]
        from pydoc_data.topics import topics

        return "\n".join(topics[name] for name in sorted(topics)).encode()[: self.limit]
