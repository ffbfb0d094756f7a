from lit_optim.config.read.command_line import choices
from lit_optim.preview.curves import preview
from lit_optim.preview.downsample import downsample, extrema


def test_few_points_keep_extrema_and_edges():
    assert extrema([0, 3, 1, 2, 9, 2, 2, 2, 2, 0, 1, 1, 1], 2) == [0, 4, 7, 9]
    [choice] = choices(["scheduler=warmup_cosine_restarts", "optimizer.lr=1.0", "total_steps=100000"])
    curve = preview(choice).curves[0]
    every = [curve.value(step) for step in range(100000)]
    for most in (100_000, 7_777):
        thin = downsample(curve, 100_000, most)
        assert len(thin.steps) < 2000
        assert thin.values == [every[step] for step in thin.steps]
        assert (min(thin.values), max(thin.values)) == (min(every), max(every))
        assert {0, 4999, 5000, 99999} <= {*thin.steps}
