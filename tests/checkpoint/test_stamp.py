"""What a checkpoint says of its run, and what it decides when the run is resumed."""

import warnings

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from omegaconf import OmegaConf

import lit_optim
from _support.net import Net, fit, loader, trainer, weights
from lit_optim import ConfigError
from lit_optim.config.read import presets

PLATEAU = {"main": {"shape": "plateau", "factor": 0.5, "patience": 0, "threshold": 0.5}, "monitor": "val/loss"}


def checkpoints(tmp_path, **options):
    return ModelCheckpoint(tmp_path, "{epoch}-{step}", save_top_k=-1, save_last=False, **options)


HPARAMS = {
    "name": "nadam",
    "dict": presets.load_preset("optimizer", "nadam"),
    "DictConfig": OmegaConf.create(presets.load_preset("optimizer", "nadam")),
    "partial": __import__("hydra").utils.instantiate(
        OmegaConf.create({**presets.load_preset("optimizer", "nadam"), "_convert_": "none"})
    ),
}


@pytest.mark.parametrize("form", HPARAMS)
@pytest.mark.parametrize("super_is_called", [True, False])
def test_checkpoints_hold_plain_containers_and_load_safely(tmp_path, form, super_is_called):
    class Mine(Net):
        if not super_is_called:

            def on_save_checkpoint(self, checkpoint):
                checkpoint["mine"] = 1

    module = Mine(HPARAMS[form], scheduler=OmegaConf.create(PLATEAU), param_groups="no_decay")
    _, _run = fit(tmp_path, module, callbacks=[checkpoints(tmp_path)], max_epochs=1)
    path = next(tmp_path.glob("*.ckpt"))
    checkpoint = torch.load(path, weights_only=True)
    assert set(checkpoint["lit_optim"]) == {"version", "spec", "param_names", "environment", "optimizers"}
    spec = checkpoint["lit_optim"]["spec"]
    assert spec["optimizer"]["_target_"] == "torch.optim.NAdam"
    assert spec["optimizer"]["momentum_decay"] == 4e-3
    assert spec["scheduler"]["monitor"] == "val/loss"
    assert checkpoint["lit_optim"]["param_names"] == [
        ["layer.0.weight", "layer.2.weight"], ["layer.0.bias", "layer.1.weight", "layer.1.bias", "layer.2.bias"]
    ]  # fmt: skip
    again = Mine.load_from_checkpoint(path)
    assert torch.equal(weights(again), weights(module))
    trainer(tmp_path).validate(again, loader(8), ckpt_path=path)
    fit(
        tmp_path,
        Mine(HPARAMS[form], scheduler=OmegaConf.create(PLATEAU), param_groups="no_decay"),
        ckpt_path=path,
        max_epochs=2,
    )


def test_a_checkpoint_of_weights_only_is_plain_too(tmp_path):
    module = Net(HPARAMS["DictConfig"])
    _, run = fit(tmp_path, module, max_epochs=1)
    run.save_checkpoint(tmp_path / "w.ckpt", weights_only=True)
    assert torch.load(tmp_path / "w.ckpt", weights_only=True)["hyper_parameters"]["optimizer"]["lr"] == 2e-3


def test_hparams_that_are_no_specs_stay_what_they_are(tmp_path):
    class Mine(Net):
        def __init__(self, width, shape=(3, 4), **kwargs):
            super().__init__(**kwargs)
            self.save_hyperparameters()

    module, run = fit(tmp_path, Mine(OmegaConf.create({"a": [1, 2]})), max_epochs=1)
    run.save_checkpoint(tmp_path / "h.ckpt")
    hparams = torch.load(tmp_path / "h.ckpt", weights_only=True)["hyper_parameters"]
    assert hparams["width"] == {"a": [1, 2]}
    assert hparams["shape"] == (3, 4)
    assert OmegaConf.is_config(module.hparams.width), "the module's own hparams are not touched"


