"""The embedding in Python: gradients are differences, steps lower the loss, states that fit or not."""

from __future__ import annotations

import math

import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcheat.widgets.embedding import (
    ANGLES,
    MODES,
    PAIR,
    TRIPLET,
    Embedding,
    embedding_step,
    kind_of,
    loss_of,
    on_circle,
)

OPTIONS = {"margin": st.floats(0.1, 2), "squared": st.booleans(), "similar": st.booleans(),
           "temperature": st.sampled_from([0.05, 0.2, 1.0])}


def drawn(mode, seed):
    generator = torch.Generator().manual_seed(seed)
    if mode == "info_nce":
        return 360 * torch.rand(3 + seed % 5, generator=generator, dtype=torch.float64) - 180
    return torch.randn({"triplet": 3, "contrastive": 2}[mode], 2, generator=generator).double()


def value(mode, points, options):
    return loss_of(mode, on_circle(points) if mode == "info_nce" else points, **options).item()


@settings(deadline=None)
@given(mode=st.sampled_from(MODES), seed=st.integers(0, 10_000), options=st.fixed_dictionaries(OPTIONS))
def test_gradients_are_differences(mode, seed, options):
    points = drawn(mode, seed)
    step = embedding_step(mode, points, **options)
    assert step.loss == pytest.approx(value(mode, points, options), abs=1e-12)
    h, flat = 1e-6, points.flatten()
    found = []
    for i in range(len(flat)):
        pair = []
        for side in (h, -h):
            moved = flat.clone()
            moved[i] += side * (180 / math.pi if mode == "info_nce" else 1)
            pair.append(value(mode, moved.view_as(points), options))
        found.append((pair[0] - pair[1]) / (2 * h))
    if step.loss > 1e-4:                                         # not at the hinge
        torch.testing.assert_close(torch.tensor(found), step.gradients.flatten().float(),
                                   rtol=1e-3, atol=1e-4)


@settings(deadline=None)
@given(mode=st.sampled_from(MODES), seed=st.integers(0, 10_000), options=st.fixed_dictionaries(OPTIONS))
def test_a_small_step_lowers_the_loss_and_moves_no_middle(mode, seed, options):
    points = drawn(mode, seed)
    step = embedding_step(mode, points, 1e-4, **options)
    after = value(mode, step.points, options)
    assert after <= step.loss + 1e-9
    # only differences count: the pulls on all points add up to nothing
    torch.testing.assert_close(step.gradients.sum(0), torch.zeros_like(step.gradients[0]),
                               atol=1e-9, rtol=0)


def test_triplets_on_paper():
    points = [[0.0, 0.0], [3.0, 4.0], [0.0, 5.5]]
    plain = embedding_step("triplet", points, 1.0, margin=1.0)
    assert plain.loss == 0.5
    torch.testing.assert_close(plain.gradients, torch.tensor(
        [[-0.6, 0.2], [0.6, 0.8], [0, -1]], dtype=torch.float64))
    torch.testing.assert_close(plain.points, torch.tensor(
        [[0.6, -0.2], [2.4, 3.2], [0, 6.5]], dtype=torch.float64))
    squared = embedding_step("triplet", points, 1.0, margin=6.0, squared=True)
    assert squared.loss == 25 - 30.25 + 6
    torch.testing.assert_close(squared.gradients, torch.tensor(
        [[-6, 3], [6, 8], [0, -11]], dtype=torch.float64))


def test_pairs_on_paper():
    points = [[0.0, 0.0], [0.3, 0.4]]
    near = embedding_step("contrastive", points, similar=True)
    far = embedding_step("contrastive", points, similar=False, margin=1.5)
    assert near.loss == pytest.approx(0.125) and far.loss == pytest.approx(0.5)
    torch.testing.assert_close(near.gradients[1], torch.tensor([0.3, 0.4]).double())
    torch.testing.assert_close(far.gradients[1], -torch.tensor([0.6, 0.8]).double())
    one_spot = embedding_step("contrastive", [[1.0, 1.0], [1.0, 1.0]], margin=1.0)
    assert one_spot.loss == 0.5 and not one_spot.gradients.any()


