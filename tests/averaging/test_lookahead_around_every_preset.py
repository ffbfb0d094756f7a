"""Lookahead around every optimizer that there is a preset for: the paper's lines, and a resume to the bit."""

import pytest
import torch

import lit_optim
from conftest import OPTIMIZERS
from lit_optim.config.capabilities import capabilities
from lit_optim.config.read import presets
from lit_optim.optimizers import Lookahead

K, ALPHA = 3, 0.4
pytestmark = pytest.mark.filterwarnings("ignore:.*asks for the modules of parameters")


class Problem:
    """One matrix (sparse, where the optimizer wants that) and a noisy quadratic."""

    def __init__(self, name):
        torch.manual_seed(1)
        self.p = torch.nn.Parameter(torch.randn(4, 3))
        self.needs = capabilities(name)
        self.optimizer = lit_optim.build_optimizer(name, [self.p])

    def step(self, t):
        noise = torch.randn(4, 3, generator=torch.Generator().manual_seed(t))

        def closure():
            loss = (self.p.square() / 2 + noise * self.p).sum()
            (grad,) = torch.autograd.grad(loss, self.p, create_graph=self.needs.second_order)
            self.p.grad = grad.to_sparse() if self.needs.sparse else grad
            return float(loss.detach())

        torch.manual_seed(t)  # for those that draw numbers
        self.optimizer.step(closure)


ONES = [  # a schedule-free optimizer averages by itself, and the two reject each other under a Trainer
    name
    for name in OPTIMIZERS
    if not name.startswith("compiled/") and "ScheduleFree" not in presets.load_preset("optimizer", name)["_target_"]
]


@pytest.mark.parametrize("name", ONES)
def test_the_lines_of_the_paper_and_a_resume_to_the_bit(name, tmp_path):
    first, by_hand, again = Problem(name), Problem(name), Problem(name)
    Lookahead(K, ALPHA).attach(first.optimizer)
    Lookahead(K, ALPHA).attach(again.optimizer)
    slow = by_hand.p.detach().clone()
    for t in range(8):
        if t == 4:
            torch.save((first.p.detach(), first.optimizer.state_dict()), tmp_path / "c.pt")
        first.step(t)
        by_hand.step(t)
        if (t + 1) % K == 0:
            slow = torch.lerp(slow, by_hand.p.detach(), ALPHA)  # LBFGS would amplify another rounding
            by_hand.p.data.copy_(slow)
        torch.testing.assert_close(first.p, by_hand.p, rtol=1e-5, atol=1e-6)
    weights, state = torch.load(tmp_path / "c.pt", weights_only=True)
    again.p.data.copy_(weights)
    again.optimizer.load_state_dict(state)
    for t in range(4, 8):
        again.step(t)
    assert torch.equal(again.p, first.p)
