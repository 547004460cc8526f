"""Points in the plane: their shapes, their formulas, what is refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcheat.datasets.points import LIMIT, POINTS, moons, rings, spirals, xor

every_set = pytest.mark.parametrize("draw", POINTS.values(), ids=POINTS)


@every_set
@given(st.integers(2, 60), st.floats(0, 3), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_shapes_range_and_balance(draw, n, noise, seed):
    points, labels = draw(n, noise, torch.Generator().manual_seed(seed))
    assert points.shape == (n, 2) and points.dtype == torch.float64
    assert labels.shape == (n,) and labels.dtype == torch.int64
    assert points.abs().max() <= LIMIT
    assert labels.tolist() == [i % 2 for i in range(n)]


@every_set
def test_a_seed_gives_the_same_points(draw):
    first, second = (draw(50, generator=torch.Generator().manual_seed(3))[0] for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, draw(50, generator=torch.Generator().manual_seed(4))[0])


def test_without_noise_the_points_lie_on_their_curves():
    points, labels = moons(200, noise=0)
    sign = 1 - 2 * labels
    arc = sign[:, None] * points / 1.5 + torch.tensor([0.5, 0.25], dtype=torch.double)
    torch.testing.assert_close(arc.norm(dim=1), torch.ones(200, dtype=torch.double))
    assert (arc[:, 1] >= 0).all()

    points, labels = xor(8, noise=0)
    assert (points.abs() == 1.5).all() and len(points.unique(dim=0)) == 4
    assert torch.equal((points.prod(1) < 0).long(), labels)

    points, labels = rings(100, noise=0)
    torch.testing.assert_close(points.norm(dim=1), 0.7 + 1.5 * labels.double())

    points, labels = spirals(100, noise=0)
    radius = points.norm(dim=1)
    turned = torch.atan2(*(points * (1 - 2 * labels)[:, None]).T.flip(0)) % (2 * math.pi)
    torch.testing.assert_close(turned, 2 * math.pi * (radius - 0.3) / 2.3, atol=1e-9, rtol=0)


@every_set
@pytest.mark.parametrize(("arguments", "message"), [
    ({"n": 1}, "expected n to be an integer of at least 2, received int 1"),
    ({"n": 2.0}, "expected n to be an integer"), ({"n": True}, "expected n to be an integer"),
    ({"noise": -0.1}, "expected noise to be a number of at least 0, received float -0.1"),
    ({"noise": float("nan")}, "expected noise"), ({"noise": "a"}, "expected noise"),
])
def test_bad_input_is_named(draw, arguments, message):
    with pytest.raises(ValueError, match=message):
        draw(**arguments)
