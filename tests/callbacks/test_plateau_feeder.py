import pytest

from _support.fork import on_two_ranks
from _support.net import BATCHES, Net, fit, loader, trainer
from lit_optim import ConfigError

PLATEAU = {"main": {"shape": "plateau", "factor": 0.5, "patience": 1}, "monitor": "val/loss"}
FLAT = [1.0, 1.0, 1.0, 1.0, 1.0]


def by_epoch(module, epochs):
    return [module.used[epoch * BATCHES][0] / 1e-3 for epoch in range(epochs)]


def test_reduces_once_after_patience_plus_one_bad_validations(tmp_path):
    module, _ = fit(tmp_path, Net(scheduler=PLATEAU, val_losses=FLAT), max_epochs=4)
    assert by_epoch(module, 4) == [1.0, 1.0, 1.0, 0.5]


def test_warmup_by_step_and_metric_by_validation(tmp_path):
    scheduler = {**PLATEAU, "warmup": "1ep"}
    module, _ = fit(tmp_path, Net(scheduler=scheduler, val_losses=FLAT), max_epochs=5)
    assert [used[0] for used in module.used[:BATCHES]] == pytest.approx(
        [1e-3 * (t + 1) / BATCHES for t in range(BATCHES)]
    )
    assert by_epoch(module, 5)[1:] == [1.0, 1.0, 0.5, 0.5]


def test_the_sanity_check_is_not_counted(tmp_path):
    for sanity in (0, 2):
        _, run = fit(tmp_path, Net(scheduler=PLATEAU, val_losses=FLAT), max_epochs=2, num_sanity_val_steps=sanity)
        assert run.lr_scheduler_configs[0].scheduler.plateau.num_bad == 1


@pytest.mark.parametrize(
    ("options", "epochs", "fed"), [({"val_check_interval": 0.25}, 1, 4), ({"check_val_every_n_epoch": 2}, 4, 2)]
)
def test_each_validation_is_counted_once(tmp_path, options, epochs, fed):
    scheduler = {"main": {"shape": "plateau", "patience": 100}, "monitor": "val/loss"}
    module, run = fit(tmp_path, Net(scheduler=scheduler, val_losses=FLAT), max_epochs=epochs, **options)
    assert module.validations == fed
    assert run.lr_scheduler_configs[0].scheduler.plateau.num_bad == fed - 1


@pytest.mark.parametrize("options", [{}, {"limit_val_batches": 0}])
@pytest.mark.parametrize("monitor", ["train/loss", "loss"])
def test_a_metric_of_training_is_fed_at_the_end_of_every_epoch(tmp_path, monitor, options):
    class Flat(Net):
        def training_step(self, batch, batch_idx):
            self.log(monitor, 1.0, on_step=False, on_epoch=True)
            return self.loss(batch)

    scheduler = {**PLATEAU, "monitor": monitor}
    module, _ = fit(tmp_path, Flat(scheduler=scheduler), max_epochs=5, **options)
    assert by_epoch(module, 5) == [1.0, 1.0, 1.0, 0.5, 0.5]


@pytest.mark.parametrize("options", [{}, {"num_sanity_val_steps": 0}, {"limit_val_batches": 0}])
def test_an_unknown_monitor_names_the_logged_ones(tmp_path, options):
    module = Net(scheduler={**PLATEAU, "monitor": "val/lsos"})
    with pytest.raises(
        ConfigError, match=r"scheduler.monitor='val/lsos': not among the logged metrics; (did you mean|there are)"
    ):
        fit(tmp_path, module, **options)
    assert len(module.used) == (BATCHES if options else 0), "found by the sanity check, where there is one"


def test_nan_counts_as_bad(tmp_path):
    _, run = fit(tmp_path, Net(scheduler=PLATEAU, val_losses=[1.0, float("nan"), float("nan")]))
    assert run.lr_scheduler_configs[0].scheduler.plateau.scale == 0.5


def test_validate_and_test_feed_nothing(tmp_path):
    module, run = fit(tmp_path, Net(scheduler=PLATEAU, val_losses=FLAT), max_epochs=1)
    scheduler = run.lr_scheduler_configs[0].scheduler
    state = scheduler.plateau
    run.validate(module, loader(8))
    assert scheduler.plateau == state


def test_a_value_that_only_rank_0_logs(tmp_path):
    class Main(Net):
        def validation_step(self, batch, batch_idx):
            self.log("val/loss", 1.0, rank_zero_only=True)

    def work(rank):
        module = Main(scheduler=PLATEAU)
        run = trainer(tmp_path, devices=2, strategy="ddp", max_epochs=4)
        run.fit(module, loader(), loader(8))
        return run.lr_scheduler_configs[0].scheduler.plateau.scale

    assert on_two_ranks(work) == [0.5, 0.5]


def test_the_value_of_rank_0_is_everybodys(tmp_path):
    def work(rank):
        module = Net(scheduler=PLATEAU, val_losses=[1.0] * 5 if rank == 0 else [5.0, 4.0, 3.0, 2.0, 1.0])
        run = trainer(tmp_path, devices=2, strategy="ddp", max_epochs=4)
        run.fit(module, loader(), loader(8))
        return module.used, run.lr_scheduler_configs[0].scheduler.plateau._asdict()

    first, second = on_two_ranks(work)
    assert first == second
    assert first[1]["scale"] == 0.5


def test_frequency_counts_validations_and_the_warmup_moves_at_every_step(tmp_path):
    scheduler = {**PLATEAU, "warmup": 4, "frequency": 2, "reduce_on_plateau": True}
    module, _ = fit(tmp_path, Net(scheduler=scheduler, val_losses=FLAT), max_epochs=7)
    assert [used[0] for used in module.used[:4]] == pytest.approx([0.25e-3, 0.5e-3, 0.75e-3, 1e-3])
    assert by_epoch(module, 7)[1:] == [1.0, 1.0, 1.0, 1.0, 1.0, 0.5]  # of validations 2, 4, 6 two are bad


def test_frequency_is_counted_on_by_a_resumed_run(tmp_path):
    scheduler = {**PLATEAU, "frequency": 2}
    whole, _ = fit(tmp_path, Net(scheduler=scheduler, val_losses=FLAT), max_epochs=8)
    _, run = fit(tmp_path, Net(scheduler=scheduler, val_losses=FLAT), max_epochs=3)
    run.save_checkpoint(tmp_path / "three.ckpt")
    resumed, _ = fit(tmp_path, Net(scheduler=scheduler, val_losses=FLAT), tmp_path / "three.ckpt", max_epochs=8)
    assert resumed.used == whole.used[3 * BATCHES :]
    assert {used[0] for used in whole.used} == {1e-3, 0.5e-3}


def test_not_strict_warns_of_a_metric_that_is_missing(tmp_path):
    module = Net(scheduler={**PLATEAU, "monitor": "val/lsos", "strict": False}, val_losses=FLAT)
    with pytest.warns(UserWarning, match=r"scheduler.monitor='val/lsos': not among the logged metrics; did you mean"):
        fit(tmp_path, module, max_epochs=4)
    assert by_epoch(module, 4) == [1.0] * 4
