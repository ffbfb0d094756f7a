"""The same specs by LightningCLI as by Hydra: the same optimizers, the same lrs; typos end with exit code 2."""

import itertools
import subprocess
import sys

import pytest
import torch
import yaml
from lightning.pytorch.cli import LightningArgumentParser, LRSchedulerCallable, OptimizerCallable

import lit_optim
from _support.cli_app import Bare, Net, Regression, cli
from conftest import OPTIMIZERS
from lit_optim.config.capabilities import capabilities


def configured(module, steps=6):
    """The optimizer's class, its groups without their parameters, and the lrs of some steps."""
    optimizer = lit_optim.build_optimizer(module.hparams["optimizer"], module.layer)
    scheduler = lit_optim.build_scheduler(module.hparams["scheduler"] or "none", optimizer, total_steps=40)
    groups = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    lrs = []
    for _ in range(steps):
        lrs.append([group["lr"] for group in optimizer.param_groups])
        optimizer._opt_called = True  # torch warns of a schedule that moves before its optimizer
        scheduler.step()
    return type(optimizer), groups, lrs


@pytest.fixture(scope="module")
def parser():
    parser = LightningArgumentParser()
    parser.add_lightning_class_args(Net, "model")
    return parser


def parsed(parser, *arguments):
    return parser.instantiate_classes(parser.parse_args([*arguments])).model  # as LightningCLI does


@pytest.mark.parametrize(
    ("optimizer", "scheduler"), list(itertools.product(OPTIMIZERS, ["none", "warmup_cosine", "step"]))
)
def test_the_same_as_by_hydra(parser, optimizer, scheduler):
    ours = parsed(parser, "--model.optimizer", optimizer, "--model.scheduler", scheduler)
    cfg = lit_optim.compose([f"optimizer={optimizer}", f"scheduler={scheduler}"])
    theirs = Net(optimizer=cfg.optimizer, scheduler=cfg.scheduler)
    for module in (ours, theirs):
        needs = capabilities(optimizer)
        module.layer = torch.nn.Embedding(6, 3, sparse=True) if needs.sparse else torch.nn.Linear(4, 3, bias=False)
        if needs.hidden_matrices:
            module.layer = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 3))
    assert configured(ours) == configured(theirs)


ADAMW, SGD = torch.optim.AdamW, torch.optim.SGD
SPELLINGS = [
    ((), ADAMW, 1e-3),
    (("--model.optimizer", "sgd"), SGD, 1e-2),
    (("--model.optimizer=sgd",), SGD, 1e-2),
    (("--model.optimizer", "torch.optim.SGD"), SGD, 1e-3),
    (("--model.optimizer", "{_target_: torch.optim.AdamW, lr: 0.1}"), ADAMW, 0.1),
    (("--model.optimizer", "{_target_: sgd, lr: 0.1}"), SGD, 0.1),
    (("--model.optimizer", "{class_path: torch.optim.SGD, init_args: {lr: 0.1}}"), SGD, 0.1),
    (("--model.optimizer", "{class_path: sgd}"), SGD, 1e-2),
    (("--model.optimizer", "{class_path: sgd}", "--model.optimizer.lr", "0.1"), SGD, 0.1),
    (("--model.optimizer.lr", "0.1"), ADAMW, 0.1),
    (("--model.optimizer.lr=1e-1",), ADAMW, 0.1),
    (("--model.optimizer", "sgd", "--model.optimizer.lr", "0.1"), SGD, 0.1),
    (("--model.optimizer", "{_target_: sgd, lr: 0.3}", "--model.optimizer.lr", "0.1"), SGD, 0.1),
    (("--model.optimizer.lr", "0.1", "--model.optimizer", "sgd"), SGD, 1e-2),
]


@pytest.mark.parametrize(("arguments", "cls", "lr"), SPELLINGS, ids=lambda value: str(value)[:70])
def test_spellings(parser, arguments, cls, lr):
    optimizer = parsed(parser, *arguments).configure_optimizers()["optimizer"]
    assert type(optimizer) is cls
    assert optimizer.param_groups[0]["lr"] == lr


