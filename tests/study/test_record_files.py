"""Records are read as they were written, tolerate a kill at any byte, and name what is damaged."""

import json
import math

import pytest

from lit_optim import ConfigError
from lit_optim.callbacks.record import record_folder
from lit_optim.callbacks.record.files import CsvRows, json_ready, rows_until
from lit_optim.study.record_files import MetricRow, StepRow, read_record, read_records

STEPS = [
    {"step": 5, "epoch": 0, "seconds": 0.5, "loss": 1.25, "grad_norm": 2.0, "update_norm": 0.5, "lr": 0.1},
    {"step": 8, "epoch": 0, "seconds": 0.75, "loss": float("nan")},
]
METRICS = [{"step": 8, "epoch": 0, "seconds": 0.6, "name": "val/acc, top 1", "value": 1 / 3}]
READ = (
    (StepRow(5, 0, 0.5, 1.25, 2.0, 0.5, {"lr": 0.1}),),
    (MetricRow(8, 0, 0.6, "val/acc, top 1", 1 / 3),),
)


def write(folder, **run):
    files = record_folder.RecordFolder(folder, {"seed": 1, **run}, "now", 0, None)
    for row in STEPS:
        files.steps.append(row)
    for row in METRICS:
        files.add_metric(row)
    files.update({"seconds": 1.0}, outcome="finished")
    files.close()
    return folder


def test_what_was_written_is_read(tmp_path):
    found = read_record(write(tmp_path / "record"))
    assert found.steps[:1] == READ[0]
    assert found.steps[1][:3] == (8, 0, 0.75)
    assert math.isnan(found.steps[1].loss)
    assert found.steps[1][4:] == (None, None, {})
    assert found.metrics == READ[1]
    assert (found.run["seed"], found.run["outcome"], found.run["measured"]["seconds"]) == (1, "finished", 1.0)


@pytest.mark.parametrize("name", ["steps.csv", "metrics.csv"])
def test_a_file_that_ends_anywhere_is_read_to_its_last_whole_row(tmp_path, name):
    path = write(tmp_path) / name
    whole, before = path.read_bytes(), 0
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        found = getattr(read_record(tmp_path), name.removesuffix(".csv"))
        assert before <= len(found) <= whole[:size].count(b"\n")
        before = len(found)
    assert before == whole.count(b"\n") - 2  # without the header and the last row


def test_a_tree_of_runs_is_sorted_and_other_files_are_left_alone(tmp_path):
    for name in ("b/record", "a/0/record", "a/1/record"):
        write(tmp_path / name)
    (tmp_path / "run.json").write_text("of another program")
    assert [run.folder for run in read_records(tmp_path)] == [
        tmp_path / n for n in ("a/0/record", "a/1/record", "b/record")
    ]


def test_all_damaged_files_are_named_at_once(tmp_path):
    for name in "abcd":
        write(tmp_path / name)
    (tmp_path / "a" / "steps.csv").write_text("step,epoch,seconds,loss,grad_norm,update_norm\n1,0,0.1,x,,\n")
    (tmp_path / "b" / "metrics.csv").unlink()
    (tmp_path / "c" / "run.json").write_text("[]")
    with pytest.raises(ConfigError) as error:
        read_records(tmp_path)
    rows, missing, run = error.value.problems
    assert rows == f"{tmp_path}/a/steps.csv: damaged, its line 2 is no row of a record: '1,0,0.1,x,,'; restore the file, or move the folder away"  # fmt: skip
    assert missing == f"{tmp_path}/b/metrics.csv: not there; name the folder of a run with optim_callbacks=record"
    assert run == f"{tmp_path}/c/run.json: damaged, is not what a record has there; restore the file, or move the folder away"  # fmt: skip


@pytest.mark.parametrize("text", ["1,0,0.1\n", "1,0,0.1,1,1,1,1\n", "\x00\x00\n", "1.5,0,0.1,1,1,1\n"])
def test_a_row_within_a_file_that_is_none(tmp_path, text):
    path = write(tmp_path) / "steps.csv"
    path.write_text("step,epoch,seconds,loss,grad_norm,update_norm\n" + text + "2,0,0.1,1,1,1\n")
    with pytest.raises(ConfigError, match="steps.csv: damaged, its line 2"):
        read_record(tmp_path)


def test_what_is_no_text_and_what_a_newer_version_wrote(tmp_path):
    path = write(tmp_path) / "steps.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="steps.csv: damaged, is no text"):
        read_record(tmp_path)
    run = tmp_path / "run.json"
    run.write_text(json.dumps({**json.loads(run.read_text()), "format": 2}))
    with pytest.raises(ConfigError, match="has format 2, and this lit-optim reads 1; update lit-optim"):
        read_record(tmp_path)


def test_no_record_at_all(tmp_path):
    with pytest.raises(ConfigError, match="holds no record of a run; add optim_callbacks=record"):
        read_records(tmp_path)
    with pytest.raises(ConfigError, match="run.json: not there"):
        read_record(tmp_path)


def test_a_new_column_and_what_a_resume_removes(tmp_path):
    path = tmp_path / "steps.csv"
    first = CsvRows(path, ["step"])
    first.append({"step": 1, "lr": 0.1})
    first.append({"step": 2, "lr": 0.1, "lr/late": 0.2})
    first.append({"step": 3, "lr/late": 0.2})
    first.close()
    assert path.read_text() == "step,lr,lr/late\n1,0.1,\n2,0.1,0.2\n3,,0.2\n"
    again = CsvRows(path, ["step"], rows_until(path, 2))
    again.append({"step": 3, "lr": 0.3})
    again.close()
    assert path.read_text() == "step,lr,lr/late\n1,0.1,\n2,0.1,0.2\n3,0.3,\n"
    assert [file.name for file in tmp_path.iterdir()] == ["steps.csv"]


def test_json_has_no_numbers_that_json_lacks():
    assert json_ready([float("inf"), {"x": (1.5, None, True)}]) == ["inf", {"x": [1.5, None, True]}]
