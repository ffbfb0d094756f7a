"""The page of HTML: it parses, loads nothing, and holds the numbers of the preview."""

import json
from html.parser import HTMLParser

import pytest

from lit_optim.cli.main import main
from lit_optim.config.read.command_line import choices
from lit_optim.plots.palette import DARK, LIGHT
from lit_optim.preview.csv_rows import rows
from lit_optim.preview.curves import preview

VOID = {"meta", "link", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and texts; fails where tags are not nested."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append((tag, dict(attrs).get("id", "")))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if self.open:
            self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data


def written(tmp_path, *words):
    file = tmp_path / "page.html"
    assert main(["preview", *words, "--out", "none", "--html", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    return text, Page(text)


WORDS = [
    ["scheduler=warmup_wsd", "param_groups=no_decay", "scheduler.drive={weight_decay: {main: {shape: cosine}}}", "total_steps=60", "steps_per_epoch=7"],
    ["scheduler=cosine,wsd", "optimizer.lr=1e-3,1e-4", "total_steps=40"],
    ["scheduler=linear", "total_steps=20,30"],
]  # fmt: skip


@pytest.mark.parametrize("words", WORDS)
def test_the_embedded_data_are_the_rows_of_the_preview(words, tmp_path):
    _, page = written(tmp_path, *words)
    data = json.loads(page.texts["script", "data"])
    previews = [preview(choice) for choice in choices(words)]
    _, *expected = rows(previews)
    curves = [(config["total_steps"], c) for config in data["configs"] for c in config["curves"]]
    for step, *values in expected:
        found = [c["values"][c["steps"].index(step)] if step < total else "" for total, c in curves]
        assert found == values
    for panel in data["panels"]:
        keys = {data["configs"][line["config"]]["curves"][line["curve"]]["key"] for line in panel["lines"]}
        assert keys == {panel["key"]}


def test_what_it_is_made_of(tmp_path):
    text, page = written(tmp_path, *WORDS[0])
    assert page.texts["h1", ""] == "AdamW, warmup + wsd: 60 optimizer steps"
    assert page.texts["p", "phases"] == "Phases: warmup 0 to 2 · stable 3 to 53 · decay 54 to 59"
    assert not {"img", "iframe", "object", "embed"} & {*page.tags}
    assert [value for name, value in page.attributes if name in ("src", "href", "action")] == ["data:,"]
    assert "default-src 'none'" in text
    assert text.count("http") == text.count("http-equiv") + text.count("http://www.w3.org/2000/svg")
    assert "import(" not in text
    assert "prefers-color-scheme: dark" in text
    assert all(color in text for color in (*LIGHT.lines, *DARK.lines))


def test_no_text_ends_the_script(tmp_path):
    words = ["optimizer=sgd", "scheduler=linear", "total_steps=4", "param_groups.rules=[{name: '<!--<script><b>', match: {type: bias}, lr: 0.1}]"]  # fmt: skip
    _, page = written(tmp_path, *words)
    assert "<" not in page.texts["script", "data"]
    assert "<!--<script><b>" in [c["group"] for c in json.loads(page.texts["script", "data"])["configs"][0]["curves"]]


def test_a_missing_folder_is_an_error(tmp_path, capsys):
    file = tmp_path / "no" / "a.html"
    assert main(["preview", "scheduler=cosine", "total_steps=9", "--out", "none", "--html", str(file)]) == 2
    assert "there is no such folder" in capsys.readouterr().err