SLOTS = [
    (("--model.scheduler", "warmup_linear", "--model.scheduler.warmup", "2"), [0.5, 1, 1, 0.5]),
    (("--model.scheduler", "warmup_linear", "--model.scheduler.warmup.steps", "50%"), [0.5, 1, 1, 0.5]),
    (("--model.scheduler", "linear", "--model.scheduler.main.end_factor", "0.5"), [1, 0.875, 0.75, 0.625]),
    (("--model.scheduler", "{warmup: 2, main: {shape: linear}}"), [0.5, 1, 1, 0.5]),
    (("--model.scheduler", "{_target_: warmup_linear, warmup: 2}"), [0.5, 1, 1, 0.5]),
    (("--model.scheduler.warmup", "2"), [0.5, 1, 1, 1]),
    (("--model.scheduler", "{class_path: torch.optim.lr_scheduler.StepLR, init_args: {step_size: 2, gamma: 0.5}}",
      "--model.scheduler.interval", "step"), [1, 1, 0.5, 0.5]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "factors"), SLOTS, ids=lambda value: str(value)[:90])
def test_schedules_of_a_run_of_four_steps(tmp_path, arguments, factors):
    app = cli(tmp_path, "fit", "--model.optimizer.lr=0.1", *arguments, run=True)
    assert app.model.used == pytest.approx([0.1 * factor for factor in factors])


def test_groups_and_callbacks(tmp_path):
    arguments = ("--model.param_groups", "no_decay", "--model.optim_callbacks")
    for callbacks in ("schedule_report", "[schedule_report]"):
        app = cli(tmp_path, "fit", *arguments, callbacks, run=True)
        assert [group["name"] for group in app.trainer.optimizers[0].param_groups] == ["default", "no_decay"]
        assert list(tmp_path.rglob("schedule.csv"))
    timer = "{timer: {class_path: lightning.pytorch.callbacks.Timer, init_args: {interval: epoch}}}"
    model = cli(tmp_path, *arguments, timer).model
    assert [type(callback).__name__ for callback in lit_optim.build_callbacks(model.hparams.optim_callbacks)] == [
        "Timer"
    ]


def test_without_annotations_names_and_mappings_work(tmp_path):
    for value, lr in (("sgd", 1e-2), ("{_target_: sgd, lr: 0.1}", 0.1), ("{_target_: torch.optim.SGD}", 1e-3)):
        optimizer = cli(tmp_path, "--model.optimizer", value, module=Bare).model.configure_optimizers()["optimizer"]
        assert (type(optimizer), optimizer.param_groups[0]["lr"]) == (SGD, lr)


def test_without_annotations_a_single_key_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="round-trip"):
        model = cli(tmp_path, "--model.optimizer.lr", "0.1", module=Bare).model
    with pytest.raises(lit_optim.ConfigError, match=r"not a spec"):
        model.configure_optimizers()


class Lightnings(Regression):
    """With the annotations of Lightning's own."""

    def __init__(self, optimizer: OptimizerCallable = torch.optim.Adam, scheduler: LRSchedulerCallable | None = None):
        super().__init__()
        self.save_hyperparameters()


def test_lightnings_own_annotations(tmp_path):
    step = ("--model.scheduler", "StepLR", "--model.scheduler.step_size", "1", "--model.scheduler.gamma", "0.5")
    app = cli(
        tmp_path, "fit", "--model.optimizer", "SGD", "--model.optimizer.lr=0.2", *step, run=True, module=Lightnings
    )
    optimizer = app.trainer.optimizers[0]
    assert (type(optimizer), optimizer.defaults["lr"], optimizer.defaults["fused"]) == (SGD, 0.2, True)
    assert app.trainer.lr_scheduler_configs[0].scheduler.step_size == 1


