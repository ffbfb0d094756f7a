"""Without a guard: the first metric and the first weight that are not finite are warned about once."""

import warnings

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from _support.faulty import Faulty, Numbers, guard
from _support.net import trainer

METRIC, WEIGHT = "val/loss is nan", "problem.layer.0.weight is not finite"
ADVICE = "; optim_callbacks=finite leaves out the steps that lead there"


class Logged(Faulty):
    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.problem.loss() * (float("nan") if self.current_epoch == self.at[0] else 1.0))


def said(tmp_path, module, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = trainer(tmp_path, max_epochs=4, **options)
        run.fit(module, Numbers(11, 12), Numbers(1) if isinstance(module, Logged) else None)
    return [str(warning.message) for warning in caught if "after step" in str(warning.message)]


def test_a_metric_warns_once(tmp_path):
    assert said(tmp_path, Logged("sgd", at=(1,))) == [f"after step 4: {METRIC}{ADVICE}"]
    assert said(tmp_path, Logged("sgd", at=(1,), optim_callbacks=guard())) == [f"after step 4: {METRIC}"]
    assert said(tmp_path, Logged("sgd", at=(9,))) == []


@pytest.mark.parametrize("where", ["save", "end"])
def test_a_weight_warns_once(where, tmp_path):
    class Spoilt(Faulty):
        def on_train_epoch_start(self):
            if self.current_epoch == 2:
                with torch.no_grad():
                    self.problem.layer[0].weight[0, 0] = float("inf")

    saves = {"callbacks": [ModelCheckpoint(tmp_path)]} if where == "save" else {}
    found = said(tmp_path, Spoilt("sgd"), **saves)
    assert found == [f"after step {6 if where == 'save' else 8}: {WEIGHT}{ADVICE}"]
