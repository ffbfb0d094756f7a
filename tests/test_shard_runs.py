import itertools

import numpy as np
import pytest

from lit_optim.distributed import runs_of_box


@pytest.mark.parametrize("whole", [(4,), (5, 3), (3, 4, 5), (2, 3, 2, 4)])
def test_the_runs_of_every_runs_of_box(whole):
    places = np.arange(np.prod(whole)).reshape(whole)
    for ends in itertools.product(*([(a, b) for a in range(n) for b in range(a, n + 1)] for n in whole)):
        sizes, offsets = [b - a for a, b in ends], [a for a, _ in ends]
        expected = places[tuple(slice(a, b) for a, b in ends)].ravel()
        found = list(runs_of_box(whole, sizes, offsets))
        assert [place for place, _, _ in found] == list(np.cumsum([0, *(n for _, _, n in found)])[: len(found)])
        assert np.array_equal(np.concatenate([[], *(np.arange(s, s + n) for _, s, n in found)]), expected)


def test_a_scalar_and_whole_rows_are_one_run():
    assert list(runs_of_box((), (), ())) == [(0, 0, 1)]
    assert list(runs_of_box((6, 2, 5), (2, 2, 5), (3, 0, 0))) == [(0, 30, 20)]
    assert list(runs_of_box((6, 2, 5), (6, 2, 5), (0, 0, 0))) == [(0, 0, 60)]
    assert list(runs_of_box((6, 2), (0, 2), (6, 0))) == []
