"""The example app as a user meets it: exit codes, messages, files, and what it learns."""

import csv
import subprocess
import sys

import pytest
import torch

from _support.app_process import TRAIN, train

SHORT = (
    "trainer.max_epochs=1",
    "+trainer.limit_train_batches=3",
    "+trainer.limit_val_batches=2",
    "optimized_metric=val/loss",
)


def files(folder, pattern):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(pattern))


def test_defaults_reach_97_percent_and_leave_everything_behind(tmp_path):
    outcome = train(tmp_path, "optimizer=adamw", "scheduler=warmup_cosine")
    assert outcome.code == 0, outcome.err
    accuracy = next(line.split()[-1] for line in outcome.out.splitlines() if line.startswith("val/acc"))
    assert float(accuracy) >= 0.97
    run = next((tmp_path / "logs" / "train" / "runs").iterdir())
    assert (run / "optim" / "schedule.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert files(run, "metrics.csv")
    assert files(run, "events.out.tfevents*")
    with (run / "optim" / "schedule.csv").open() as file:
        rows = list(csv.DictReader(file))
    total = len(rows)
    warm = round(0.05 * total)
    assert float(rows[0]["lr/default"]) == pytest.approx(1e-3 / warm)
    assert float(rows[warm - 1]["lr/no_decay"]) == pytest.approx(1e-3)
    assert float(rows[-1]["lr/default"]) < 1e-6


def test_seed_decides_everything(tmp_path):
    ends = []
    for i, seed in enumerate((1, 1, 2)):
        (tmp_path / str(i)).mkdir()
        assert train(tmp_path / str(i), *SHORT, f"seed={seed}").code == 0
        checkpoint = next((tmp_path / str(i)).rglob("last.ckpt"))
        ends.append(torch.load(checkpoint, weights_only=True)["state_dict"]["net.6.weight"])
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_a_chosen_seed_is_printed(tmp_path):
    assert "seed: " in train(tmp_path, *SHORT, "seed=null").out


@pytest.mark.parametrize(
    "arguments",
    [
        ("model=mlp",),
        ("data=mnist5k",),
        ("model=lstm", "data=text", "data.limit=20000"),
        ("logger=null",),
        ("logger=csv", "callbacks=none"),
        ("scheduler=null",),
        ("scheduler=warmup_plateau",),
        ("optim_callbacks=null",),
        ("trainer=cpu", "trainer.accumulate_grad_batches=2"),
        ("optimizer=lbfgs", "param_groups=all"),
    ],
    ids=" ".join,
)
def test_choices_train(tmp_path, arguments):
    outcome = train(tmp_path, *SHORT, *arguments)
    assert outcome.code == 0, outcome.err
    assert "val/loss" in outcome.out
    assert "Traceback" not in outcome.err


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp_fork", "ddp"])
def test_two_processes(tmp_path, strategy):
    command = [
        sys.executable,
        str(TRAIN),
        f"trainer={strategy}",
        "trainer.devices=2",
        *SHORT,
        "trainer.accelerator=cpu",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("val/loss  ") == 1, "one table, from one process"
    assert len(files(tmp_path, "schedule.png")) == 1


def test_resume_by_ckpt_path_ends_where_the_unbroken_run_does(tmp_path):
    options = ("trainer.max_epochs=2", "optimizer=nadam", "+callbacks.checkpoint.save_top_k=-1", "data.batch_size=128")
    assert train(tmp_path, *options).code == 0
    whole = next(tmp_path.rglob("last.ckpt"))
    first = next(path for path in tmp_path.rglob("*.ckpt") if "000" in path.name)
    (tmp_path / "second").mkdir()
    outcome = train(tmp_path / "second", *options, f"ckpt_path='{first}'")
    assert outcome.code == 0, outcome.err
    again = next((tmp_path / "second").rglob("last.ckpt"))
    one, two = (torch.load(path, weights_only=True)["state_dict"] for path in (whole, again))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("scheduler.warmup=5000", "scheduler.warmup=5000: longer than the run, which has"),
        ("trainer.max_epochs=-1", "scheduler: total_steps is unknown because max_epochs=-1"),
    ],
)
def test_errors_of_a_worker_arrive_as_exit_code_2(tmp_path, argument, message):
    command = [sys.executable, str(TRAIN), "trainer=ddp_fork", argument]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not files(tmp_path, "*.ckpt")


@pytest.mark.slow
def test_as_a_real_process(tmp_path):
    command = [sys.executable, str(TRAIN)]
    good = subprocess.run([*command, *SHORT], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert good.returncode == 0, good.stderr
    help_text = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    listed = next(line for line in help_text.splitlines() if line.startswith("optimizer: "))
    assert {"adamw", "sgd", "swats"} <= set(listed.removeprefix("optimizer: ").split(", "))
    assert "scheduler: constant, cosine" in help_text
    bad = subprocess.run(
        [*command, "optimizer.lr=-1"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert bad.returncode == 2
    assert bad.stderr.strip() == "optimizer.lr=-1.0: AdamW refused it: Invalid learning rate: -1.0"


@pytest.mark.slow
def test_a_sweep_over_optimizers(tmp_path):
    outcome = train(tmp_path, "-m", *SHORT, "optimizer=adamw,momentum,rmsprop")
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("val/loss  ") == 3


@pytest.mark.parametrize("policy", [[], ["optim_callbacks=finite", "optim_callbacks.finite.policy=stop"]])
def test_a_run_that_diverges_ends_with_exit_code_3_and_finite_checkpoints(policy, tmp_path):
    outcome = train(tmp_path, *SHORT, "optimizer.lr=1e30", "scheduler=none", *policy)
    assert outcome.code == 3
    assert "optim_callbacks.finite: " in outcome.err
    assert "is not finite" in outcome.err
    assert "Traceback" not in outcome.err
    assert files(tmp_path, "*.ckpt") == []
