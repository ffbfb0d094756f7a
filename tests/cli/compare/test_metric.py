import pytest

from lit_optim.cli.compare.metric import choose_metric, guessed_mode
from lit_optim.errors import ConfigError

APP = {
    "optimized_metric": "score",
    "monitor": "score",
    "monitor_mode": "min",
    "scheduler": {"monitor": "val/x", "mode": "max"},
}


@pytest.mark.parametrize(
    ("config", "metric", "mode", "expected"),
    [
        (APP, None, None, ("score", "min")),
        (APP, "val/x", None, ("val/x", "max")),
        (APP, "val/loss", None, ("val/loss", "min")),
        (APP, "score", "max", ("score", "max")),
        (
            {"scheduler": {"monitor": "val/f1", "mode": "sideways"}, "monitor": "val/loss"},
            None,
            None,
            ("val/f1", "max"),
        ),
        ({"monitor": "val/loss"}, None, None, ("val/loss", "min")),
        ({"monitor": "val/loss", "mode": "max"}, None, None, ("val/loss", "max")),
    ],
)
def test_the_metric_and_its_mode(config, metric, mode, expected):
    assert choose_metric(config, metric, mode) == expected


@pytest.mark.parametrize(
    ("name", "mode"),
    [("val_loss_epoch", "min"), ("Val/Top5", "max"), ("wer", "min"), ("accuracy_loss", None), ("lossy", None)],
)
def test_a_guessed_mode(name, mode):
    assert guessed_mode(name) == mode


@pytest.mark.parametrize("config", [{}, {"monitor": None}, {"optimized_metric": 3, "scheduler": None}])
def test_an_app_that_names_no_metric(config):
    with pytest.raises(ConfigError, match=r"--metric: the app names none.*e\.g\. --metric val/loss"):
        choose_metric(config, None, None)
