"""The messages of the contract, exactly as they are written there."""

import pytest

import lit_optim
from _support.net import Net, loader, trainer
from lit_optim import ConfigError

MESSAGES = [
    ({"optimizer": {"_target_": "torch.optim.AdamW", "lrr": 0.001}}, "optimizer.lrr=0.001: AdamW has no argument 'lrr'; did you mean 'lr'?"),
    ({"scheduler": {"warmup": 1.5}}, "scheduler.warmup=1.5: neither a share below 1 nor a whole number of steps; write e.g. 1500, 0.05, 5% or 2ep"),
    ({"model": {"optimizer": "sdg"}}, "model.optimizer='sdg': no preset of that name; did you mean 'sgd'?"),
    ({"optimizer": {"_target_": "os.system"}}, "optimizer._target_=os.system: not a torch.optim.Optimizer subclass (it is a builtin function)"),
]  # fmt: skip


@pytest.mark.parametrize(("cfg", "message"), MESSAGES, ids=[message for _, message in MESSAGES])
def test_of_a_configuration(cfg, message):
    with pytest.raises(ConfigError) as caught:
        lit_optim.validate(cfg)
    assert str(caught.value) == message


def test_of_a_run_without_an_end(tmp_path):
    with pytest.raises(ConfigError) as caught:
        trainer(tmp_path, max_epochs=-1).fit(Net(scheduler="cosine"), loader(), loader(8))
    assert str(caught.value) == (
        "scheduler: total_steps is unknown because max_epochs=-1; set trainer.max_steps, or scheduler.total_steps"
    )
