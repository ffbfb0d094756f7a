"""What a subclass writes after `super().configure_optimizers()` is what the user gets: no silent factor."""

import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from _support.net import Net, fit, weights

WARMUP = {"warmup": 10, "main": {"shape": "constant"}}  # its first factor is 0.1
SGD = {"_target_": "sgd", "lr": 0.5, "momentum": 0.9}


class Changes(Net):
    """Calls `change` with the optimizer, and then whatever it returns in place of what super() returned."""

    change = staticmethod(lambda out: out)

    def configure_optimizers(self):
        out = super().configure_optimizers()
        return self.change(out) or out


def run(tmp_path, change, scheduler=WARMUP, optimizer=SGD, epochs=2, groups=None, **options):
    class Module(Changes):
        pass

    Module.change = staticmethod(change)
    return fit(tmp_path, Module(optimizer, scheduler, groups), max_epochs=epochs, **options)


def plain(tmp_path, lr, scheduler=WARMUP):
    return fit(tmp_path, Net({**SGD, "lr": lr}, scheduler), max_epochs=2)[0].used


def write(**values):
    def change(out):
        out["optimizer"].param_groups[0].update(values)

    return change


@pytest.mark.parametrize("values", [{"lr": 0.2}, {"initial_lr": 0.2}, {"lr": 1.0, "initial_lr": 0.2}], ids=str)
def test_an_lr_that_is_written_is_the_one_that_the_schedule_scales(tmp_path, values):
    module, _ = run(tmp_path, write(**values))
    assert module.used == plain(tmp_path, 0.2)
    assert module.used[0] == pytest.approx([0.02])
    assert module.used[-1] == [0.2]


def test_the_groups_show_the_lr_without_the_schedules_first_factor(tmp_path):
    seen = []
    run(tmp_path, lambda out: seen.append([dict(group) for group in out["optimizer"].param_groups]))
    assert seen[0][0]["lr"] == 0.5
    assert "initial_lr" not in seen[0][0]


def test_without_changes_it_is_the_same_run(tmp_path):
    assert run(tmp_path, lambda out: None)[0].used == plain(tmp_path, 0.5)


def quarter(step):
    return 0.25


FOREIGN = {
    "recursive": ({"_target_": "torch.optim.lr_scheduler.LinearLR", "start_factor": 0.1, "total_iters": 4, "interval": "step"}, 0.02),
    "closed form": ({"_target_": "torch.optim.lr_scheduler.LambdaLR", "lr_lambda": quarter, "interval": "step"}, 0.05),
    "by epoch": ({"_target_": "torch.optim.lr_scheduler.ExponentialLR", "gamma": 0.5}, 0.2),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_with_torchs_schedulers_too(tmp_path, name):
    scheduler, first = FOREIGN[name]
    module, _ = run(tmp_path, write(lr=0.2), scheduler)
    assert module.used == plain(tmp_path, 0.2, scheduler)
    assert module.used[0] == pytest.approx([first])
    assert run(tmp_path, lambda out: None, scheduler)[0].used == plain(tmp_path, 0.5, scheduler)


def test_a_scheduler_that_sets_the_lr_by_itself_is_named(tmp_path):
    one_cycle = {
        "_target_": "torch.optim.lr_scheduler.OneCycleLR",
        "max_lr": 1.0,
        "total_steps": 16,
        "interval": "step",
    }
    with pytest.warns(UserWarning, match=r"OneCycleLR sets the lr by itself: lr=0.2, written in configure_optimizers"):
        run(tmp_path, write(lr=0.2), one_cycle)


def test_other_keys_driven_or_not(tmp_path):
    scheduler = {**WARMUP, "drive": {"weight_decay": {"main": {"shape": "linear", "end_factor": 0.5}}}}
    _, trainer = run(tmp_path, write(weight_decay=0.4, momentum=0.3), scheduler)
    [group] = trainer.optimizers[0].param_groups
    assert (group["momentum"], group["weight_decay"]) == (0.3, pytest.approx(0.2))


def test_a_group_that_is_added_follows_the_schedule_from_the_first_step(tmp_path):
    def change(out):
        optimizer = out["optimizer"]
        last = optimizer.param_groups[0]["params"].pop()
        optimizer.add_param_group({"params": [last], "lr": 0.001})

    small = {**SGD, "lr": 0.01}
    saves = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=4, save_top_k=-1)
    torch.manual_seed(0)
    module, _ = run(tmp_path, change, optimizer=small, callbacks=[saves])
    assert module.used[0] == pytest.approx([0.001, 0.0001])
    assert module.used[-1] == [0.01, 0.001]
    resumed, _ = run(tmp_path, change, optimizer=small, ckpt_path=tmp_path / "step=4.ckpt")
    assert resumed.used == module.used[4:]
    assert torch.equal(weights(resumed), weights(module))


