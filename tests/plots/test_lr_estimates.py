"""The picture of estimates: it goes on to the end of the run, and says what the console says."""

import logging

import pytest

from _support.net import Net, fit
from lit_optim.callbacks.swats import callback as swats
from lit_optim.plots import lr_estimates


def drawn(monkeypatch, caplog, tmp_path, **options):
    """Fit 3 epochs of 8 steps; return the axes of the picture, and the console's line on the switch."""
    figures = []

    def keep(*args):
        figures.append(lr_estimates.draw_estimates(*args))
        return figures[-1]

    monkeypatch.setattr(swats, "draw_estimates", keep)
    monkeypatch.setattr(logging.getLogger("lightning.pytorch"), "propagate", True)
    specs = {"swats": {"_target_": "lit_optim.callbacks.SWATS", "at": 10, **options}}
    with caplog.at_level(logging.INFO):
        module, _ = fit(tmp_path, Net("adam", scheduler="warmup_cosine", optim_callbacks=specs), max_epochs=3)
    said = [record.message for record in caplog.records if "SGD with momentum" in record.message]
    return module, figures[0].axes[0], said


def test_the_picture_of_a_run(monkeypatch, caplog, tmp_path):
    module, axes, said = drawn(monkeypatch, caplog, tmp_path)
    (label,) = [text.get_text() for text in axes.texts if "SGD" in text.get_text()]
    assert [label.replace("\n", " ")] == said
    estimates, average, used = (line for line in axes.lines if len(line.get_xdata()) > 2)
    assert [*used.get_xdata()] == [*range(1, 25)]
    assert [[lr] for lr in used.get_ydata()] == module.used
    assert len(estimates.get_xdata()) == len(average.get_xdata()) == 10
    number = float(label.rpartition("* ")[2])
    assert number == pytest.approx(average.get_ydata()[-1], rel=1e-2)
    assert [line.get_xdata()[0] for line in axes.lines if len(line.get_xdata()) == 2] == [10]
    assert axes.get_xlim() == (0, 24)
    assert axes.get_title(loc="left").startswith("SWATS, warmup + cosine")
    assert {"warmup", "main"} <= {text.get_text() for text in axes.texts}
