"""What the specs of a checkpoint name: nothing is executed, imported or written that the user has not allowed."""

import contextlib
import sys

import pytest
import torch

from _support.hostile_specs import DAMAGED, HOSTILE, MODULE, by_lambda, callback, rules
from _support.net import Net, fit, loader, trainer
from lit_optim import ConfigError
from lit_optim.cli.card import card_of_specs

REPORT = "lit_optim.callbacks.ScheduleReport"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A good checkpoint, as a run has written it."""
    folder = tmp_path_factory.mktemp("written")
    _, run = fit(folder, Net("sgd"), max_epochs=1)
    run.save_checkpoint(folder / "good.ckpt")
    checkpoint = torch.load(folder / "good.ckpt", weights_only=True)
    del checkpoint["lit_optim"]["environment"]  # the numbers of threads differ by test
    return checkpoint


@pytest.fixture
def seen(tmp_path, monkeypatch):
    """Two modules, one of them imported; returns whether one has been called, or the other imported."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "link").symlink_to(tmp_path)
    (tmp_path / "lo_seen.py").write_text(MODULE)
    (tmp_path / "lo_unseen.py").write_text("import pathlib\npathlib.Path(__file__).with_name('sung').touch()")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    __import__("lo_seen")
    yield (tmp_path / "sung").exists
    for name in ("lo_seen", "lo_unseen"):
        sys.modules.pop(name, None)


def naming(tmp_path, written, specs):
    """The path of a checkpoint whose specs were exchanged, in the hyper-parameters and in our own entry."""
    own, hparams = written["lit_optim"], written["hyper_parameters"]
    changed = {"lit_optim": {**own, "spec": {**own["spec"], **specs}}, "hyper_parameters": {**hparams, **specs}}
    torch.save({**written, **changed}, tmp_path / "c.ckpt")
    return tmp_path / "c.ckpt"


def start(tmp_path, module, **options):
    """A fit whose folder is `run`."""
    trainer(tmp_path / "run", max_epochs=2, **options).fit(module, loader(), loader(8))


@pytest.mark.parametrize("case", [*HOSTILE, *DAMAGED])
def test_a_file_that_names_what_it_must_not_is_rejected_in_words(tmp_path, written, seen, case):
    specs, message = {**HOSTILE, **DAMAGED}[case]
    before = {*tmp_path.rglob("*")}
    module = Net.load_from_checkpoint(naming(tmp_path, written, specs))
    with pytest.raises(ConfigError, match=message) as found:
        start(tmp_path, module)
    assert len(found.value.problems) == 1
    assert all(problem.isprintable() for problem in found.value.problems)
    assert not seen()
    assert {*tmp_path.rglob("*")} - before == {tmp_path / "c.ckpt"}, "nothing else was written"


@pytest.mark.filterwarnings("ignore::UserWarning")  # what has no effect, as the checkpoint's holds
@pytest.mark.parametrize("case", [*HOSTILE, *DAMAGED])
def test_a_run_that_is_resumed_from_it_executes_nothing_either(tmp_path, written, seen, case):
    path = naming(tmp_path, written, {**HOSTILE, **DAMAGED}[case][0])
    run = trainer(tmp_path / "run", max_epochs=2, logger=False)
    with contextlib.suppress(ConfigError):  # specs that the configuration has itself are not taken from the file
        run.fit(Net("sgd"), loader(), loader(8), ckpt_path=path)
    assert not seen()
    assert not {file.name for file in tmp_path.iterdir()} - {"run", "c.ckpt", "lo_seen.py", "lo_unseen.py", "__pycache__"}  # fmt: skip


@pytest.mark.parametrize("case", ["optimizer: a function", "rules: match", "rules: match, not imported"])
def test_what_a_resumed_run_takes_from_the_file_is_rejected_in_words(tmp_path, written, seen, case):
    specs, message = HOSTILE[case]
    module = Net()
    module.optim_spec = {"optimizer": "sgd", "resume": {"groups": "checkpoint"}}
    with pytest.raises(ConfigError, match=message):
        fit(tmp_path / "run", module, ckpt_path=naming(tmp_path, written, specs), max_epochs=2)
    assert not seen()


