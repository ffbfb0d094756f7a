"""The colors can be told from what is behind them, and from each other, in both themes and without a cone."""

import itertools

import pytest

from lit_optim.plots.palette import DARK, LIGHT, css_variables

# linear RGB as seen without red, without green, without blue receptors (Machado et al. 2009, severity 1)
BLIND = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(color):
    shares = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]


def contrast(a, b):
    """That of WCAG 2, from 1 to 21."""
    light = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in (linear(a), linear(b)))
    return (light[1] + 0.05) / (light[0] + 0.05)


def lab(rgb):
    x, y, z = (
        sum(w * max(c, 0) for w, c in zip(row, rgb, strict=True)) / white
        for row, white in zip(
            [(0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)],
            (0.9505, 1.0, 1.089),
            strict=True,
        )
    )
    f = [t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def seen(color, blind):
    return lab([sum(w * c for w, c in zip(row, linear(color), strict=True)) for row in BLIND[blind]])


def test_the_measures():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # a well-known pair
    assert seen("#ff0000", "none") == pytest.approx((53.24, 80.09, 67.2), abs=0.1)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(palette):
    for behind in (palette.background, *palette.bands):
        assert contrast(palette.ink, behind) >= 7
        assert min(contrast(line, behind) for line in palette.lines) >= 3
    assert contrast(*palette.bands) >= 1.08


@pytest.mark.parametrize("blind", BLIND)
@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_lines_differ(palette, blind):
    """Lines have dashes too; here no two colors may be taken for one (a just visible difference is 2.3)."""
    for a, b in itertools.combinations(palette.lines, 2):
        assert sum((x - y) ** 2 for x, y in zip(seen(a, blind), seen(b, blind), strict=True)) ** 0.5 > 10, (a, b)


def test_both_themes_have_the_same_variables():
    names = [[pair.split(":")[0] for pair in css_variables(p).split("; ")] for p in (LIGHT, DARK)]
    assert names[0] == names[1]
    assert len(names[0]) == len(LIGHT.lines) + 5
