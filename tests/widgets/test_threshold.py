"""The threshold explorer in Python: its scores, its numbers, its state, and what it refuses."""

import math

import numpy as np
import pytest
import sklearn.metrics as sk
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcheat.widgets.threshold import (
    COSTS,
    PREVALENCES,
    SAMPLES,
    THRESHOLDS,
    ThresholdExplorer,
    counts_at,
    draw_scores,
)


@given(st.sampled_from(THRESHOLDS), st.integers(0, 30), st.sampled_from(PREVALENCES),
       st.sampled_from(SAMPLES), st.sampled_from(COSTS), st.integers(1, 999))
@settings(max_examples=40, deadline=None)
def test_the_numbers_are_scikit_learns(threshold, tenths, prevalence, samples, cost, seed):
    widget = ThresholdExplorer(threshold=threshold, separation=tenths / 10, prevalence=prevalence,
                               samples=samples, cost=cost, seed=seed)
    labels, scores = widget.data()
    look, reported = widget.look(), (scores >= threshold).astype(int)
    assert look.counts == tuple(sk.confusion_matrix(labels, reported, labels=[0, 1]).ravel())
    assert look.auc == pytest.approx(sk.roc_auc_score(labels, scores), abs=1e-12)
    assert look.average_precision == pytest.approx(sk.average_precision_score(labels, scores), abs=1e-12)
    assert look.ratios.mcc == pytest.approx(sk.matthews_corrcoef(labels, reported), abs=1e-12)
    assert look.cost == look.counts[1] + cost * look.counts[2] >= look.least
    _, fp, fn, _ = counts_at(labels, scores, look.cheapest)
    assert look.least == fp + cost * fn


def test_the_bells_are_what_they_say():
    labels, scores = draw_scores(1.5, 0.5, 0.5, 2000, seed=3)
    assert (labels == 1).sum() == 1000
    for label, mean, spread in ((0, 0, 1), (1, 1.5, 0.5)):
        own = scores[labels == label]
        assert own.mean() == pytest.approx(mean, abs=4 * spread / math.sqrt(1000))
        assert own.std() == pytest.approx(spread, rel=0.08)


def test_settings_move_the_samples_not_the_dice():
    few, many = draw_scores(1, 1, 0.2, 50, 7)[1], draw_scores(1, 1, 0.2, 500, 7)[1]
    assert (few[:40] == many[:40]).all() and (few[40:] == many[400:410]).all()
    wide = draw_scores(2, 2, 0.2, 50, 7)[1]
    np.testing.assert_allclose((wide[40:] - 2) / 2, few[40:] - 1)


@pytest.mark.parametrize(("prevalence", "samples", "positives"), [
    (0.01, 20, 1), (0.99, 20, 19), (0.3, 50, 15), (0.05, 50, 3)])
def test_both_classes_are_there(prevalence, samples, positives):
    assert draw_scores(1, 1, prevalence, samples, 1)[0].sum() == positives


@pytest.mark.parametrize(("trait", "value", "message"), [
    ("threshold", 8.5, "expected threshold from -4 to 8, received 8.5"), ("threshold", math.nan, "threshold"),
    ("separation", -0.1, "expected separation from 0 to 3"), ("spread", 0.4, "expected spread from 0.5"),
    ("prevalence", 0.15, "expected prevalence to be one of"),
    ("samples", 30, "expected samples to be one of"),
    ("cost", 3.0, "expected cost to be one of"), ("bars", "both", "bars"), ("seed", 0, "seed")])
def test_bad_state_is_refused_and_the_old_one_stays(trait, value, message):
    widget = ThresholdExplorer()
    before = getattr(widget, trait)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(widget, trait, value)
    assert getattr(widget, trait) == before
    assert repr(widget) == "<ThresholdExplorer: A threshold, and all that follows from it>"


@pytest.mark.parametrize(("arguments", "message"), [
    ((1, 1, 0, 50, 1), "expected prevalence above 0 and below 1"),
    ((1, 1, 0.5, 1, 1), "expected samples of at least 2"), ((1, 0, 0.5, 50, 1), "expected spread above 0")])
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw_scores(*arguments)
