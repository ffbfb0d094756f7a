"""Two processes have one record: losses of both, norms over all shards."""

import pytest
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from _support.fork import on_two_ranks
from _support.net import loader, trainer
from _support.recorded_runs import Reference, Seeded, recorded, rows, run_json
from lit_optim.study.record_files import read_record


class Sharded(Seeded):
    def configure_model(self):
        if not isinstance(self.layer[0].weight, DTensor):
            for part in self.layer:
                fully_shard(part, mesh=self.device_mesh["data_parallel"])
            fully_shard(self, mesh=self.device_mesh["data_parallel"])


def losses_of(tmp_path, cls, **options):
    """The losses of both ranks, of a run whose record is in the folder."""

    def work(rank):
        reference = Reference()
        callbacks = [reference] if cls is Seeded else []
        trainer(tmp_path, devices=2, callbacks=callbacks, enable_checkpointing=False, **options).fit(
            recorded(cls), loader(), loader(8)
        )
        return reference.losses

    return on_two_ranks(work)


def test_ddp_has_the_mean_loss_of_both_ranks_and_each_row_once(tmp_path):
    first, second = losses_of(tmp_path, Seeded, strategy="ddp")
    found = read_record(tmp_path / "record")
    assert [row.step for row in found.steps] == [5, 10, 12]  # 4 steps an epoch
    assert found.steps[0].loss == pytest.approx((sum(first[:5]) + sum(second[:5])) / 10, rel=1e-6)
    assert [metric.step for metric in found.metrics] == [4, 8, 12]
    assert found.run["hardware"]["processes"] == 2


def test_sharded_norms_and_state_are_those_of_whole_parameters(tmp_path):
    losses_of(tmp_path / "whole", Seeded, strategy="ddp")
    losses_of(tmp_path / "sharded", Sharded, strategy=ModelParallelStrategy(2, 1))
    whole, sharded = (read_record(tmp_path / name / "record") for name in ("whole", "sharded"))
    for one, other in zip(whole.steps[:-1], sharded.steps[:-1], strict=True):
        assert other.grad_norm == pytest.approx(one.grad_norm, rel=1e-4)
        assert other.update_norm == pytest.approx(one.update_norm, rel=1e-3)
        assert other.loss == pytest.approx(one.loss, rel=1e-5)
    assert sharded.run["parameters"] == whole.run["parameters"]
    assert sharded.run["state_bytes"] == whole.run["state_bytes"]


def test_all_ranks_stop_where_one_has_diverged(tmp_path):
    def work(rank):
        class Nan(Seeded):
            def loss(self, batch):
                return super().loss(batch) * (float("nan") if self.training and self.trainer.global_rank else 1.0)

        run = trainer(tmp_path, devices=2, strategy="ddp")
        module = recorded(Nan, settings={"stop_diverged": True})
        if rank:
            run.fit(module, loader(), loader(8))
        else:
            with pytest.warns(UserWarning, match="the loss is nan; the fit ends"):
                run.fit(module, loader(), loader(8))
        return run.global_step

    assert on_two_ranks(work) == [5, 5]
    assert run_json(tmp_path)["outcome"] == "diverged"
    assert len(rows(tmp_path / "record" / "steps.csv")) == 1