TYPOS = [
    (("--model.optimizer", "sdg"), "'sdg': no preset of that name; did you mean 'sgd'?"),
    (("--model.optimizer", "SGD"), "'SGD': no preset of that name; did you mean 'sgd'?"),
    (("--model.scheduler", "warmup_cosin"), "did you mean 'warmup_cosine'?"),
    (("--model.optimizr", "sgd"), "--model.optimizr"),
    (("--model.optimizer.lrr", "1"), "optimizer.lrr=1: AdamW has no argument 'lrr'; did you mean 'lr'?"),
    (("--model.optimizer.lr", "abc"), "optimizer.lr='abc': AdamW expects float | Tensor, got str"),
    (("--model.optimizer._target_", "sdg"), "optimizer._target_=sdg: not an import path, and no preset of that name; did you mean 'sgd'?"),
    (("--model.optimizer._target_", "os.system"), "optimizer._target_=os.system: not a torch.optim.Optimizer subclass"),
    (("--model.optimizer.class_path", "torch.optim.SGD"), "optimizer.class_path='torch.optim.SGD': _target_=adamw is there too; keep one of them"),
    (("--model.optimizer", "{class_path: torch.optim.SGD, init_args: 3}"), "optimizer.init_args=3: expects a mapping of arguments"),
    (("--model.optimizer", "{lr: 0.1}"), "optimizer._target_: missing"),
    (("--model.optimizer", "warmup_cosine"), "optimizer._target_=warmup_cosine: not an import path, and no preset of that name"),
    (("--model.scheduler", "warmup_cosine", "--model.scheduler.warmup", "1.5"), "scheduler.warmup=1.5: neither a share below 1"),
    (("--model.param_groups", "no_dcay"), "did you mean 'no_decay'?"),
    (("--model.optim_callbacks", "[loookahead]"), "optim_callbacks[0]='loookahead': no preset of that name"),
    (("--optimizer", "sgd"), "--optimizer"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), TYPOS, ids=lambda value: str(value)[:70])
def test_typos_end_with_exit_code_2(tmp_path, capsys, arguments, message):
    @lit_optim.exit_on_config_error
    def main():
        cli(tmp_path, "fit", *arguments, run=True)

    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert message in printed
    if not arguments[0].endswith("optimizr") and arguments[0] != "--optimizer":  # arguments of LightningCLI's own
        assert len(printed.splitlines()) == 1


WRONG_KEYS = [
    (("--model.optimizer.lrr", "0.1"), "optimizer.lrr=0.1: AdamW has no argument 'lrr'; did you mean 'lr'?"),
    (("--model.optimizer", "{name: sgd, lrr: 1}"), "optimizer.lrr=1: SGD has no argument 'lrr'; did you mean 'lr'?"),
    (("--model.optimizer", "{class_path: torch.optim.SGD, init_args: {lrr: 1}}"), "optimizer.lrr=1: SGD has no argument"),
    (("--config", "c.yaml"), "optimizer.lrr=3: SGD has no argument 'lrr'; did you mean 'lr'?"),
    (("--model.scheduler", "wsd", "--model.scheduler.wramup", "3"), "scheduler.wramup=3: "),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), WRONG_KEYS, ids=lambda value: str(value)[:70])
