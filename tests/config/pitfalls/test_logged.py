"""Names of metrics from the source of a module; what is not known is reported."""

import lightning as L
import pytest

import lit_optim
from lit_optim.config.pitfalls.logged import Logged, logged_by


class Literal(L.LightningModule):
    def training_step(self, batch, batch_idx):
        self.log("train/loss", 1.0, on_step=True, on_epoch=True)
        self.log(name="train/acc", value=1.0)

    def validation_step(self, batch, batch_idx):
        self.log_dict({"val/loss": 1.0, "val/acc": 2.0}, on_step=False, on_epoch=False)


class Inherited(Literal, lit_optim.ConfigureOptimizersMixin):
    def test_step(self, batch, batch_idx):
        self.log("test/loss", 1.0)


class Patterns(L.LightningModule):
    score = "val/acc"

    def shared(self, stage, kind):
        self.log(f"{stage}/loss", 1.0)
        self.log(self.score, 1.0)
        self.log("a/" + kind if kind else "plain", 1.0)
        self.log_dict({f"{k}_mean": 1.0 for k in kind})


class Unknown(L.LightningModule):
    def shared(self, name, metrics):
        self.log("sure", 1.0)
        self.log(name, 1.0)
        self.log_dict(metrics)
        self.log_dict({**metrics, "also": 1.0})


class HandedOn(L.LightningModule):
    def __init__(self):
        super(L.LightningModule, self).__init__()

    def on_fit_start(self):
        write(self)


class Other:
    def log(self, name):
        pass


class NotItsOwn(L.LightningModule):
    def shared(self, other: Other):
        other.log("never")
        self.logger.log("never")


def write(module):
    module.log("x", 1.0)


SUFFIXED = ("train/loss", "train/loss_step", "train/loss_epoch", "train/acc", "val/loss", "val/acc")
TABLE = [
    (Literal, SUFFIXED, 0),
    (Inherited, ("test/loss", *SUFFIXED), 0),
    (Patterns, ("*/loss", "val/acc", "a/*", "plain", "*_mean"), 0),
    (Unknown, ("sure", "also"), 3),
    (HandedOn, (), 1),
    (NotItsOwn, (), 0),
    (L.LightningModule, (), 0),
]


@pytest.mark.parametrize(("cls", "names", "unknown"), TABLE)
def test_names(cls, names, unknown):
    found = logged_by(cls)
    assert found.names == names
    assert len(found.unknown) == unknown


def test_what_is_unknown_is_quoted():
    assert logged_by(Unknown).unknown == (
        "Unknown: self.log(name, 1.0)",
        "Unknown: self.log_dict(metrics)",
        "Unknown: self.log_dict({**metrics, 'also': 1.0})",
    )
    assert logged_by(HandedOn).unknown == ("HandedOn: write is given the module, and may log",)


def test_a_class_without_source_is_unknown():
    made = type("Made", (L.LightningModule,), {"__module__": "somewhere"})
    assert logged_by(made).unknown == ("the source of Made is not there",)


@pytest.mark.parametrize(
    ("names", "name", "has"),
    [
        (["val/loss"], "val/loss", True),
        (["val/loss"], "val_loss", False),
        (["val.loss"], "valxloss", False),  # a dot is a dot
        (["*/loss"], "val/loss", True),
        (["*/loss"], "/loss", False),
        (["*_mean"], "a_mean_", False),
        (["val/loss"], "val/loss/dataloader_idx_0", True),
        ([], "val/loss", False),
    ],
)
def test_has(names, name, has):
    assert Logged(tuple(names)).has(name) is has
