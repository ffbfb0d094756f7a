"""report.md shows free text as it is, and says where the numbers come from as the page does."""

import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from _support.fake_comparison import FAKES, Fake, write_comparison
from lit_optim.cli.main import main
from lit_optim.cli.report.markdown import as_markdown
from lit_optim.study.plan import PLAN


@pytest.fixture
def folder(tmp_path):
    return write_comparison(tmp_path / "c", (FAKES[0], FAKES[-1]))


def shown(text):
    """The HTML of Markdown as GitHub reads it."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)


def test_what_a_run_said_is_no_html(folder, capsys):
    for path in folder.rglob("error.txt"):
        path.write_text("ValueError: <script>alert(1)</script> | <!-- of `a <b>` <img src=x>\n")
    main(["report", str(folder)])
    page = shown((folder / "report" / "report.md").read_text())
    assert "ValueError: &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"<(script|img|!--)", page)


def test_what_a_run_said_is_no_markdown(folder, capsys):
    words = "TypeError: AdamW.__init__() got *lr* | [a](b) C:\\[x] ~~no~~"
    for path in folder.rglob("error.txt"):
        path.write_text(words)
    for file in folder.glob("runs/adam/*/record/run.json"):
        groups = [{"name": "a\nb", "_weight_": 0.1}]
        file.write_text(json.dumps({**json.loads(file.read_text()), "groups": groups}))
    main(["report", str(folder)])
    terminal, text = capsys.readouterr().out, (folder / "report" / "report.md").read_text()
    page = shown(text)
    assert f"<li>muon is not ranked: all 5 trials crashed: {words}</li>" in page
    assert f"<td>crashed: {words}</td>" in page
    assert "<th>_weight_</th>" in page
    assert "<td>adam</td>\n<td>a b</td>\n<td>0.1</td>" in page
    assert f"all 5 trials crashed: {words}" in terminal
    assert "| lr=0.001 |" in text


@given(st.text(st.sampled_from("ab1_*~|<>&#;![]()\\:/= -"), max_size=20))
def test_any_text_is_shown_as_it_is(text):
    page = shown(f"| head |\n|---|\n| {as_markdown(text)} |\n")
    assert f"<td>{html.escape(' '.join(text.split()))}</td>" in page


def test_ordinary_words_and_code_have_no_backslash():
    words = "val/loss of weight_decay=0.01 [-0.5, 0.5] < 1: write `a_*<b>` & go on"
    assert as_markdown(words) == words
    assert as_markdown("betas=[0.9, 0.99]: [a") == "betas=[0.9, 0.99]: [a"


def test_a_name_is_no_definition_of_a_link():
    assert shown(f"- {as_markdown('[a]: no trial trains')}\n- [a]") == (
        "<ul>\n<li>[a]: no trial trains</li>\n<li>[a]</li>\n</ul>\n"
    )


def test_where_the_numbers_come_from_is_the_same_in_both(folder, tmp_path, capsys):
    other = write_comparison(tmp_path / "later", (Fake("new"),))
    main(["report", str(folder), str(other), "--out", str(tmp_path / "both")])
    text = (tmp_path / "both" / "report.md").read_text()
    page = html.unescape((tmp_path / "both" / "index.html").read_text())
    command = "lit-optim compare train.py optimizer=adam,muon && lit-optim compare train.py optimizer=new"
    assert f"| Command | `{command}` |" in text
    assert f"<dt>Command</dt><dd><pre>{command}</pre></dd>" in page
    assert "| Plan | default: 5 trials each, grid |" in text
    assert "<dt>Plan</dt><dd>default: 5 trials each, grid</dd>" in page


def test_where_the_numbers_of_plain_records_come_from(folder, capsys):
    (folder / PLAN).unlink()
    main(["report", str(folder), "--metric", "val/acc", "--mode", "max"])
    page = (folder / "report" / "index.html").read_text()
    assert "<dt>SHA-256 of the specs, first digits</dt>" in page
    assert not re.search(
        "<dt>(Command|Plan|Seed of the trials)</dt>|trials", page.partition("<dl>")[2].partition("</dl>")[0]
    )
