"""The layout that CONTRIBUTING promises: where things are, how many, and that each exists once."""

import ast
import importlib
import io
import re
import statistics
import subprocess
import sys
import tokenize
from collections import Counter, defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lit_optim"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {file: ast.parse(file.read_text(encoding="utf-8")) for file in FILES}


def module_of(file):
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(file): file for file in FILES}


def imports(tree):
    """The modules that a tree imports, inside functions too; what only a type checker reads is left out."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (
                name if (name := f"{node.module}.{alias.name}") in MODULES else node.module for alias in node.names
            )
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        else:
            waiting += ast.iter_child_nodes(node)


def code_lines(file):
    """Lines with code on them: neither blank, nor comment, nor docstring."""
    text = file.read_text(encoding="utf-8")
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in nothing:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            lines -= {*range(node.body[0].lineno, node.body[0].end_lineno + 1)}
    return len(lines)


def test_files_and_folders_are_few():
    assert len([*PACKAGE.glob("*.py")]) <= 10
    sizes = Counter(file.parent for file in FILES)
    assert {folder.name for folder, count in sizes.items() if count > 15} <= {"shapes"}
    lengths = [len(file.read_text(encoding="utf-8").splitlines()) for file in FILES]
    assert statistics.median(lengths) <= 88  # 80 before compare and report
    assert max(lengths) <= 250


def test_the_mixin_is_short():
    file = PACKAGE / "mixin.py"
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 110
    assert len({name for name in imports(TREES[file]) if name.startswith("lit_optim")}) <= 12


def test_no_import_circle():
    graph = {name: {*imports(TREES[file])} & {*MODULES} - {name} for name, file in MODULES.items()}
    while leaves := {name for name, needed in graph.items() if not needed}:  # what is left over imports itself
        graph = {name: needed - leaves for name, needed in graph.items() if name not in leaves}
    assert not graph


def files_that_import(package):
    return {module_of(file) for file in FILES if any(re.match(rf"{package}\b", name) for name in imports(TREES[file]))}


def test_one_file_imports_lightning_and_one_knows_shards():
    assert files_that_import("lightning") == files_that_import("pytorch_lightning") == {"lit_optim.lightning_api"}
    assert not files_that_import("lightning_fabric")
    assert [module_of(file) for file in FILES if "to_local" in file.read_text(encoding="utf-8")] == [
        "lit_optim.distributed"
    ]


def test_swats_and_finetuning_are_known_in_their_rooms_only():
    found = {
        module_of(f) for f in FILES if re.search("swats|basefinetuning", f.read_text(encoding="utf-8"), re.IGNORECASE)
    }
    rooms = ("lit_optim.callbacks.swats", "lit_optim.optimizers.swats")
    elsewhere = {name for name in found if not name.startswith(rooms)}
    assert elsewhere <= {
        "lit_optim.callbacks",  # public names
        "lit_optim.optimizers",
        "lit_optim.callbacks.protocol",
        "lit_optim.checkpoint.compatibility",
        "lit_optim.checkpoint.sharded_checkpoints",
        "lit_optim.state_loading.translate",  # the table of classes
    }


MAY_BE_TWICE = {
    "add_arguments", "run",  # a verb of the command line each
    "Agc", "Centralize", "ExponentialMovingAverage", "Lookahead", "ScheduleFree", "SWATS",  # callback and plain torch
}  # fmt: skip


def test_a_name_is_defined_once():
    homes = defaultdict(list)
    for file, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                homes[node.name].append(module_of(file))
    assert {name: found for name, found in homes.items() if len(found) > 1 and name not in MAY_BE_TWICE} == {}
    assert homes["is_state_init_step"] == ["lit_optim.step_hooks"]
    assert homes["RunLength"] == ["lit_optim.duration"]


@pytest.mark.parametrize("name", ["optimizers", "optimizers.compiled", "averaging", "callbacks", "gradients"])
def test_public_names_are_the_classes_of_the_files(name):
    package = importlib.import_module(f"lit_optim.{name}")
    public = {
        node.name
        for file in Path(package.__file__).parent.glob("*.py")
        for node in TREES[file].body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        if node.name.lower() == file.stem.replace("_", "")
    }
    assert public <= {*package.__all__}
    assert [*dir(package)] == sorted(package.__all__)
    for each in package.__all__:
        assert getattr(package, each).__name__ == each
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        package.Nothing  # noqa: B018


def test_type_checkers_know_the_public_classes(tmp_path):
    pytest.importorskip("mypy", reason="mypy is among the tools of .venv only")
    script = tmp_path / "reveal.py"
    script.write_text(
        "import lit_optim.callbacks, lit_optim.optimizers\n"
        "reveal_type(lit_optim.optimizers.SWATS)\nreveal_type(lit_optim.callbacks.Lookahead)\n",
        encoding="utf-8",
    )
    settings = tmp_path / "mypy.ini"  # what others write is not read: it takes longer than all of ours
    settings.write_text(
        "[mypy]\nfollow_imports = silent\n[mypy-torch.*,lightning.*,hydra.*,omegaconf.*,matplotlib.*]\nfollow_imports = skip\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", str(settings), "--no-incremental", str(script)]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    revealed = re.findall('Revealed type is "(.*)"', shown)
    assert len(revealed) == 2, shown
    assert not any("Any" in kind.partition(" -> ")[2] or kind == "Any" for kind in revealed), shown


def test_the_code_stays_small():
    # may only go down; 14,040 before resume by policy, the finite guard, signals, the switch, recipes, pictures, messages for the keyboard;
    # 18,900 before record, health, compare and report; 23,930 before the report told runs from copies and sweeps, health saw NaN,
    # and compare took any key
    assert sum(map(code_lines, FILES)) <= 24_060
    examples = [*(ROOT / "examples").rglob("*.py")]
    assert (
        sum(len(file.read_text(encoding="utf-8").splitlines()) for file in examples) <= 1_920
    )  # the benchmark has 720


def test_prose_is_plain():
    words = [
        word for file in FILES for word in re.findall(r"\b(?:nobody|whoever|told)\b", file.read_text(encoding="utf-8"))
    ]
    assert len(words) <= 10, Counter(words)
