"""Optimizers that differentiate the gradients again, in automatic optimization."""

import pytest
import torch

from _support.net import Net, fit, weights
from lit_optim import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore:Using backward\\(\\) with create_graph=True:UserWarning")


class KeepsTheGraph(Net):
    def backward(self, loss):
        loss.backward(create_graph=True)


def test_a_plain_backward_is_refused_with_the_method_to_write(tmp_path):
    with pytest.raises(ConfigError) as caught:
        fit(tmp_path, Net(optimizer="sophia"), max_epochs=1)
    assert str(caught.value) == (
        "optimizer: SophiaH differentiates the gradients again; "
        "write in Net: def backward(self, loss): loss.backward(create_graph=True)"
    )


def test_with_that_method_it_trains(tmp_path):
    torch.manual_seed(0)
    module = KeepsTheGraph(optimizer="sophia")
    before = weights(module)
    fit(tmp_path, module, max_epochs=1)
    assert not torch.equal(weights(module), before)
    assert torch.isfinite(weights(module)).all()


def test_others_keep_lightnings_backward(tmp_path):
    fit(tmp_path, Net(optimizer="soap"), max_epochs=1)
