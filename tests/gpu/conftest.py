"""What needs a CUDA device: ``make gpu``. Left out of every other target."""

import pytest
import torch


def pytest_collection_modifyitems(items):
    for item in items:
        if "/tests/gpu/" in item.path.as_posix():
            item.add_marker(pytest.mark.gpu)
            item.add_marker(pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"))
