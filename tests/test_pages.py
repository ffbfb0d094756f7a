"""Every snippet and every command of the README and of docs/ is run, composed or checked."""

import re
import shlex
import textwrap

import pytest
import torch
from omegaconf import OmegaConf

import lit_optim
from _support.fake_comparison import FAKES, write_comparison
from _support.pages import EXAMPLES, PAGES, ROOT, blocks, check_overrides, commands
from docs_pages import gallery, recipes
from lit_optim.cli.compare.cost import Cost
from lit_optim.cli.main import VERBS, main
from lit_optim.config.read.compose import compose_app
from lit_optim.config.read.presets import GROUPS

DOCS_FOLDER = ROOT / "docs"
GENERATED = {
    *recipes.pages(),
    *(f"gallery/{group}/index.md" for group in gallery.GROUPS),
    "errors.md",
    "reference/cli.md",
    "reference/config/index.md",
    "reference/python/index.md",
}
DOCS = [page for page in PAGES if page.parent != ROOT]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
ALL = {tuple(words): page for page in reversed(PAGES) for words in commands(page)}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@each_page
def test_every_block_has_a_language_that_is_checked(page):
    assert {block.language for block in blocks(page)} <= {"python", "bash", "yaml", "console", "text"}


@each_page
def test_no_code_hides_from_the_checks(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    hidden = re.findall(r"^[ \t]+```.*|^~~~.*|(?<=\n\n)(?: {4}|\t)[^-*\s].*", text, re.MULTILINE)
    assert hidden == [], "code stands in ``` at the beginning of a line, with a language"


@each_page
def test_words_that_are_no_plain_english(page):
    assert not re.findall(r"(?i)refused in words|\btold\b|\bnobody\b|\bwhoever\b", page.read_text(encoding="utf-8"))


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_links_and_pictures_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s:]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        written = found.relative_to(DOCS_FOLDER).as_posix() in GENERATED if found.is_relative_to(DOCS_FOLDER) else False
        assert found.exists() or written, target
        assert not anchor or anchor in anchors(found), target


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_says_what_it_is_for_and_leads_on(page):
    text = page.read_text(encoding="utf-8")
    assert re.match(r"# .+\n\n[A-Z](?!.*\|).+", text), "a sentence comes behind the title"
    assert re.search(r"\]\([^)]+\.md", text), "a page ends with a link to what comes next"


def execute(page):
    """Execute all Python of a page, block after block; returns the names that it has then."""
    net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    names = {"__name__": "page", "net": net}
    for block in blocks(page):
        if block.language == "python":
            exec(compile(textwrap.dedent(block.text), str(page), "exec"), names)
    return names


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_python(page):
    execute(page)


def test_the_apps_of_start(monkeypatch, capsys):
    names = execute(DOCS_FOLDER / "start.md")
    names["main"](lit_optim.compose(["optimizer=sgd"]))
    monkeypatch.setattr("sys.argv", ["app.py", "fit", "--model.optimizer", "sgd", "--print_config"])
    with pytest.raises(SystemExit) as ended:
        names["cli"]()
    assert not ended.value.code
    assert re.search(r"^  optimizer:\s+(_target_: |name: )?sgd$", capsys.readouterr().out, re.MULTILINE)


def composed(text, cfg, folder):
    """Compose a file with a defaults list, where its first comment says that it lies."""
    named = re.match(r"# \w+/(\S+)\n", text)
    path = folder / (named[1] if named else "train.yaml")
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    group = path.parent.name
    if path.parent != folder:
        own = [{f"override {group}": path.stem}] if group in GROUPS else [{group: path.stem}]
        OmegaConf.save({"defaults": ["lit_optim", *own]}, folder / "train.yaml")
    return compose_app("train", [], str(folder))


YAML = [(page, block.text) for page in PAGES for block in blocks(page) if block.language == "yaml"]


