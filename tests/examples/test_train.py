"""The example app as a user meets it: exit codes, messages, files, and what it learns."""

import csv
import subprocess
import sys

import pytest
import torch

from app_process import TRAIN, train

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
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
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


BAD = [
    ("optimizer.lr=abc", "optimizer.lr='abc': AdamW expects float | Tensor, got str"),
    ("optimizer.lr=-1", "optimizer.lr=-1.0: AdamW refused it: Invalid learning rate"),
    ("optimizer.betas=[0.9,1.5]", "AdamW refused it: Invalid beta parameter at index 1: 1.5"),
    ("+optimizer.lrr=1", "optimizer.lrr=1: AdamW has no argument 'lrr'; did you mean 'lr'?"),
    ("optimizer._target_=os.system", "optimizer._target_=os.system: not a torch.optim.Optimizer subclass"),
    ("optimizer=muon", "Muon takes 2-D parameters only"),
    ("optimizer=sparse_adam", "SparseAdam takes sparse gradients only"),
    ("scheduler.warmup=1.5", "scheduler.warmup=1.5: neither a share below 1 nor a whole number of steps"),
    ("scheduler.warmup=100000", "scheduler.warmup=100000: longer than the run, which has"),
    ("scheduler.main.shape=cosin", "scheduler.main.shape='cosin': no shape of that name; did you mean 'cosine'?"),
    ("+scheduler.main.gamma=1", "cosine has no argument 'gamma'"),
    ("+scheduler.interval=steps", "scheduler.interval='steps': must be one of step, epoch; did you mean 'step'?"),
    ("param_groups.rules=3", "param_groups.rules=3: a list of rules"),
    ("+optim_callbacks.x=3", "optim_callbacks.x=3: not a callback"),
    ("trainer.max_epochs=0", "trainer.max_epochs=0: nothing to train"),
    ("trainer.max_epochs=-1", "scheduler: total_steps is unknown because max_epochs=-1; set trainer.max_steps"),
    ("trainer.max_epochs=-5", "trainer.max_epochs=-5: Trainer refused it"),
    ("trainer.max_epochs=abc", "trainer.max_epochs='abc': Trainer expects int | None, got str"),
    ("+trainer.max_epoch=1", "trainer.max_epoch=1: Trainer has no argument 'max_epoch'; did you mean 'max_epochs'?"),
    ("+trainer.limit_train_batches=0", "trainer.limit_train_batches=0: nothing to train"),
    ("data.batch_size=0", "data.batch_size=0: must be at least 1"),
    ("data.batch_size=abc", "data.batch_size='abc': Digits expects int, got str"),
    ("model.net.width=-3", "model.net.width=-3: must be at least 1"),
    ("+model.nett=3", "model.nett=3: Classifier has no argument 'nett'; did you mean 'net'?"),
    ("model=lstm", "choose"),
    ("seed=abc", "seed='abc'"),
    ("optimized_metric=val/acccc", "optimized_metric"),
    ("ckpt_path=nowhere.ckpt", "ckpt_path"),
    ("ckpt_path=.", "ckpt_path='.': cannot be read as a checkpoint"),
    ("optimizer=rmsprop optimizer.alpha=5", "optimizer.alpha=5.0: must lie between 0 and 1"),
    (
        "optimizer=lbfgs optimizer.line_search_fn=wolfe",
        "optimizer.line_search_fn='wolfe': LBFGS knows only 'strong_wolfe'",
    ),
    ("param_groups.rules=[{match:{type:bias},lr:-1}]", "param_groups.rules[0].lr=-1.0: AdamW refused it"),
    ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches=0: must be at least 1"),
    ("scheduler.main=50%", "scheduler.main='50%': a length in place of the whole slot drops its shape"),
    ("+trainer.limit_val_batches=0", "monitor='val/acc'"),
    ("+nonsense=1", "nonsense: no such key"),
    ("+scheduler.total_steps=0", "scheduler.total_steps=0: must be a whole number of at least 1"),
]


@pytest.mark.parametrize(("argument", "message"), BAD, ids=[argument for argument, _ in BAD])
def test_bad_input_ends_with_one_message_and_exit_code_2(tmp_path, argument, message):
    outcome = train(tmp_path, *argument.split())
    assert outcome.code == 2, outcome.err
    assert message in outcome.err
    assert "Traceback" not in outcome.err + outcome.out
    assert len(outcome.err.splitlines()) <= 25
    assert "epoch" not in outcome.out, "nothing was trained"
    assert not files(tmp_path, "*.ckpt")
    assert not files(tmp_path, "schedule.*")


@pytest.mark.parametrize(
    "argument", ["optimizer=adamww", "optimizer.lrr=1", "scheduler=cosin", "data=digit", "optimizer.betas=[0.9"]
)
def test_what_hydra_refuses_exits_1_in_its_words(tmp_path, argument):
    outcome = train(tmp_path, argument)
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    assert not files(tmp_path, "*.ckpt")


def test_an_unknown_monitor_is_found_by_the_sanity_check(tmp_path):
    outcome = train(tmp_path, "scheduler=plateau", "scheduler.monitor=val/lsos")
    assert outcome.code == 2
    assert "scheduler.monitor='val/lsos': not among the logged metrics; did you mean 'val/loss'?" in outcome.err
    assert not files(tmp_path, "*.ckpt")


def test_a_checkpoint_that_is_none(tmp_path):
    (tmp_path / "bad.ckpt").write_bytes(b"this is no checkpoint")
    outcome = train(tmp_path, "ckpt_path=bad.ckpt")
    assert outcome.code == 2
    assert "ckpt_path" in outcome.err
    assert "Traceback" not in outcome.err


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
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not files(tmp_path, "*.ckpt")


@pytest.mark.slow
def test_as_a_real_process(tmp_path):
    command = [sys.executable, str(TRAIN)]
    good = subprocess.run([*command, *SHORT], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert good.returncode == 0, good.stderr
    help_text = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "optimizer: adadelta, adafactor, adagrad, adam" in help_text
    assert "scheduler: constant, cosine" in help_text
    bad = subprocess.run(
        [*command, "optimizer.lr=-1"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert bad.returncode == 2
    assert bad.stderr.strip() == "optimizer.lr=-1.0: AdamW refused it: Invalid learning rate: -1.0"


@pytest.mark.slow
def test_a_sweep_over_optimizers(tmp_path):
    outcome = train(tmp_path, "-m", *SHORT, "optimizer=adamw,momentum,rmsprop", timeout=200)
    assert outcome.code == 0, outcome.err
    assert outcome.out.count("val/loss  ") == 3