class TestTheCheckpointWins:
    def first(self, tmp_path, **specs):
        _, run = fit(tmp_path, Net(**specs), max_epochs=1)
        run.save_checkpoint(tmp_path / "first.ckpt")
        return tmp_path / "first.ckpt"

    def resume(self, tmp_path, path, **specs):
        module = Net(**specs)
        return fit(tmp_path, module, ckpt_path=path, max_epochs=2)

    def test_over_another_lr(self, tmp_path):
        path = self.first(tmp_path, optimizer={"_target_": "torch.optim.AdamW", "lr": 1e-3})
        with pytest.warns(UserWarning, match=r"\noptimizer.lr +0.001 +0.5 +0.001\n(.*\n)?.*resume=lr_from_config"):
            module, run = self.resume(tmp_path, path, optimizer={"_target_": "torch.optim.AdamW", "lr": 0.5})
        assert module.used[0] == [1e-3]
        run.save_checkpoint(tmp_path / "second.ckpt")
        saved = torch.load(tmp_path / "second.ckpt", weights_only=True)["lit_optim"]["spec"]
        assert saved["optimizer"]["lr"] == 1e-3, "the spec in force is what is saved"

    def test_over_another_class(self, tmp_path):
        path = self.first(tmp_path, optimizer="adamw")
        row = r"\noptimizer._target_ +torch.optim.AdamW +torch.optim.SGD +torch.optim.AdamW\n"
        with pytest.warns(UserWarning, match=row):
            _, run = self.resume(tmp_path, path, optimizer="momentum")
        assert type(run.optimizers[0]) is torch.optim.AdamW

    def test_over_other_groups(self, tmp_path):
        path = self.first(tmp_path, param_groups="no_decay")
        with pytest.warns(UserWarning, match=r"\nparam_groups +no_decay +no rules +the checkpoint's\n"):
            _, run = self.resume(tmp_path, path, param_groups="all", resume={"groups": "checkpoint"})
        assert len(run.optimizers[0].param_groups) == 2

    def test_but_not_over_the_implementation(self, tmp_path):
        path = self.first(tmp_path, optimizer="adamw")
        with warnings.catch_warnings():
            warnings.filterwarnings("error", r"(?s).*\n(optimizer\.|param_groups)")
            _, run = self.resume(
                tmp_path, path, optimizer={**presets.load_preset("optimizer", "adamw"), "fused": False}
            )
        assert run.optimizers[0].param_groups[0]["fused"] is False

    def test_and_the_next_fit_is_free_again(self, tmp_path):
        path = self.first(tmp_path, optimizer="adamw")
        with pytest.warns(UserWarning, match="optimizer._target_"):
            module, _ = self.resume(tmp_path, path, optimizer="sgd")
        _, run = fit(tmp_path, module, max_epochs=1)
        assert type(run.optimizers[0]) is torch.optim.SGD

    def test_the_same_spec_in_another_form_is_no_difference(self, tmp_path):
        path = self.first(tmp_path, optimizer="adamw", param_groups="no_decay")
        with warnings.catch_warnings():
            warnings.filterwarnings("error", r"(?s).*\n(optimizer\.|param_groups)")
            same = OmegaConf.create(presets.load_preset("optimizer", "adamw"))
            self.resume(tmp_path, path, optimizer=same, param_groups=presets.load_preset("param_groups", "no_decay"))

    def test_the_same_class_by_another_path_is_no_difference(self, tmp_path):
        path = self.first(tmp_path, optimizer=presets.load_preset("optimizer", "adamw"))
        with warnings.catch_warnings():
            warnings.filterwarnings("error", r"(?s).*\n(optimizer\.|param_groups)")
            other = {**presets.load_preset("optimizer", "adamw"), "_target_": "torch.optim.adamw.AdamW"}
            self.resume(tmp_path, path, optimizer=other)

    def test_callbacks_that_were_objects_are_left_out_with_a_warning(self, tmp_path):
        timer = L.pytorch.callbacks.Timer()
        with pytest.warns(UserWarning, match=r"callbacks that were given as objects \(Timer\)"):
            path = self.first(tmp_path, optim_callbacks=[timer, "schedule_report"])
        module = Net.load_from_checkpoint(path)
        assert module.hparams.optim_callbacks == ["schedule_report"]
        fit(tmp_path, module, max_epochs=1)

    def test_a_longer_schedule_goes_on_at_the_restored_step(self, tmp_path):
        path = self.first(tmp_path, scheduler="linear")
        module, _ = self.resume(tmp_path, path, scheduler="linear")
        assert module.used[0] == [pytest.approx(5e-4)]

    def test_a_checkpoint_may_not_decide_what_is_imported(self, tmp_path):
        path = self.first(tmp_path, optimizer="adamw")
        checkpoint = torch.load(path, weights_only=True)
        checkpoint["lit_optim"]["spec"]["optimizer"]["_target_"] = "antigravity.AdamW"
        torch.save(checkpoint, path)
        with pytest.raises(
            ConfigError,
            match="a checkpoint names it, and .antigravity. is not imported; if you trust it, import it first",
        ):
            self.resume(tmp_path, path, optimizer="sgd")

    @pytest.mark.parametrize(
        ("wrote", "takes", "message"),
        [
            ({"optimizer": "adamw"}, {"optimizer": "sgd"}, "was not written by SGD, whose param groups have 'momentum' too"),
            ({"optimizer": "adam"}, {"optimizer": "rmsprop"}, "was not written by RMSprop, whose param groups have 'alpha' too"),
            ({"optimizer": "adam"}, {"optimizer": "amsgrad"}, "its optimizer state (exp_avg, exp_avg_sq, step) was not written by Adam, which keeps exp_avg, exp_avg_sq, max_exp_avg_sq, step"),
            ({"param_groups": "no_decay"}, {}, "its optimizer has [2, 4] parameters in its param groups, and this one [6]"),
        ],
    )  # fmt: skip
    def test_a_checkpoint_of_plain_lightning_that_does_not_fit(self, tmp_path, wrote, takes, message):
        path = self.first(tmp_path, **wrote)
        checkpoint = torch.load(path, weights_only=True)
        del checkpoint["lit_optim"], checkpoint["optimizer_states"][0]["param_names"]
        torch.save(checkpoint, path)
        with pytest.raises(ConfigError) as caught:
            self.resume(tmp_path, path, **takes)
        assert message in str(caught.value)

    @pytest.mark.parametrize("entry", [3, None, {"spec": 3}])
    def test_an_entry_that_is_none_of_ours(self, tmp_path, entry):
        path = self.first(tmp_path)
        checkpoint = torch.load(path, weights_only=True)
        checkpoint["lit_optim"] = entry
        torch.save(checkpoint, path)
        with pytest.raises(ConfigError, match="ckpt_path: its entry 'lit_optim' is not one that lit-optim has written"):
            self.resume(tmp_path, path)

    def test_a_checkpoint_of_plain_lightning_is_taken_as_it_is(self, tmp_path):
        path = self.first(tmp_path)
        checkpoint = torch.load(path, weights_only=True)
        del checkpoint["lit_optim"]
        torch.save(checkpoint, path)
        self.resume(tmp_path, path)