@pytest.mark.parametrize(("page", "text"), YAML, ids=[f"{page.stem}-{i}" for i, (page, _) in enumerate(YAML)])
def test_yaml(page, text, tmp_path):
    cfg = OmegaConf.create(text)
    if "hydra" in cfg:
        assert getattr(lit_optim, cfg.hydra.callbacks.validate_sweep["_target_"].removeprefix("lit_optim."))
        return
    whole = composed(text, cfg, tmp_path) if "defaults" in cfg else {"optimizer": "adamw", **cfg}
    assert {*GROUPS, "model"} & {*whole}
    lit_optim.validate(whole)


def lit_optim_command(words, tmp_path, monkeypatch):
    """Run a verb where it writes nothing into the repository."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.chdir(tmp_path if words[0] in ("preview", "report") else EXAMPLES)
    for word in words[1:] if words[0] == "report" else ():
        if word.endswith("/"):
            write_comparison(tmp_path / word, FAKES[:2])
            if "--metric" in words:
                (tmp_path / word / "plan.json").unlink()
    if words[0] == "compare":  # declared, and not run
        monkeypatch.setattr("lit_optim.cli.compare.probe", lambda *_: Cost(None, ""))
        words = [*words, "--dry-run"]
    return main(list(words))


# those of docs/ are many: each takes Hydra a tenth of a second
COMMANDS = [
    pytest.param(words, marks=[pytest.mark.slow] * (page in DOCS), id=" ".join(words)) for words, page in ALL.items()
]


@pytest.mark.parametrize("words", COMMANDS)
def test_command(words, tmp_path, monkeypatch):
    program, *rest = words
    if program == "lit-optim" and (
        "NAME" in rest or rest in (["card"], ["compare"], ["info"], ["preview"], ["report"])
    ):
        assert rest[0] in VERBS  # the name of a verb, no command
    elif program == "lit-optim":
        assert lit_optim_command(rest, tmp_path, monkeypatch) in ((0, 2) if rest[0] == "doctor" else (0,))
    elif words[:2] == ("make", "train") and rest[1:]:
        check_overrides(rest[1].removeprefix("ARGS=").split())
    elif program == "make":
        assert all(re.search(rf"^([\w -]+ )?{target}[ :]|\b{target}\b", MAKEFILE, re.MULTILINE) for target in rest)
    elif program == "python" and rest[0] in ("train.py", "examples/train.py", "examples/gan.py"):
        check_overrides([word for word in rest[1:] if word != "--help"], "gan" if "gan" in rest[0] else "train")
    elif "=" in program and not program.startswith(("PYTHON=", "PIP")):
        check_overrides(list(words))
    elif words[:2] == ("pip", "install"):
        extras = re.search(r"lit-optim\[([\w,-]+)\]", rest[1])
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        assert not extras or all(f"\n{extra} = [" in project for extra in extras[1].split(","))
    else:  # python app.py: tests/test_readme.py
        assert program in ("cd", "git") or words[:2] in (("python", "app.py"), ("python", "-m"), ("python", "-c"))


CONSOLE = [block.text for page in PAGES for block in blocks(page) if block.language == "console"]


@pytest.mark.parametrize("text", CONSOLE)
def test_shown_output(text, tmp_path, monkeypatch, capsys):
    command, *shown = text.removeprefix("$ ").splitlines()
    program, *words = shlex.split(command)
    if program == "lit-optim":
        lit_optim_command(words, tmp_path, monkeypatch)
        printed = capsys.readouterr().out
    else:
        with pytest.raises(lit_optim.ConfigError) as caught:
            check_overrides(words[1:])
        printed = str(caught.value)
    shown = [line for line in shown if line != "..."]
    # a warning about the installation is one more line, and makes the first column wider
    lines = [re.sub(" +", " ", line) for line in printed.splitlines() if not line.startswith("warning  hydra-core=")]
    assert lines[-len(shown) :] == [re.sub(" +", " ", line) for line in shown]