def test_an_added_group_beside_named_ones_is_logged(tmp_path):
    def change(out):
        last = out["optimizer"].param_groups[0]["params"].pop()
        out["optimizer"].add_param_group({"params": [last], "lr": 0.05})

    module, _ = run(tmp_path, change, groups="no_decay", callbacks=[LearningRateMonitor()], logger=CSVLogger(tmp_path))
    assert module.used[-1] == [0.5, 0.5, 0.05]


def test_a_group_that_is_not_scheduled_keeps_its_lr(tmp_path):
    assert run(tmp_path, write(scheduled=False))[0].used[0] == [0.5]
    assert run(tmp_path, write(scheduled=False, lr=0.3))[0].used[-1] == [0.3]


def test_a_scheduler_that_is_dropped_or_replaced_leaves_no_factor_behind(tmp_path):
    assert {tuple(used) for used in run(tmp_path, lambda out: out["optimizer"])[0].used} == {(0.5,)}

    def exponential(out):
        out["lr_scheduler"] = torch.optim.lr_scheduler.ExponentialLR(out["optimizer"], 0.5)

    assert [used[0] for used in run(tmp_path, exponential)[0].used[::8]] == [0.5, 0.25]


def test_returned_as_two_lists(tmp_path):
    def lists(out):
        out["optimizer"].param_groups[0]["lr"] = 0.2
        return [out["optimizer"]], [out["lr_scheduler"]]

    assert run(tmp_path, lists)[0].used == plain(tmp_path, 0.2)


def test_subclasses_of_subclasses_and_methods_that_are_mixed_in(tmp_path):
    class Twice(Changes):
        def configure_optimizers(self):
            out = super().configure_optimizers()
            assert out["optimizer"].param_groups[0]["lr"] == 0.2
            out["optimizer"].param_groups[0]["lr"] *= 2
            return out

    Twice.change = staticmethod(write(lr=0.2))
    assert fit(tmp_path, Twice(SGD, WARMUP), max_epochs=2)[0].used == plain(tmp_path, 0.4)

    class Halves:
        def configure_optimizers(self):
            out = super().configure_optimizers()
            out["optimizer"].param_groups[0]["lr"] /= 2
            return out

    class Mixed(Halves, Net): ...

    assert fit(tmp_path, Mixed(SGD, WARMUP), max_epochs=2)[0].used == plain(tmp_path, 0.25)


def test_an_error_of_the_subclass_leaves_nothing_behind():
    class Fails(Net):
        fails = True

        def configure_optimizers(self):
            out = super().configure_optimizers()
            if self.fails:
                raise RuntimeError("mine")
            return out

    module = Fails(SGD, {"warmup": 10, "total_steps": 20})
    with pytest.raises(RuntimeError, match="mine"):
        module.configure_optimizers()
    module.fails = False
    assert module.configure_optimizers()["optimizer"].param_groups[0]["lr"] == pytest.approx(0.05)


def test_what_is_written_is_absolute_beside_lr_scaling(tmp_path):
    scaled = {**SGD, "lr_scaling": {"base_batch_size": 2}}
    seen = []

    def change(out):
        seen.append(out["optimizer"].param_groups[0]["lr"])
        out["optimizer"].param_groups[0]["lr"] = 0.2

    assert run(tmp_path, change, optimizer=scaled)[0].used == plain(tmp_path, 0.2)
    assert seen == [1.0]
