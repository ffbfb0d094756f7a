"""What is measured is marked in every file of a report, so that two equal comparisons can be compared."""

import csv
import json

import pytest

from _support.fake_comparison import write_comparison
from _support.lasting_report import lasting_report
from lit_optim.cli.main import main


def times(text, factor):
    """The rows of a record with other seconds."""
    rows = [*csv.DictReader(text.splitlines())]
    lines = [
        ",".join(rows[0]),
        *(",".join([*{**r, "seconds": str(float(r["seconds"]) * factor)}.values()]) for r in rows),
    ]
    return "\n".join(lines) + "\n"


def measured_again(folder):
    for number, record in enumerate(sorted(folder.glob("runs/*/*/record"))):
        factor = 3.7 + number % 5
        for name in ("steps.csv", "metrics.csv"):
            if (record / name).read_text().count("\n") > 1:
                (record / name).write_text(times((record / name).read_text(), factor))
        run = json.loads((record / "run.json").read_text())
        run["measured"]["seconds"] *= factor
        run["measured"]["step_seconds"]["median"] *= factor
        run["measured"]["peak_memory"] = int(run["measured"]["peak_memory"] * factor)
        (record / "run.json").write_text(json.dumps(run))


@pytest.mark.usefixtures("capsys")
def test_other_times_and_memory_change_nothing_but_what_is_marked(tmp_path):
    folder = write_comparison(tmp_path / "c")
    main(["report", str(folder)])
    before, page = lasting_report(folder), (folder / "report/index.html").read_text()
    measured_again(folder)
    main(["report", str(folder)])
    assert (folder / "report/index.html").read_text() != page
    for name, text in lasting_report(folder).items():
        assert text == before[name], name
    assert all(len(text) > 500 for text in before.values())
    file = folder / "runs/planted/seed-0/record/metrics.csv"
    file.write_text(file.read_text().replace(",0.", ",0.1"))  # scores
    main(["report", str(folder)])
    assert all(text != before[name] for name, text in lasting_report(folder).items())
