"""The page of a report: its structure, what is hostile, what is missing, and that it is the same every time."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from _support.compared import compared
from _support.fake_comparison import FAKES, Fake
from lit_optim.cli.report.page import png, report_page, write_page
from lit_optim.cli.report.page.markup import NONE
from lit_optim.plots.palette import DARK, LIGHT

VOID = {"meta", "link", "br"}
SECTIONS = [
    "Ranking", "Curves", "Time to the target", "Tuning", "Cost", "Schedules and param groups", "Runs", "What to try next",
    "Where the numbers come from",
]  # fmt: skip
HOSTILE = "</style></script><script>alert(1)</script>\"'&$x_{"


class Page(HTMLParser):
    """Collects elements and texts; fails where elements are not nested."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.texts.append((self.open[-1], data))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def said(self, tag):
        return [text for name, text in self.texts if name == tag]


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    return compared(tmp_path_factory.mktemp("study") / "compare")


def partial(tmp_path, *fakes, **arguments):
    return compared(tmp_path / "compare", fakes, **arguments)


def renamed(summary, name):
    """The same with a hostile name, metric, error and values wherever a user may put one."""
    first = summary.contenders[0]
    runs = tuple(replace(run, error=name, folder=name, values={name: 1.0}) for run in first.finals)
    model = replace(first.model, driven={name: ((1, 0.1), (2, 0.2))}, groups=({name: name},), switches=((1, name),))
    other = replace(
        first, name=name, finals=runs, model=model, failure=name, why_not_tuned=name, space=name, source=name
    )
    return replace(
        summary, title=name, metric=name, score_metric=name, baseline=name, sentences=(name,) * 2, warnings=(name,),
        next_steps=(name,), notes=(name,), contenders=(other, *summary.contenders[1:]),
        comparisons=tuple(replace(pair, better=name) for pair in summary.comparisons),
        provenance=replace(summary.provenance, command=(name,), script=name, hardware=(name,), versions={name: (name,)}),
    )  # fmt: skip


def check_structure(text):
    page = Page(text)
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert all(count == 1 for count in ids.values())
    for picture in page.all("svg"):
        assert picture.get("aria-hidden") == "true" or (picture["role"] == "img" and picture["aria-label"].strip())
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(each["scope"] in {"col", "row"} for each in page.all("th"))
    assert len(page.all("script")) == len(page.all("style")) == 1
    for _, attributes in page.elements:
        assert not {"src", "srcset", "onclick", "onload", "onerror"} & {*attributes}
        assert attributes.get("href", "data:,") == "data:,"
    assert not re.search(r"https?://|@import|url\(", text)
    return page


def test_the_page_of_a_comparison(summary):
    page = check_structure(report_page(summary))
    assert page.said("h2") == SECTIONS
    assert page.said("h1") == page.said("title")[:1] == [summary.title]
    assert summary.sentences[0] in page.said("p")
    for words in (*summary.sentences[1:], *summary.warnings, *summary.next_steps, *summary.notes):
        assert words in page.said("li")
    assert [each["data-contender"] for each in page.all("button") if "data-contender" in each] == list("012345")
    labels = " ".join(each.get("aria-label", "") for each in page.all("svg"))
    assert "planted ends highest, at 0.8922 [0.8862, 0.8983]; twin 0.7977" in labels
    assert "sgd does not reach it in most runs" in labels
    assert "sgd is best at lr 0.01, not tuned" in labels
    assert "muon: 5 of 5 trials failed" in labels
    assert "sgd 0 MB" in labels
    assert "momentum against optimizer steps: sgd up to 0.9" in labels
    verdicts = page.said("div")
    for words in (
        "highest mean",
        "worse than planted",
        "1 of 5 final runs diverged (seed 103): step 100: the loss is nan",
    ):
        assert words in verdicts
    folders = [run.folder for each in summary.contenders for run in (*each.trials, *each.finals)]
    assert {*folders} <= {*page.said("th")}


def test_what_users_write_is_text(summary):
    text = report_page(renamed(summary, HOSTILE))
    page = check_structure(text)
    assert page.said("h1") == page.said("title")[:1] == [HOSTILE]
    assert "alert(1)</script>" not in text
    assert (page.said("li").count(HOSTILE), page.said("dd").count(HOSTILE)) == (4, 2)  # script and hardware