def test_rules_that_a_resumed_run_does_not_take_from_the_file_are_not_read(tmp_path, written, seen):
    path = naming(tmp_path, written, HOSTILE["rules: match"][0])
    with pytest.warns(UserWarning, match="param_groups +not read +no rules +the configured ones"):
        fit(tmp_path / "run", Net("sgd"), ckpt_path=path, max_epochs=2)
    assert not seen()


def test_the_message_says_how_to_allow_it_and_then_it_is(tmp_path, written, seen):
    path = naming(tmp_path, written, by_lambda("lo_seen.sing"))
    with pytest.raises(ConfigError, match=r"allow=\['lo_seen.sing'\]"):
        start(tmp_path, Net.load_from_checkpoint(path))
    assert not seen()
    for allow in ("lo_seen.sing", ["lo_seen"]):
        start(tmp_path, Net.load_from_checkpoint(path, allow=allow))
        assert seen()


@pytest.mark.parametrize("case", ["rules: match", "schedule: lambda", "optimizer: a function"])
def test_the_card_of_a_module_from_a_file_calls_nothing_either(tmp_path, written, seen, case):
    module = Net.load_from_checkpoint(naming(tmp_path, written, HOSTILE[case][0]))
    with pytest.raises(ConfigError, match="not this function"):
        card_of_specs(module, module.optim_specs())
    assert not seen()


def test_an_allowed_package_is_no_way_to_what_it_imports(tmp_path, written, seen):
    path = naming(tmp_path, written, by_lambda("lo_seen.os.remove"))
    with pytest.raises(ConfigError, match="not this function"):
        start(tmp_path, Net.load_from_checkpoint(path, allow="lo_seen"))


def test_a_folder_may_be_allowed_and_those_inside_are(tmp_path, written, seen):
    outside = naming(tmp_path, written, callback(_target_=REPORT, folder=str(tmp_path / "outside")))
    start(tmp_path, Net.load_from_checkpoint(outside, allow=tmp_path / "outside"))
    assert (tmp_path / "outside" / "schedule.csv").exists()
    for folder in ("optim/../lrs", str(tmp_path / "run" / "lrs")):
        inside = naming(tmp_path, written, callback(_target_=REPORT, folder=folder))
        start(tmp_path, Net.load_from_checkpoint(inside))
        assert (tmp_path / "run" / "lrs" / "schedule.csv").exists()


def test_what_the_user_names_too_is_the_users(tmp_path, written, seen):
    specs = {**by_lambda("lo_seen.sing"), **rules(match="lo_seen.sing")}
    path = naming(tmp_path, written, {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.5}, **specs})
    start(tmp_path, Net.load_from_checkpoint(path, **specs))  # arguments
    assert seen()

    class Own(Net):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.optim_spec = {"optimizer": "sgd", "scheduler": {"main": {"shape": "lo_seen.shape"}}}

    start(tmp_path, Own.load_from_checkpoint(path))  # code


def test_a_resumed_run_keeps_the_functions_and_folders_of_its_configuration(tmp_path, seen):
    import lo_seen

    torch.set_num_threads(1)
    report = callback(_target_=REPORT, folder=tmp_path / "outside")
    specs = {
        "param_groups": {"rules": {"r": {"match": lo_seen.sing, "lr": 0.1}}},
        **by_lambda("lo_seen.sing"),
        **report,
    }
    _, run = fit(tmp_path / "run", Net("sgd", **specs), max_epochs=1)
    run.save_checkpoint(tmp_path / "c.ckpt")
    other = {"_target_": "torch.optim.SGD", "lr": 0.5}
    with pytest.warns(UserWarning, match=r"optimizer.lr +0.01 +0.5 +0.01"):
        fit(tmp_path / "run", Net(other, **specs), ckpt_path=tmp_path / "c.ckpt", max_epochs=2)
    assert (tmp_path / "outside" / "schedule.csv").exists()
