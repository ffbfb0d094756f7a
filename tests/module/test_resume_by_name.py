"""A run that is resumed by a module whose layers are declared in another order, under a Trainer."""

import copy

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

import lit_optim
from _support.child_process import in_child
from _support.net import fit, loader
from lit_optim import ConfigError

EPOCHS = 2


class Reordered(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    """Layers a and b of equal shapes, c of another; what it computes does not depend on their order."""

    def __init__(self, order="abc", optimizer="adamw", scheduler=None, param_groups=None, optim_callbacks=None):
        super().__init__()
        self.save_hyperparameters(ignore="order")
        self.used = []
        for letter in order:
            self.add_module(letter, torch.nn.Linear(4, 5 if letter == "c" else 3))
            generator = torch.Generator().manual_seed(ord(letter[0]))
            with torch.no_grad():
                for p in getattr(self, letter).parameters():
                    p.copy_(torch.randn(p.shape, generator=generator))

    def training_step(self, batch, batch_idx):
        layers = sorted(self.named_children())
        return sum((layer(batch[0]) - i).square().mean() for i, (_, layer) in enumerate(layers))

    validation_step = training_step


def first_run(tmp_path, **specs):
    """The checkpoint of an epoch's end in mid-run, and the weights in the end, by name."""
    saves = ModelCheckpoint(tmp_path, "{epoch}", save_top_k=-1, every_n_epochs=1)
    module, _ = fit(tmp_path, Reordered(**specs), callbacks=[saves], max_epochs=EPOCHS)
    return tmp_path / "epoch=0.ckpt", dict(module.named_parameters())


def resume(tmp_path, path, order, **specs):
    return fit(tmp_path, Reordered(order, **specs), ckpt_path=path, max_epochs=EPOCHS)[0]


SPECS = {
    "adamw": {"optimizer": "adamw"},
    "groups": {"optimizer": "adamw", "param_groups": "no_decay", "scheduler": "warmup_cosine"},
    "momentum": {"optimizer": "momentum", "param_groups": "no_decay"},
    "adafactor": {"optimizer": "adafactor"},
    "sgdw": {"optimizer": "sgdw"},
    "came": {"optimizer": "came"},
    "swats": {"optimizer": "adamw", "optim_callbacks": {"swats": {"_target_": "lit_optim.callbacks.SWATS", "at": 4}}},
    "lookahead": {"optimizer": "adam", "optim_callbacks": "lookahead"},
    "schedule_free": {"optimizer": "schedule_free_adamw"},
}


@pytest.mark.parametrize("name", SPECS)
def test_states_follow_their_names(tmp_path, name):
    specs = SPECS[name]
    path, expected = first_run(tmp_path, **copy.deepcopy(specs))

    def work(send):
        module = resume(tmp_path, path, "cba", **copy.deepcopy(specs))
        send({key: value.detach().numpy() for key, value in module.named_parameters()})

    code, sent, failure = in_child(work)
    assert code == 0, failure
    for key, value in expected.items():
        torch.testing.assert_close(torch.from_numpy(sent[0][key]), value.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "groups", "momentum"])
def test_older_checkpoints_have_names_beside_their_states(tmp_path, name):
    path, expected = first_run(tmp_path, **SPECS[name])
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint["optimizer_states"][0].pop("param_names") == checkpoint["lit_optim"]["param_names"]
    torch.save(checkpoint, path)
    found = dict(resume(tmp_path, path, "cba", **SPECS[name]).named_parameters())
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-6)


def test_checkpoints_of_plain_lightning_have_the_order_of_their_weights(tmp_path):
    path, expected = first_run(tmp_path)
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["optimizer_states"][0]["param_names"], checkpoint["lit_optim"]
    torch.save(checkpoint, path)
    for order in ("abc", "cba", "bac"):
        found = dict(resume(tmp_path, path, order).named_parameters())
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("names", [None, [1, 2], "weight"])
def test_names_that_are_none_do_not_hide_those_of_the_stamp(tmp_path, names):
    path, expected = first_run(tmp_path)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["optimizer_states"][0]["param_names"] = names
    torch.save(checkpoint, path)
    found = dict(resume(tmp_path, path, "bac").named_parameters())
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-6)


def test_a_state_that_is_no_mapping_is_an_error_of_ours(tmp_path):
    path, _ = first_run(tmp_path)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["optimizer_states"][0]["state"] = []
    torch.save(checkpoint, path)
    with pytest.raises(ConfigError, match="ckpt_path: its optimizer_states are none that torch has written"):
        resume(tmp_path, path, "abc")


def test_a_renamed_layer_is_listed(tmp_path):
    path, _ = first_run(tmp_path)

    class Lenient(Reordered):
        strict_loading = False

    with pytest.raises(RuntimeError, match=r"b\.weight") as caught:
        fit(tmp_path, Reordered("adc"), ckpt_path=path, max_epochs=EPOCHS)
    assert "it cannot be restored" in str(caught.value.__cause__)
    words = r"(?s)begin at their first step: d\.weight, d\.bias.*dropped with their state: b\.weight, b\.bias.*rename"
    with pytest.warns(UserWarning, match=words):
        fit(tmp_path, Lenient("adc"), ckpt_path=path, max_epochs=EPOCHS)


def renaming(order, old, new, **specs):
    """A module that reads a layer of another name, as `on_load_checkpoint` may do."""

    class Renaming(Reordered):
        def on_load_checkpoint(self, checkpoint):
            def renamed(name):
                return name.replace(f"{old}.", f"{new}.")

            checkpoint["state_dict"] = {renamed(name): value for name, value in checkpoint["state_dict"].items()}
            for state in checkpoint["optimizer_states"]:
                state["param_names"] = [[renamed(name) for name in group] for group in state["param_names"]]

    return Renaming(order, **specs)


def test_a_layer_that_is_renamed_as_the_message_says_keeps_its_state(tmp_path):
    path, expected = first_run(tmp_path)
    module, _ = fit(tmp_path, renaming("adc", "b", "d"), ckpt_path=path, max_epochs=EPOCHS)
    states = {name: module.trainer.optimizers[0].state[p]["step"] for name, p in module.named_parameters()}
    assert {*map(float, states.values())} == {2.0 * len(loader())}
    assert torch.equal(module.a.weight, expected["a.weight"])


@pytest.mark.parametrize("how", ["truncated", "dtype", "counter", "entry"])
def test_a_state_that_does_not_fit_is_an_error(tmp_path, how):
    path, _ = first_run(tmp_path)
    checkpoint = torch.load(path, weights_only=True)
    state = checkpoint["optimizer_states"][0]["state"]
    broken = {
        "truncated": {"exp_avg_sq": torch.zeros(3)},
        "dtype": {"exp_avg": torch.zeros(3, 4, dtype=torch.int64)},
        "counter": {"step": torch.ones(4)},
        "entry": {"exp_avg": 3.0},
    }[how]
    state[2].update(broken)
    torch.save(checkpoint, path)
    with pytest.raises(
        ConfigError, match=rf"ckpt_path: b\.weight: '{next(iter(broken))}' .*begin anew from the weights"
    ):
        resume(tmp_path, path, "abc")
