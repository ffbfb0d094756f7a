"""The page in headless Chromium: as wide as a phone and as a desktop, no errors, no overflow, the script at work."""

import html
import re
import shutil
import subprocess

import pytest

from _support.compared import compared
from _support.fake_comparison import FAKES, Fake
from lit_optim.cli.report.page import write_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-logging=stderr",
    "--v=0",
    "--window-size=1300,900",
)
LONG = Fake("an_optimizer_with_a_name_that_is_much_too_long_for_a_phone_" + "x" * 60)
# A window of Chromium is at least 500 pixels wide, so that the page is put into a frame.
HOST = """<!doctype html><meta charset="utf-8"><body>
<iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe>
<script>
const frame = document.querySelector("iframe"), said = {{}};
frame.onload = () => {{
  const page = frame.contentDocument, root = page.documentElement, all = s => [...page.querySelectorAll(s)];
  const seen = s => all(s).filter(each => each.getClientRects().length).length;
  said.width = frame.contentWindow.innerWidth;
  said.overflow = root.scrollWidth > frame.contentWindow.innerWidth;
  said.steps = seen("[data-at=steps]"), said.seconds = seen("[data-at=seconds]"), said.logs = seen(".log svg");
  all("button[data-set='x=seconds']")[0].click();
  all("button[data-set='y=log']")[0].click();
  said.then = [seen("[data-at=steps]"), seen("[data-at=seconds]"), seen(".log svg") > 0, seen(".linear svg")].join(" ");
  const before = seen(".c1");
  all("button[data-contender='1']")[0].click();
  said.hidden = [before > 0, seen(".c1")].join(" ");
  const svg = all("svg[data-stops]")[0], press = key => svg.dispatchEvent(new KeyboardEvent("keydown", {{key}}));
  ["Home", "ArrowRight", "ArrowLeft"].forEach(press);
  said.first = svg.parentNode.querySelector("output").textContent;
  press("Escape");
  said.after = svg.parentNode.querySelector("output").textContent;
  const box = svg.getBoundingClientRect();
  svg.dispatchEvent(new PointerEvent("pointermove", {{clientX: box.left + 30, clientY: box.top + 30}}));
  said.pointed = svg.parentNode.querySelectorAll("output span").length;
  said.small = Math.min(...all("button").filter(b => b.getClientRects().length).map(b => b.getBoundingClientRect().height));
  document.body.dataset.said = JSON.stringify(said);
}};
</script>"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed")]


def chromium(*words):
    ran = subprocess.run(
        [CHROMIUM, *OPTIONS, *map(str, words)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=True,
    )
    return ran.stdout, re.findall(r"CONSOLE.*", ran.stderr)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return write_page(compared(folder / "compare", (*FAKES, LONG), mode="min"), folder)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_and_its_script_works(page, width, tmp_path):
    host = tmp_path / "host.html"
    host.write_text(HOST.format(width=width, page=html.escape(page.read_text(encoding="utf-8"))), encoding="utf-8")
    shown, errors = chromium("--dump-dom", host.as_uri())
    assert errors == []
    said = html.unescape(re.search('data-said="([^"]*)"', shown)[1])
    assert f'"width":{width},"overflow":false,"steps":' in said
    assert '"seconds":0,"logs":0,"then":"0 2 true 0","hidden":"true 0"' in said
    assert re.search('"first":"seed 101[^"]+ 0.1[^"]*","after":"","pointed":1', said), said


def test_the_page_itself_has_no_errors_and_is_whole_without_its_script(page, tmp_path):
    shown, errors = chromium("--dump-dom", page.as_uri())
    assert errors == []
    assert 'data-x="steps"' in shown
    without = tmp_path / "without.html"
    text = page.read_text(encoding="utf-8")
    without.write_text(re.sub("<script>.*</script>", "", text, flags=re.DOTALL), encoding="utf-8")
    shown, errors = chromium("--dump-dom", without.as_uri())
    assert errors == []
    assert "disabled" in shown