def test_info_nce_on_paper():
    step = embedding_step("info_nce", [0.0, 0.0, 180.0], temperature=1.0)
    assert step.loss == pytest.approx(math.log(1 + math.exp(-2)))
    widget = Embedding(mode="info_nce", negatives=6, temperature=2.0)
    assert widget.probabilities().sum() == pytest.approx(1)
    assert -math.log(widget.probabilities()[0]) == pytest.approx(widget.look().loss)
    # two keys at one angle take the same share of the push
    step = embedding_step("info_nce", [90.0, 80.0, 120.0, 120.0], temperature=0.3)
    assert step.gradients[2] == pytest.approx(step.gradients[3].item())


@pytest.mark.parametrize(("far", "margin", "squared", "kind"), [
    (0.9, 0.5, False, "hard"), (1.0, 0.5, False, "hard"), (1.4, 0.5, False, "semi-hard"),
    (1.5, 0.5, False, "easy"), (1.2, 0.5, True, "semi-hard"), (1.3, 0.5, True, "easy"),
    (9.0, 0.1, True, "easy")])
def test_kinds(far, margin, squared, kind):
    points = [[0.0, 0.0], [1.0, 0.0], [0.0, far]]
    assert kind_of(points, margin, squared) == kind
    loss = embedding_step("triplet", points, margin=margin, squared=squared).loss
    assert (loss == 0) == (kind == "easy") and (loss >= margin) == (kind == "hard")


@pytest.mark.parametrize("state", [
    {}, {"squared": True, "margin": 0.2}, {"mode": "contrastive"},
    {"mode": "contrastive", "similar": True}, {"mode": "info_nce"},
    {"mode": "info_nce", "temperature": 0.05}])
def test_training_ends_where_it_should(state):
    widget = Embedding(**state)
    before = widget.look().loss
    after = widget.train(400)
    assert after.loss < 0.15 * before and widget.steps == 400
    if widget.mode == "triplet":
        assert widget.kind() == "easy" and after.loss == 0
    if widget.mode == "contrastive":
        (a, b), (c, d) = widget.pair
        aim = 0 if widget.similar else widget.margin
        assert math.hypot(a - c, b - d) == pytest.approx(aim, abs=1e-3)
    if widget.mode == "info_nce":
        assert widget.angles[6:] == list(ANGLES[6:])             # what is not used stays
        assert widget.probabilities().argmax() == 0


def test_first_state():
    widget = Embedding()
    assert widget.triplet == [list(p) for p in TRIPLET] and widget.pair == [list(p) for p in PAIR]
    assert repr(widget) == "<Embedding: Points that a loss moves>"
    other = Embedding()
    other.train(3)
    assert widget.triplet == [list(p) for p in TRIPLET]          # no state is shared


@pytest.mark.parametrize(("state", "message"), [
    ({"mode": "quadruplet"}, "mode"), ({"triplet": [[0.0, 0.0]] * 2}, "triplet"),
    ({"pair": [[0.0, 0.0], [0.0]]}, "pair"), ({"pair": [[0.0, 0.0], [0.0, 99.0]]}, "pair"),
    ({"pair": [[0.0, 0.0], [0.0, math.nan]]}, "finite points"), ({"angles": [0.0, 1.0]}, "angles"),
    ({"negatives": 7}, "negatives"), ({"margin": 0.0}, "margin"), ({"temperature": 0.3001}, "temp"),
    ({"lr": 1.0}, "lr"), ({"steps": -1}, "steps")])
def test_refused_state(state, message):
    with pytest.raises(traitlets.TraitError, match=message):
        Embedding(**state)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: loss_of("quad", torch.zeros(3, 2)), "expected one of triplet, contrastive"),
    (lambda: loss_of("triplet", torch.zeros(2, 2)), "expected 3 points"),
    (lambda: loss_of("contrastive", torch.zeros(2, 3)), "expected 2 points"),
    (lambda: loss_of("info_nce", torch.zeros(2, 2)), "expected at least 3 points"),
    (lambda: embedding_step("info_nce", [[0.0, 1.0]] * 3), "expected angles of shape"),
    (lambda: Embedding().train(0), "expected steps to be an integer")])
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