def test_wrong_keys_end_before_a_trainer_is_built_without_a_decorator(
    tmp_path, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("model: {optimizer: {_target_: sgd, lrr: 3}}")
    with pytest.raises(SystemExit) as stop:
        cli(tmp_path, *arguments)
    assert stop.value.code == 2
    printed = capsys.readouterr().err
    assert printed.startswith(message)
    assert len(printed.splitlines()) == 1


def test_a_key_may_come_before_the_name_that_takes_it(parser):
    arguments = ("--model.optimizer.momentum", "0.5", "--model.optimizer._target_", "sgd")
    assert parsed(parser, *arguments).configure_optimizers()["optimizer"].defaults["momentum"] == 0.5


def test_lightnings_own_optimizer_argument_stays_out_of_the_way(tmp_path):
    app = cli(tmp_path, "fit", "--model.optimizer", "sgd", run=True, auto_configure_optimizers=True)
    assert type(app.trainer.optimizers[0]) is SGD
    arguments = ("fit", "--model.optimizer", "sgd", "--optimizer", "AdamW")
    with pytest.warns(UserWarning, match=r"`Net.configure_optimizers` will be overridden by"):
        app = cli(tmp_path, *arguments, run=True, auto_configure_optimizers=True)
    assert type(app.trainer.optimizers[0]) is torch.optim.AdamW


NAMED_TWICE = """
import lit_optim, torch
from lit_optim import mixin, callbacks, optimizers
callbacks.SWATS(), optimizers.SWATS([torch.zeros(1)])
lit_optim.validate({"optimizer": "adam", "optim_callbacks": "swats"})
classes, names = [torch.optim.Optimizer], []
while classes:
    classes += (found := classes.pop().__subclasses__())
    names += [cls.__name__ for cls in found]
print(*{name for name in names if names.count(name) > 1} - {"Optimizer"})
"""


@pytest.mark.slow
def test_no_optimizer_of_ours_takes_the_name_of_torchs():
    """LightningCLI finds classes by their names: `--optimizer Adam` must mean one, unless somebody imports the other."""
    done = subprocess.run([sys.executable, "-c", NAMED_TWICE], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


CONFIG = """
model:
  optimizer: {_target_: sgd, lr: 0.1, momentum: 0.5}
  scheduler:
    class_path: warmup_linear
    init_args: {warmup: 50%}
  param_groups: no_decay
"""


def described(app):
    optimizer, scheduler = app.trainer.optimizers[0], app.trainer.lr_scheduler_configs[0].scheduler
    return optimizer.defaults, len(optimizer.param_groups), type(scheduler), app.model.used


def test_config_files_print_config_and_the_saved_config_give_the_same_run(tmp_path, capsys):
    (tmp_path / "mine.yaml").write_text(CONFIG)
    first = cli(tmp_path, "fit", "--config", str(tmp_path / "mine.yaml"), run=True, save=True)
    assert first.model.used == pytest.approx([0.05, 0.1, 0.1, 0.05])
    assert first.trainer.optimizers[0].defaults["momentum"] == 0.5
    with pytest.raises(SystemExit) as stop:
        cli(tmp_path, "fit", "--config", str(tmp_path / "mine.yaml"), "--print_config", run=True)
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert yaml.safe_load(printed)["model"]["optimizer"] == {"_target_": "sgd", "lr": 0.1, "momentum": 0.5}
    (tmp_path / "printed.yaml").write_text(printed)
    for file in ("printed.yaml", "config.yaml"):  # the latter by LightningCLI's SaveConfigCallback
        again = cli(tmp_path, "fit", "--config", str(tmp_path / file), run=True)
        assert described(again) == described(first)


@pytest.mark.parametrize("module", [Net, Bare, Lightnings])
def test_checkpoints(tmp_path, module):
    value = "SGD" if module is Lightnings else "{_target_: torch.optim.SGD, momentum: 0.5}"
    app = cli(tmp_path, "fit", "--model.optimizer", value, run=True, module=module)
    path = tmp_path / "c.ckpt"
    app.trainer.save_checkpoint(path)
    again = module.load_from_checkpoint(path).configure_optimizers()["optimizer"]
    assert (type(again), again.defaults) == (SGD, app.trainer.optimizers[0].defaults)
    tested = cli(tmp_path, "test", "--ckpt_path", str(path), run=True, module=module)
    assert "test/loss" in tested.trainer.callback_metrics
    resumed = cli(
        tmp_path, "fit", "--model.optimizer", value, "--ckpt_path", str(path), "--trainer.max_steps=6", run=True, module=module
    )  # fmt: skip
    assert (len(resumed.model.used), resumed.trainer.global_step) == (2, 6)


def test_the_annotation_does_not_import_torch():
    code = "import sys, lit_optim; lit_optim.SpecLike; print([m for m in ('torch', 'hydra') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("spec", ["sgd", {"_target_": "sgd"}, {"class_path": "sgd", "init_args": {}}])
def test_namespaces_of_the_parser_are_taken_too(spec):
    from jsonargparse import Namespace

    spec = Namespace(spec) if isinstance(spec, dict) else spec
    assert lit_optim.build_optimizer(spec, [torch.nn.Parameter(torch.ones(2))], lr=0.5).defaults["lr"] == 0.5