def test_two_that_are_alike_are_not_ranked_one_above_the_other_in_words(tmp_path):
    text = report_page(partial(tmp_path, Fake("adam"), Fake("twin"), Fake("planted", 0.9)))
    assert "not distinguishable" in text
    assert "worse than planted" in text


NO_RANKING = {
    "one seed": dict(seeds=(1,)),
    "no final run": dict(seeds=()),
    "one trial": dict(budget=1, seeds=(1, 2)),
    "no baseline": dict(baseline="adam", seeds=()),
}


@pytest.mark.parametrize("arguments", NO_RANKING.values(), ids=NO_RANKING)
def test_a_part_of_a_comparison_has_a_page_without_a_verdict(arguments, tmp_path):
    summary = partial(tmp_path, Fake("adam"), Fake("planted", 0.9), **arguments)
    page = check_structure(report_page(summary))
    assert page.said("h2") == [("Final runs" if summary.no_ranking else "Ranking"), *SECTIONS[1:]]
    if summary.no_ranking:
        assert not any("ends highest" in each.get("aria-label", "") for each in page.all("svg"))
        assert any(summary.no_ranking in text for _, text in page.texts)
        assert not {"highest mean", "worse than planted", "Every pair"} & {text for _, text in page.texts}


@pytest.mark.parametrize(
    "fakes", [(), (FAKES[-1],), (Fake("wild", all_trials_diverge=True),)], ids=["none", "crashed", "diverged"]
)
def test_a_comparison_in_which_nothing_finished_has_a_page(fakes, tmp_path):
    page = check_structure(report_page(partial(tmp_path, *fakes)))
    assert "There is no target: no final run of the baseline has finished." in page.said("p")


def test_lower_is_better_too(tmp_path):
    text = report_page(partial(tmp_path, Fake("adam"), Fake("planted", 0.9), mode="min"))
    assert "planted ends lowest" in text
    assert "The same on a logarithmic axis" in text


def test_scores_of_final_runs_are_not_shown_as_those_of_another_metric(tmp_path):
    page = Page(report_page(partial(tmp_path, Fake("adam"), Fake("planted", 0.9), test_metric="val/other")))
    assert "All runs that are over; score: val/acc of trials, val/other of final runs; best: val/acc" in page.said(
        "span"
    )
    assert "Score" in page.said("th")
    assert "val/acc" not in page.said("th")


def test_equal_summaries_give_equal_bytes(summary, tmp_path):
    (tmp_path / "b").mkdir()
    first, second = write_page(summary, tmp_path), write_page(replace(summary), tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "report.png").read_bytes() == (tmp_path / "b" / "report.png").read_bytes()


def test_names_with_formulas_are_drawn(summary, tmp_path):
    png.write_picture(renamed(summary, HOSTILE), tmp_path)
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_the_page_says_what_to_install(summary, tmp_path, monkeypatch):
    monkeypatch.setattr(png, "find_spec", lambda name: None)
    page = Page(write_page(summary, tmp_path).read_text(encoding="utf-8"))
    assert "report.png is left out: pip install 'lit-optim[plot]'" in page.said("dd")
    assert not (tmp_path / "report.png").exists()


def test_ten_contenders_each_have_a_rule_that_hides_them(tmp_path):
    text = report_page(
        partial(tmp_path, *(Fake(f"optimizer{i}", 0.8 - i / 100) for i in range(10)), seeds=(1, 2, 3), budget=3)
    )
    assert all(f'[data-off~="{i}"] .c{i} {{ display: none; }}' in text for i in range(10))
    check_structure(text)


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first, second):
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_texts_have_the_contrast_of_aa(palette):
    assert min(contrast(palette.ink, other) for other in (palette.background, *palette.bands)) >= 4.5
    assert min(contrast(line, palette.background) for line in palette.lines) >= 3


def test_a_value_that_is_none_is_a_dash(summary):
    first = next(each for each in summary.contenders if each.model)
    model = replace(first.model, groups=({"name": "head", "lr": None},))
    others = (each for each in summary.contenders if each.name != first.name)
    said = check_structure(report_page(replace(summary, contenders=(replace(first, model=model), *others)))).said("td")
    assert said[said.index("head") + 1] == NONE
    assert "None" not in said
