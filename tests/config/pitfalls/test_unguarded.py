"""A run that is likely to meet inf and NaN is advised to have a finite guard; an ordinary one is not."""

import pytest

from _support.net import Net, fit
from lit_optim.config.pitfalls import find
from lit_optim.config.pitfalls.logged import Logged

HALF, LARGE = {"precision": "16-true"}, {"_target_": "sgd", "lr": 1e308}


@pytest.mark.parametrize(
    ("config", "keys"),
    [
        ({"optimizer": "adamw", "trainer": HALF}, ["trainer.precision=16-true"]),
        ({"optimizer": LARGE}, ["optimizer.lr=1e+308"]),
        ({"model": {"optimizer": LARGE}}, ["model.optimizer.lr=1e+308"]),
        ({"optimizer": LARGE, "trainer": HALF}, ["trainer.precision=16-true", "optimizer.lr=1e+308"]),
        ({"optimizer": LARGE, "optim_callbacks": ["ema", "finite"]}, []),
        ({"optimizer": LARGE, "callbacks": {"f": {"_target_": "lit_optim.callbacks.FiniteGuard"}}}, []),
        ({"model": {"optimizer": LARGE, "optim_callbacks": "finite"}, "trainer": HALF}, []),
        ({"optimizer": "adamw", "trainer": {"precision": "16-mixed"}}, []),
        ({"optimizer": "adamw", "trainer": {"precision": "bf16-true"}}, []),
        ({"optimizer": {"_target_": "sgd", "lr": 30.0}}, []),
        ({"optimizer": "adamw"}, []),
    ],
)
def test_who_is_advised(config, keys):
    assert [finding.key for finding in find(config, Logged()) if finding.check == "unguarded"] == keys


def test_a_fit_warns_once(tmp_path):
    with pytest.warns(UserWarning, match=r"optimizer.lr=200: larger than 100, .* or write optim_callbacks=finite"):
        fit(tmp_path, Net({"_target_": "sgd", "lr": 200.0, "weight_decay": 0.0}), limit_train_batches=1, max_epochs=1)
    fit(tmp_path, Net({"_target_": "sgd", "lr": 200.0}, optim_callbacks="finite"), limit_train_batches=1, max_epochs=1)
