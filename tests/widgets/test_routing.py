"""The routing stepper in Python: its state, what it refuses, and what it sends."""

import json

import numpy as np
import pytest
import torch
import traitlets

from dlcheat.architectures.capsnet import CapsNet
from dlcheat.layers.capsule import dynamic_routing
from dlcheat.widgets.routing import RoutingStepper, plane


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return CapsNet(channels=4, capsules=2, hidden=(8, 8))


@pytest.fixture(scope="module")
def images():
    return torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))


def test_the_first_state_is_the_worked_example():
    stepper = RoutingStepper()
    assert (stepper.mode, stepper.preset, stepper.iteration) == ("yours", "worked", 0)
    assert np.shape(stepper.vectors) == (3, 2, 2)
    assert repr(RoutingStepper(title="x")) == "<RoutingStepper: x>"


def test_what_a_network_sends(network, images):
    labels = torch.tensor([7, 1, 4])
    stepper = RoutingStepper.from_network(network, images, labels, shown=5, iteration=2)
    digits = json.loads(stepper.digits)
    assert (stepper.mode, stepper.iteration, stepper.digit) == ("network", 2, 0)
    assert (stepper.parts, stepper.wholes, stepper.dimensions) == (72, 10, 16)
    assert [d["label"] for d in digits] == labels.tolist()
    assert stepper.pair == digits[0]["pair"] and stepper.pair[0] == 7
    assert len(stepper.images) == 3 * 784 and len(stepper.bases) == 3 * 10 * 2 * 16 * 4

    packed = np.frombuffer(stepper.predictions, np.int8).reshape(3, 72, 10, 16)
    with torch.no_grad():
        exact = network.digits.predictions(network.parts(images))
    for k, digit in enumerate(digits):
        sent = torch.from_numpy(packed[k].astype(np.float32)) * digit["scale"]
        assert (sent - exact[k]).abs().max() <= 0.51 * digit["scale"]
        torch.testing.assert_close(dynamic_routing(sent), network(images)[k], atol=5e-3, rtol=0.05)
        loudness = exact[k].norm(dim=-1).amax(1)
        assert [s["part"] for s in digit["shown"]] == loudness.topk(5).indices.tolist()
        for place in digit["shown"]:
            assert place["part"] % 36 == 6 * place["row"] + place["column"]


def test_the_plane_holds_what_a_plane_can_hold():
    torch.manual_seed(0)
    vectors = torch.randn(30, 6, dtype=torch.float64) * torch.tensor([5, 1, 4, 1, 1, 1.0])
    basis = plane(vectors)
    torch.testing.assert_close(basis @ basis.T, torch.eye(2, dtype=torch.float64))
    kept = (vectors @ basis.T).square().sum()
    torch.testing.assert_close(kept, torch.linalg.svdvals(vectors)[:2].square().sum())


@pytest.mark.parametrize(("trait", "value", "message"), [
    ("iteration", 6, "iteration"), ("iteration", -1, "iteration"), ("iteration", 1.5, "iteration"),
    ("mode", "mine", "mode"), ("mode", "network", "expected mode 'yours' in a stepper without"),
    ("preset", "none", "preset"), ("digit", 1, "expected a digit from 0 to 0, received 1"),
    ("pair", [0, 0], r"expected a pair of two capsules from 0 to 1, received \[0, 0\]"),
    ("pair", [0, 5], "expected a pair of two capsules"),
    ("vectors", [], r"expected vectors of shape \(I, 2, 2\)"),
    ("vectors", [[[0, 0], [0, 1.6]]], "values from -1.5 to 1.5, received"),
    ("vectors", [[[0, 0], [0, float("nan")]]], "values from -1.5 to 1.5, received"),
    ("vectors", [[[0, 0], [0, "x"]]], r"expected vectors of shape \(I, 2, 2\)"),
    ("vectors", [[[0, 0]]] * 3, r"expected vectors of shape \(I, 2, 2\)"),
    ("vectors", [[[0, 0], [0, 1]]] * 9, "with I from 1 to 8"),
])
def test_bad_state_is_refused_and_the_old_one_stays(trait, value, message):
    stepper = RoutingStepper()
    before = getattr(stepper, trait)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(stepper, trait, value)
    assert getattr(stepper, trait) == before


@pytest.mark.parametrize(("call", "message"), [
    (lambda n, x: RoutingStepper.from_network(n, x, torch.tensor([1])), "expected 3 labels"),
    (lambda n, x: RoutingStepper.from_network(n, x, torch.arange(3), 0), "expected 1 to 72 shown"),
    (lambda n, x: RoutingStepper.from_network(n, x[:, 0], torch.arange(3)), "expected images of"),
    (lambda n, x: plane(torch.zeros(1, 3)), r"expected predictions of shape \(I, D\), both at"),
])
def test_bad_arguments_are_named(network, images, call, message):
    with pytest.raises(ValueError, match=message):
        call(network, images)
