"""`muon_adamw` under a Trainer: two optimizers stepped by hand, bit for bit, and a resume at any step."""

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

import lit_optim
from _support.fork import on_two_ranks
from _support.net import loader, trainer
from lit_optim import ConfigError
from lit_optim.optimizers import Muon

HALVED = {"main": {"shape": "step", "step_size": 3, "gamma": 0.5}}  # exact in floating point


class Net(lit_optim.ConfigureOptimizersMixin, L.LightningModule):
    def __init__(
        self, optimizer="muon_adamw", scheduler=HALVED, param_groups="no_decay", optim_callbacks=None, width=8
    ):
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Sequential(
            nn.Linear(4, width), nn.LayerNorm(width), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
        )

    def training_step(self, batch, batch_idx):
        x, y = batch
        return (self.layer(x) - y).square().mean()


def fit(root, module=None, ckpt_path=None, **options):
    module = module or Net()
    fitting = trainer(root, **{"max_epochs": 2, "gradient_clip_val": 0.5, "accumulate_grad_batches": 2, **options})
    fitting.fit(module, loader(), ckpt_path=ckpt_path)
    return module, fitting


def by_hand(module, epochs=2):
    """AdamW and Muon with clipping, accumulation and a schedule, in plain torch."""
    net = module.layer
    decayed, rest = [net[4].weight], [net[0].bias, *net[1].parameters(), net[2].bias, net[4].bias]
    matrices = [net[0].weight, net[2].weight]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=True)
    muon = Muon(matrices, lr=1e-3, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    batches = loader()
    steps = 0
    for epoch in range(epochs):
        batches.sampler.set_epoch(epoch)
        for i, (x, y) in enumerate(batches, 1):
            ((net(x) - y).square().mean() / 2).backward()
            if i % 2:
                continue
            nn.utils.clip_grad_norm_([*decayed, *rest, *matrices], 0.5)
            for optimizer in (adamw, muon):
                for group in optimizer.param_groups:
                    group["lr"] = 1e-3 * 0.5 ** (steps // 3)
                optimizer.step()
                optimizer.zero_grad()
            steps += 1
    return net


def full(module):
    return [(p.full_tensor() if isinstance(p, DTensor) else p).detach().clone() for p in module.parameters()]


def test_it_is_two_optimizers_stepped_by_hand_and_counts_once(tmp_path):
    torch.manual_seed(3)
    module = Net()
    twin = Net()
    twin.load_state_dict(module.state_dict())
    module, fitting = fit(tmp_path, module)
    by_hand(twin)
    assert all(map(torch.equal, module.parameters(), twin.parameters()))
    assert fitting.global_step == 8
    assert [group["name"] for group in fitting.optimizers[0].param_groups] == ["adamw", "adamw/no_decay", "muon"]


@pytest.mark.parametrize("callbacks", [None, "lookahead", "ema"])
def test_a_resume_at_every_step_is_exact(tmp_path, callbacks):
    def begin():
        torch.manual_seed(3)
        return Net(optim_callbacks=callbacks)

    save = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole, _ = fit(tmp_path, begin(), callbacks=[save])
    for step in (1, 3, 5, 7):
        resumed, _ = fit(tmp_path, begin(), tmp_path / f"step={step}.ckpt")
        assert all(map(torch.equal, whole.parameters(), resumed.parameters())), step


def run_on_two_ranks(work):
    results = on_two_ranks(work)
    for one, other in zip(*results, strict=True):
        assert all(map(torch.equal, one, other))
    return results[0]


def test_ddp_resumes_exactly_on_both_ranks(tmp_path):
    def work(rank):
        def run(ckpt_path=None, **options):
            torch.manual_seed(3)
            return full(fit(tmp_path, ckpt_path=ckpt_path, devices=2, strategy="ddp", **options)[0])

        save = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
        whole = run(callbacks=[save])
        return [whole, *(run(tmp_path / f"step={step}.ckpt") for step in (1, 2, 3))]

    whole, *resumed = run_on_two_ranks(work)
    assert all(torch.equal(*pair) for each in resumed for pair in zip(whole, each, strict=True))


class Sharded(Net):
    def configure_model(self):
        if not isinstance(self.layer[0].weight, DTensor):
            fully_shard(self.layer, mesh=self.device_mesh["data_parallel"])


@pytest.mark.parametrize("shards", [True, False], ids=["distributed checkpoint", "whole checkpoint"])
@pytest.mark.parametrize("width", [8, 9], ids=["even", "uneven"])
def test_fsdp2_resumes_exactly_and_ends_where_one_process_does(tmp_path, width, shards):
    def work(rank):
        def run(ckpt_path=None, **options):
            torch.manual_seed(3)
            strategy = ModelParallelStrategy(2, 1, save_distributed_checkpoint=shards)
            options = {"gradient_clip_val": None, "accumulate_grad_batches": 1, **options}
            module, _ = fit(tmp_path, Sharded(width=width), ckpt_path, devices=2, strategy=strategy, **options)
            return full(module)

        save = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=3, save_top_k=-1)
        return [run(callbacks=[save]), run(tmp_path / "step=3.ckpt")]

    whole, resumed = run_on_two_ranks(work)
    assert all(map(torch.equal, whole, resumed))
    torch.manual_seed(3)

    def replicated(rank):
        torch.manual_seed(3)
        options = {"gradient_clip_val": None, "accumulate_grad_batches": 1}
        return full(fit(tmp_path, Net(width=width), devices=2, strategy="ddp", **options)[0])

    for p, q in zip(whole, on_two_ranks(replicated)[0], strict=True):
        torch.testing.assert_close(
            p, q, rtol=2e-2, atol=2e-3
        )  # gradients are summed in another order, Muon in bfloat16


def test_schedules_and_monitors_go_by_part(tmp_path):
    scheduler = {
        **HALVED,
        "groups": {"adamw": "constant"},
        "drive": {"momentum": {"main": {"shape": "linear"}, "values": [0.5, 0.9]}},
    }
    torch.manual_seed(3)
    monitor = LearningRateMonitor(log_weight_decay=True)
    _, fitting = fit(
        tmp_path, Net(scheduler=scheduler), callbacks=[monitor], logger=CSVLogger(tmp_path), log_every_n_steps=1,
        enable_checkpointing=False,
    )  # fmt: skip
    lrs = {group["name"]: group["lr"] for group in fitting.optimizers[0].param_groups}
    assert lrs == {"adamw": 1e-3, "adamw/no_decay": 1e-3, "muon": pytest.approx(1e-3 * 0.25)}
    decays = [
        group["betas"][0] if "betas" in group else group["momentum"] for group in fitting.optimizers[0].param_groups
    ]
    assert len({round(value, 12) for value in decays}) == 1
    assert 0.5 < decays[0] <= 0.9
    assert {"lr/adamw", "lr/muon", "lr/adamw/no_decay"} <= {*monitor.lrs}


def test_swats_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r"optimizer='lit_optim.optimizers.Composite': optim_callbacks=swats switches from an Adam"
    ):
        fit(tmp_path, Net(optim_callbacks="swats"))


class Finetuning(L.pytorch.callbacks.BaseFinetuning):
    def freeze_before_training(self, pl_module):
        self.freeze(pl_module.layer[0])

    def finetune_function(self, pl_module, epoch, optimizer):
        if epoch == 1:
            self.unfreeze_and_add_param_group(pl_module.layer[0], optimizer, lr=0.5)


def test_a_group_that_a_finetuning_callback_adds_is_split_among_the_parts(tmp_path):
    _, fitting = fit(tmp_path, Net(scheduler=None), callbacks=[Finetuning()], enable_checkpointing=False)
    found = [
        (group["name"], group["part"], group["lr"], len(group["params"]))
        for group in fitting.optimizers[0].param_groups
    ]
    assert found[-2:] == [
        ("adamw/finetuning/no_decay", "adamw", 0.5, 1),
        ("muon/finetuning", "muon", 0.5, 1),
    ]


def test_an_option_that_no_part_of_its_parameters_has_is_an_error():
    rules = {"rules": {"first": {"match": {"name": "layer.0.weight"}, "betas": [0.5, 0.5]}}}
    with pytest.raises(ConfigError, match=r"param_groups.rules.first.betas: has no effect: .* have no 'betas'"):
        Net(param_groups=rules).configure_optimizers()
