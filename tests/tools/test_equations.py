"""The equations on the pages of optimizers of other packages: each, line by line in numpy, takes the steps of its class."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from _support.references import displayed_equations as rule
from conftest import preset_names
from docs_pages import equation_notes, equations, gallery
from lit_optim.config.read.presets import load_preset
from lit_optim.imports import import_object

STEPS, SHAPE = 5, (3, 4)
DATA = np.random.default_rng(0)
START, GRADS, CURVATURES = (
    DATA.normal(size=SHAPE),
    DATA.normal(1, 1, (STEPS, *SHAPE)),
    DATA.normal(size=(STEPS, *SHAPE)),
)
RULES = {
    "sgd": rule.sgd, "momentum": rule.sgd, "nesterov": rule.sgd, "adam": rule.adam, "amsgrad": rule.adam, "adamw": rule.adamw, "adagrad": rule.adagrad,
    "sparse_adam": rule.sparse_adam, "asgd": rule.asgd, "rprop": rule.rprop, "adafactor": rule.adafactor, "lamb": rule.lamb, "lars": rule.lars,
    "lion": rule.lion, "adabelief": rule.adabelief, "adopt": rule.adopt, "adan": rule.adan, "came": rule.came, "prodigy": rule.prodigy,
    "dadapt_adam": rule.dadapt_adam, "grokfast_adamw": rule.grokfast, "sophia": rule.sophia, "soap": rule.soap, "shampoo": rule.shampoo,
    "schedule_free_sgd": rule.schedule_free, "schedule_free_adamw": rule.schedule_free, "schedule_free_radam": rule.schedule_free,
}  # fmt: skip
MORE = {  # than in the presets, so that every term counts
    "asgd": dict(lambd=0.1), "adagrad": dict(lr_decay=0.1, initial_accumulator_value=0.2), "momentum": dict(dampening=0.2),
    "adafactor": dict(lr=0.3), "prodigy": dict(d0=0.1), "dadapt_adam": dict(d0=1e-3), "sophia": dict(p=1.0), "rprop": dict(step_sizes=[0.007, 0.013]),
}  # fmt: skip
UNCHECKED = ("bitsandbytes.", "distributed_shampoo.", "timm.", "torchao.", "torch.optim.LBFGS")  # read, not run


@pytest.mark.parametrize("name", RULES)
def test_an_equation_is_what_the_class_computes(name):
    preset = load_preset("optimizer", name)
    pytest.importorskip(preset["_target_"].partition(".")[0])
    values = {key: value for key, value in preset.items() if not key.startswith("_")} | MORE.get(name, {})
    values |= {key: large for key, large in dict(weight_decay=0.3, eps=0.1).items() if key in values}
    w = torch.nn.Parameter(torch.tensor(START))
    optimizer = import_object(preset["_target_"], "target")([w], **values)
    if hasattr(optimizer, "train"):
        optimizer.train()
    found = []
    for g, curvature in zip(GRADS, CURVATURES, strict=True):
        w.grad = torch.tensor(g).to_sparse(1) if name == "sparse_adam" else torch.tensor(g)
        optimizer.step(**({"hessian": [torch.tensor(curvature)]} if name == "sophia" else {}))
        found.append(w.detach().numpy().copy())
    betas = values.get("betas", (values.get("momentum", 0),))
    known = dict(dampening=0, nesterov=False, amsgrad=False, initial_accumulator_value=0, momentum=betas[0])
    h = SimpleNamespace(curvatures=CURVATURES, **known | values | {f"beta{i}": beta for i, beta in enumerate(betas, 1)})
    moved = np.array([*RULES[name](START, GRADS, h)]) - START
    np.testing.assert_allclose(np.array(found) - START, moved, rtol=1e-5, atol=1e-5 * np.abs(moved).max())


def test_every_equation_is_checked_or_listed():
    checked = {load_preset("optimizer", name)["_target_"] for name in RULES}
    assert {target for target in equations.EQUATIONS if not target.startswith(UNCHECKED)} == checked


@pytest.mark.parametrize(
    ("name", "notes"),
    [("lamb", ["lamb"]), ("muon_nadamw", ["nadamw", "muon"]), ("swats", [])],
)
def test_a_page_has_its_notes_and_says_once_what_is_left_out(name, notes):
    text = gallery.equation({"name": name, "target": load_preset("optimizer", name).get("_target_")})
    assert text.count(equation_notes.LEFT_OUT) == 1
    found = {note for note in equation_notes.NOTES.values() if note in text}
    assert found == {equation_notes.NOTES[preset] for preset in notes}


def test_every_note_is_that_of_a_preset():
    assert {*equation_notes.NOTES} <= {*preset_names("optimizer")}
