"""What Hydra rejects, in an app that `exit_on_config_error` guards: one line with the key, and exit code 2."""

import shlex

import pytest
from omegaconf import OmegaConf

from _support.app_process import run
from lit_optim.errors import hydra_message

APP = """
import hydra.utils
import lit_optim

@lit_optim.hydra_main(config_path="conf", config_name="main")
def main(cfg):
    if cfg.bug:
        raise ZeroDivisionError("a bug of the app")
    print(cfg.text)
    hydra.utils.instantiate(cfg.model.net)

if __name__ == "__main__":
    main()
"""
PARTS = """
class Net:
    def __init__(self, width=1):
        if width == "?":
            raise LookupError("no width")
        if width < 1:
            raise ValueError(f"width={width}: must be at least 1")
"""
MAIN = """
defaults: [_self_, {data: small}, {override hydra/hydra_logging: none}, {override hydra/job_logging: none}]
bug: false
text: fine
model: {net: {_target_: parts.Net, width: 2}}
hydra: {output_subdir: null, run: {dir: .}}
"""


@pytest.fixture
def app(tmp_path, monkeypatch):
    (tmp_path / "conf" / "data").mkdir(parents=True)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "parts.py").write_text(PARTS)
    (tmp_path / "conf" / "main.yaml").write_text(MAIN)
    (tmp_path / "conf" / "data" / "small.yaml").write_text("size: 3")
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    return lambda *overrides: run(tmp_path / "app.py", tmp_path, tmp_path, *overrides)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+model.net.wdth=3", "model.net.wdth: Net.__init__() got an unexpected keyword argument 'wdth'"),
        ("model.net.width=0", "model.net.width=0: must be at least 1"),
        ("model.net.width=?", "model.net: LookupError: no width"),
        ("model.net._target_=no_such_package.Net", "model.net: ImportError: Error loading 'no_such_package.Net'"),
        ("model.net._target_=null", "model.net: Expected a callable target, got 'None' of type 'NoneType'"),
        ("text=${nowhere}", "text='${nowhere}': Interpolation key 'nowhere' not found"),
        ("text=${oc.env:NOPE}", "text='${oc.env:NOPE}': Environment variable 'NOPE' not found"),
        ("~text", "text: left out on the command line, and the app needs it; write text=NAME"),
        ("model.net.widht=3", "model.net.widht=3: no such key; did you mean 'width'?\n"),
        (
            "model.net.zzz=3",
            "model.net.zzz=3: no such key; to add it write +model.net.zzz=3; there are: _target_, width\n",
        ),
        ("+text=3", "+text=3: the key is there already; write text=3, without +\n"),
        ("~model.net.zzz", "~model.net.zzz: no such key\n"),
        ("+data=small", "data: chosen twice; write data=NAME without +"),
        ("scheduler=null", "~scheduler: the app chooses nothing there\n"),
        ("data=smal", "data=smal: the group has no such name; did you mean 'small'?\n"),
        ("text", "text: no value; write text=VALUE\n"),
        ("text={a:", "text={a:: '{' without '}'; close it, or quote the value: 'text=\"{a:\"'\n"),
        ("text='a", "text='a: ' without its other half; write 'text=\"a\"'\n"),
        ("text=/a/x=1.ckpt", "text=/a/x=1.ckpt: the value has characters *; quote it: 'text=\"/a/x=1.ckpt\"'\n"),
        ("text=a,b", "text=a,b: several values; write 'text=[a,b]' for a list, 'text=\"a,b\"' for a text"),
        (
            "trainer.max_epochs=3",
            "trainer.max_epochs=3: no such key; to add it write +trainer.max_epochs=3; there are: ",
        ),
        ("hydra.run.dir=/dev/null/x", "hydra.run.dir=/dev/null/x: NotADirectoryError: "),
    ],
)
def test_is_one_line_with_the_key(app, override, message):
    outcome = app(override)
    assert outcome.code == 2, outcome.err
    assert all(part in outcome.err for part in message.split("*")), outcome.err  # Hydra 1.4 words some otherwise
    assert len(outcome.err.splitlines()) == 1


def test_a_bug_keeps_its_traceback_without_the_frames_of_hydra(app):
    outcome = app("bug=true")
    assert outcome.code == 1
    assert 'raise ZeroDivisionError("a bug of the app")' in outcome.err
    assert "run_job" not in outcome.err


def test_hydra_full_error_shows_all(app, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    outcome = app("model.net.width=0")
    assert outcome.code == 1
    assert "Traceback" in outcome.err
    assert "must be at least 1" in outcome.err


def test_hydra_full_error_shows_what_hydra_itself_rejects(app, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    outcome = app("data=smal")
    assert "Traceback" in outcome.err
    assert "Available options in 'data':" in outcome.err


def test_a_path_that_the_shell_has_split_is_written_as_one_word(app):
    assert """write 'text="/a b/c(1)"'""" in app("text=/a", "b/c(1)").err


def test_what_is_printed_can_be_pasted(app):
    word = shlex.split(app("text=/a/x=1 (2).ckpt").err.rpartition(": ")[2])[0]
    assert app(word).out == "/a/x=1 (2).ckpt\n"


def test_null_leaves_a_group_out_of_the_app_too(app):
    assert app("data=null").code == 0


def test_jobs_of_a_sweep_end_the_same_way(app):
    outcome = app("-m", "model.net.width=0,1")
    assert (outcome.code, outcome.err.splitlines()) == (2, ["model.net.width=0: must be at least 1"])
    outcome = app("-m", "data=smal,small")
    assert (outcome.code, outcome.err.count("did you mean 'small'?")) == (2, 1)


def test_tab_completes_groups_of_the_app_and_our_presets(app, monkeypatch):
    for typed, offered in (
        ("data=s", "data=small"),
        ("optimizer=adam", "optimizer=adamw"),
        ("resume=str", "resume=stretch"),
    ):
        line = f"python app.py {typed}"
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        assert offered in app("-sc", "query=bash").out.split()


def test_errors_of_other_packages_are_none_of_hydra():
    assert hydra_message(RuntimeError("a bug")) == ""


def test_under_a_debugger_the_message_is_the_same(monkeypatch):
    monkeypatch.setenv("OC_CAUSE", "1")  # as OmegaConf does by itself where a debugger or a tracer is on
    with pytest.raises(Exception, match="epochs") as found:
        OmegaConf.create({"trainer": {"max_epochs": "${epochs}"}}).trainer.max_epochs  # noqa: B018
    assert found.value.__cause__ is not None
    assert hydra_message(found.value) == "trainer.max_epochs='${epochs}': Interpolation key 'epochs' not found"
