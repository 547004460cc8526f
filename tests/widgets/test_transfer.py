"""The transfer widget in Python: what it carries, what it fits, and what it refuses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import traitlets

from dlcheat.transfer import LABELS, SOURCES, linear_probe, sweep
from dlcheat.widgets.transfer import CLASSES, OFFERED, TESTED, Transfer, fit_head, shown


def test_it_carries_little():
    data = shown()
    size = sum(len(data[k]) for k in ("classes", "features", "pixels"))
    assert size < 75_000 and len(repr(data["scores"])) < 6_000


def test_offered_digits_stand_class_after_class():
    classes = list(shown()["classes"])
    assert classes[:30] == [c for c in range(CLASSES) for _ in range(OFFERED)]
    assert classes[30:] == [c for c in range(CLASSES) for _ in range(TESTED)]


@pytest.mark.parametrize("source", SOURCES)
def test_the_head_is_a_linear_probe(source):
    chosen = [0, 3, 7, 12, 20, 29]
    head, data = fit_head(source, chosen), shown()
    table = np.frombuffer(data["features"], np.uint8).reshape(4, 280, 32)[SOURCES.index(source)]
    x = torch.tensor(table.astype(float)) * data["scales"][SOURCES.index(source)]
    y = torch.tensor(list(data["classes"]))
    weight, bias = linear_probe(x[chosen], y[chosen], 5, l2=0.01)
    torch.testing.assert_close(head.weight, weight)
    assert torch.equal(head.predictions, F.linear(x[30:], weight, bias).argmax(1))
    assert head.accuracy == pytest.approx((head.predictions == y[30:]).double().mean().item())


def test_no_head_without_two_classes():
    assert fit_head("digits", []) is None and fit_head("digits", [0, 1, 5]) is None
    assert Transfer(chosen=[0, 6]).head() is not None and Transfer().head() is None


def test_scores_are_the_sweeps():
    widget = Transfer(source="none", frozen=1, labels=50)
    five = sweep().accuracy[3, 1, LABELS.index(50)]
    low, mean, high = widget.scores()
    assert (low, high) == pytest.approx((five.min(), five.max()), abs=1e-3)
    assert mean == pytest.approx(five.mean(), abs=1e-3)


def test_chosen_is_kept_in_order():
    widget = Transfer(chosen=[9, 2, 4])
    assert widget.chosen == [2, 4, 9]
    assert repr(widget) == "<Transfer>"


@pytest.mark.parametrize("state", [
    {"source": "cats"}, {"frozen": 4}, {"frozen": -1}, {"labels": 3}, {"chosen": [30]},
    {"chosen": [-1]}, {"chosen": [1, 1]}, {"chosen": ["a"]}])
def test_bad_states_are_refused(state):
    with pytest.raises(traitlets.TraitError):
        Transfer(**state)


@pytest.mark.parametrize("call", [lambda: fit_head("cats", [0, 6]), lambda: fit_head("digits", [0, 30]),
                                  lambda: fit_head("digits", [0, 0, 6])])
def test_bad_heads_are_refused(call):
    with pytest.raises(ValueError, match="expected"):
        call()
