"""NaN under every optimizer preset and every policy: in the loss, in one gradient and in all, on all ranks and on one."""

import pytest
import torch

from _support.faulty import FAULTS, Faulty, equal, guard, guard_of, run_over
from _support.fork import on_two_ranks
from conftest import OPTIMIZERS, STEPPED
from lit_optim.config.capabilities import capabilities
from lit_optim.errors import NonFiniteError

MOSTLY_SLOW = [fault if fault == "loss" else pytest.param(fault, marks=pytest.mark.slow) for fault in FAULTS]
pytestmark = pytest.mark.filterwarnings("ignore:.*asks for the modules of parameters")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", STEPPED)
def test_a_run_that_skips_a_batch_is_the_run_without_it(name, fault, tmp_path):
    module = Faulty(name, fault, at=(3,), optim_callbacks=guard())
    run = run_over(tmp_path, module, 1, 2, 3, 4, 5)
    without = Faulty(name)
    expected = run_over(tmp_path, without, 1, 2, 4, 5)
    assert guard_of(run).state_dict() == {"skipped": 1, "rollbacks": 0, "in_a_row": 0}
    assert torch.equal(module.after[-1], without.after[-1])
    assert equal(run.optimizers[0].state_dict(), expected.optimizers[0].state_dict())


@pytest.mark.parametrize("fault", MOSTLY_SLOW)
@pytest.mark.parametrize("name", STEPPED)
def test_a_rollback_restores_weights_and_state_and_lowers_the_lr(name, fault, tmp_path):
    module = Faulty(name, fault, at=(4,), optim_callbacks=guard("rollback", every_n_steps=2, factor=0.25))
    run = run_over(tmp_path, module, 1, 2, 3, 4, 5)
    assert guard_of(run).state_dict() == {"skipped": 1, "rollbacks": 1, "in_a_row": 1}
    assert torch.equal(module.after[3], module.after[1])
    assert module.used == [module.used[0]] * 4 + [0.25 * module.used[0]]
    assert torch.isfinite(module.after[-1]).all()
    expected = run_over(tmp_path, Faulty(name, at=(3,), optim_callbacks=guard("rollback", every_n_steps=2, factor=0.25)), 1, 2, 3, 5)  # fmt: skip
    assert equal(run.optimizers[0].state_dict(), expected.optimizers[0].state_dict()), "the batch of step 3 is undone"


@pytest.mark.parametrize("fault", MOSTLY_SLOW)
@pytest.mark.parametrize("name", STEPPED)
def test_a_stop_ends_the_run_before_the_step(name, fault, tmp_path):
    module = Faulty(name, fault, at=(3,), optim_callbacks=guard("stop"))
    with pytest.raises(NonFiniteError, match=r"^optim_callbacks.finite.policy='stop': step 3: the "):
        run_over(tmp_path, module, 1, 2, 3, 4, 5)
    assert len(module.after) == 2
    assert torch.equal(torch.cat([p.detach().flatten() for p in module.parameters()]), module.after[-1])


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["skip", "rollback", "stop"])
def test_nan_on_one_of_two_ranks(policy, tmp_path):
    # without those whose gradients DDP does not add up
    names = [n for n in OPTIMIZERS if not n.startswith("compiled/") and not capabilities(n).second_order]

    def work(rank):
        ends = {}
        for name in names:
            module = Faulty(name, at=(3,), rank=1, optim_callbacks=guard(policy))
            try:
                run_over(tmp_path / name, module, 1, 2, 3, 4, devices=2, strategy="ddp", accelerator="cpu")
            except NonFiniteError as error:
                ends[name] = str(error)
            else:
                ends[name] = module.after[-1]
        return ends

    first, second = on_two_ranks(work)
    for name in names:
        if policy == "stop":
            assert first[name].startswith("optim_callbacks.finite.policy='stop': step 3: ")
            assert "step 3: the loss is nan" in second[name]
        else:
            assert torch.isfinite(first[name]).all()
            assert torch.equal(first[name], second[name])