def test_version_is_an_integer_from_the_first_release(tmp_path):
    _, run = fit(tmp_path, max_epochs=1)
    checkpoint = {}
    run.lightning_module.on_save_checkpoint(checkpoint)
    assert checkpoint["lit_optim"]["version"] == 1
    assert isinstance(run.lightning_module, L.LightningModule)
    assert lit_optim.presets()


class TestTheEnvironment:
    """Bit for bit is promised for the same torch, threads, processes and compile flags; the checkpoint knows them."""

    def test_is_in_the_checkpoint(self, tmp_path):
        _, run = fit(tmp_path, Net(optim_callbacks=COMPILED), max_epochs=1)
        run.save_checkpoint(tmp_path / "c.ckpt")
        saved = torch.load(tmp_path / "c.ckpt", weights_only=True)["lit_optim"]["environment"]
        expected = {
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
            "world_size": 1,
            "compiled": ["Lookahead"],
        }
        assert saved == expected
        assert type(saved["torch"]) is str

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"threads": 999}, r"written with threads=999, resumed with threads=\d+: the run goes on, but not bit for bit"),
            ({"world_size": 2, "torch": "2.0"}, r"written with torch=2.0, world_size=2, resumed with torch=.*, world_size=1:"),
            ({"compiled": ["AdaBound"]}, r"written with compiled=\['AdaBound'\], resumed with compiled=\[\]"),
        ],
    )  # fmt: skip
    def test_a_difference_warns_once(self, tmp_path, change, message):
        _, run = fit(tmp_path, Net(), max_epochs=1)
        run.save_checkpoint(tmp_path / "c.ckpt")
        checkpoint = torch.load(tmp_path / "c.ckpt", weights_only=True)
        checkpoint["lit_optim"]["environment"].update(change)
        torch.save(checkpoint, tmp_path / "c.ckpt")
        module = Net()
        with pytest.warns(UserWarning, match=message) as record:
            _, run = fit(tmp_path, module, ckpt_path=tmp_path / "c.ckpt", max_epochs=3)
        assert sum("bit for bit" in str(warning.message) for warning in record) == 1
        run.fit_loop.max_epochs = 4
        run.fit(module, loader(), loader(8))  # another fit: nothing is said

    def test_the_same_one_and_an_unknown_one_say_nothing(self, tmp_path):
        _, run = fit(tmp_path, Net(), max_epochs=1)
        run.save_checkpoint(tmp_path / "c.ckpt")
        fit(tmp_path, Net(), ckpt_path=tmp_path / "c.ckpt", max_epochs=2)
        checkpoint = torch.load(tmp_path / "c.ckpt", weights_only=True)
        for environment in (None, 3, {}):
            checkpoint["lit_optim"]["environment"] = environment
            torch.save(checkpoint, tmp_path / "c.ckpt")
            fit(tmp_path, Net(), ckpt_path=tmp_path / "c.ckpt", max_epochs=2)


COMPILED = {"lookahead": {"_target_": "lit_optim.callbacks.Lookahead", "compile": True}}  # small tensors: nothing is


def is_last(name, parameter, module):
    return name.startswith("layer.2")


def test_a_run_with_a_function_as_a_selector_resumes_without_a_warning(tmp_path):
    rules = {"rules": {"last": {"match": {"any": [is_last]}, "lr": "x2"}}}
    _, run = fit(tmp_path, Net(param_groups=rules), max_epochs=1)
    path = tmp_path / "function.ckpt"
    run.save_checkpoint(path)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", r"(?s).*\n(optimizer\.|param_groups)")
        _, run = fit(tmp_path, Net(param_groups=rules), ckpt_path=path, max_epochs=2)
    assert [group["lr"] for group in run.optimizers[0].param_groups] == [0.001, 0.002]
