"""Every number of a report is what an independent script computes from the raw files."""

import csv
import math

import pytest

from _support.fake_comparison import FAKES, PLANTED, Fake, write_comparison
from _support.recomputed_report import differences
from lit_optim.cli.main import main

COMPARISONS = {
    "whole": ({}, FAKES),
    "a metric that falls": ({"mode": "min"}, FAKES),
    "paper": ({"budget": 15, "studies": 3, "seeds": range(101, 111), "tier": "paper"}, FAKES[:4]),
    "quick": ({"seeds": (), "tier": "quick"}, FAKES),
    "one seed": ({"seeds": (7,)}, FAKES[:2]),
    "in part": ({}, (Fake("adam", missing=(104, 105)), PLANTED, Fake("dead", all_trials_diverge=True))),
    "noise": ({"noise": 0.3, "budget": 9}, FAKES),
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_numbers(name, tmp_path, capsys):
    options, fakes = COMPARISONS[name]
    folder = write_comparison(tmp_path / "c", fakes, **options)
    assert main(["report", str(folder)]) == 0
    assert differences(folder, folder / "report") == []


@pytest.mark.parametrize(
    ("file", "column"), [("summary", "iqm_low"), ("comparisons", "p"), ("runs", "steps_to_target")]
)
def test_a_number_that_is_changed_is_found(file, column, tmp_path, capsys):
    folder = write_comparison(tmp_path / "c")
    main(["report", str(folder)])
    path = folder / "report" / f"{file}.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    changed = next(row for row in rows if row[column] and math.isfinite(float(row[column])))
    changed[column] = str(float(changed[column]) * (1 + 1e-6) + 1e-6)
    with path.open("w", newline="") as lines:
        writer = csv.DictWriter(lines, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    (found,) = differences(folder, folder / "report")
    assert column in found
