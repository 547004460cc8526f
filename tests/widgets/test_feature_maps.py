"""The feature-map widget's Python side: what it sends, what it computes, what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlcheat.architectures.cnn import CNN
from dlcheat.widgets.feature_maps import FeatureMaps, centre, folded, follow, stroke


def random_cnn(seed: int, channels=(3, 4), kernel_size: int = 3, size: int = 12) -> CNN:
    """Return a CNN whose batch norms have statistics as after a training."""
    torch.manual_seed(seed)
    model = CNN(channels, kernel_size, size=size).eval()
    for block in model.blocks:
        block.norm.running_mean.normal_(0, 0.3)
        block.norm.running_var.uniform_(0.2, 2)
        block.norm.weight.data.normal_(1, 0.5)
        block.norm.bias.data.normal_(0, 0.5)
    return model


@pytest.fixture
def widget() -> FeatureMaps:
    torch.manual_seed(1)
    return FeatureMaps(random_cnn(0), torch.rand(5, 1, 12, 12), torch.tensor([3, 1, 4, 1, 5]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 5), min_size=1, max_size=3),
       st.sampled_from([1, 3, 5]), st.integers(8, 15))
def test_follow_equals_the_model(seed, channels, kernel_size, size):
    torch.manual_seed(seed)
    model, image = random_cnn(seed, channels, kernel_size, size), torch.rand(1, size, size)
    try:
        weights = folded(model)
    except ValueError:                                  # one cell left: flatten equals global
        assert model.scores.in_features == channels[-1]
        return
    followed = follow(weights, image)
    with torch.no_grad():
        torch.testing.assert_close(followed.scores, model(image[None])[0], rtol=1e-4, atol=1e-4)
        maps = image[None]
        for number, block in enumerate(model.blocks):
            for part in range(3):                       # after norm, after ReLU, after pooling
                torch.testing.assert_close(followed.steps[3 * number + part],
                                           block[:part + 2](maps)[0], rtol=1e-4, atol=1e-4)
            maps = block(maps)
    torch.testing.assert_close(followed.probabilities.sum(), torch.tensor(1.0))


def test_what_is_sent(widget):
    weights = np.frombuffer(widget.weights, "<f4")
    parts = folded(random_cnn(0))
    assert len(weights) == sum(p.numel() for p in parts)
    assert np.array_equal(weights, torch.cat([p.flatten() for p in parts]).numpy())
    assert widget.channels == [1, 3, 4, 10]
    assert (widget.kernel_size, widget.size, widget.labels) == (3, 12, [3, 1, 4, 1, 5])
    assert len(widget.images) == 5 * 144
    assert widget.pixels == widget.images[:144]
    assert widget.first == {"digit": 0, "step": 0, "channel": 0, "unit": [6, 6]}
    assert repr(widget) == "<FeatureMaps: A digit followed through the network>"


def test_choosing_a_digit_shows_its_pixels(widget):
    widget.digit = 3
    assert widget.pixels == widget.images[3 * 144:4 * 144]
    image = torch.frombuffer(bytearray(widget.pixels), dtype=torch.uint8).view(1, 12, 12) / 255
    assert torch.equal(widget.image(), image)
    torch.testing.assert_close(widget.follow().scores, follow(folded(random_cnn(0)), image).scores)


def test_first_values_can_be_given():
    made = FeatureMaps(random_cnn(0), torch.rand(2, 1, 12, 12), torch.tensor([0, 1]), digit=1,
                       step=5, channel=3, unit=[2, 1])
    assert made.first == {"digit": 1, "step": 5, "channel": 3, "unit": [2, 1]}
    assert made.pixels == made.images[144:]


def test_a_smaller_step_keeps_map_and_unit_inside(widget):
    widget.channel, widget.unit = 2, [11, 7]
    widget.step = 5
    assert (widget.channel, widget.unit) == (2, [2, 2])
    widget.channel = 3
    widget.step = 0
    assert widget.channel == 2


def test_window(widget):
    assert widget.window() == ((5, 7), (5, 7))
    widget.step, widget.unit = 2, [0, 5]
    assert widget.window() == ((-1, 2), (9, 12))


@pytest.mark.parametrize(("name", "value", "message"), [
    ("digit", 5, "expected digit to be one of 0 … 4, received int 5"),
    ("digit", -1, "expected digit to be one of 0 … 4, received int -1"),
    ("digit", "a", "digit"),
    ("step", 6, "expected step to be one of 0 … 5, received int 6"),
    ("channel", 3, "expected channel to be one of 0 … 2, received int 3"),
    ("unit", [1], r"expected unit to be \[row, column\], received \[1\]"),
    ("unit", [0, 12], "one of 0 … 11, received int 12"),
    ("pixels", b"123", "expected pixels to be 144 bytes, received 3"),
])
def test_bad_traits_are_refused(widget, name, value, message):
    before = getattr(widget, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


@pytest.mark.parametrize(("make", "message"), [
    (lambda: FeatureMaps(CNN(head="max"), torch.rand(1, 1, 28, 28), torch.tensor([0])),
     "expected a CNN with the head flatten, received str 'CNN'"),
    (lambda: FeatureMaps(torch.nn.ReLU(), torch.rand(1, 1, 28, 28), torch.tensor([0])),
     "expected a CNN with the head flatten, received str 'ReLU'"),
    (lambda: FeatureMaps(CNN(in_channels=3), torch.rand(1, 3, 28, 28), torch.tensor([0])),
     r"expected a CNN of one input channel, received tuple \(3, 28, 28\)"),
    (lambda: FeatureMaps(CNN(), torch.rand(2, 1, 28, 28), torch.tensor([0])),
     r"expected images of shape \(1, 1, 28, 28\), received a float32 tensor"),
    (lambda: FeatureMaps(CNN(), torch.zeros(1, 1, 28, 28).byte(), torch.tensor([0])),
     "expected images to be a floating-point tensor"),
    (lambda: follow(folded(CNN()), torch.zeros(28, 28)), r"expected image of shape \(1, H, W\)"),
    (lambda: follow(folded(CNN()), [0.0]), "expected image to be a floating-point tensor"),
    (lambda: stroke(torch.zeros(4, 4), (0, 0), (1, 1)), r"expected pixels of shape \(H, W\), uint8"),
    (lambda: centre(torch.zeros(4)), r"expected pixels of shape \(H, W\)"),
])
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------- the brush

def paper(n: int = 9) -> Tensor:
    return torch.zeros(n, n, dtype=torch.uint8)


def test_a_dot_is_round_and_dark_in_the_middle():
    dot = stroke(paper(), (4, 4), (4, 4))
    assert dot[4, 4] == 255
    assert torch.equal(dot, dot.T) and torch.equal(dot, dot.flip(0))
    assert dot[4, 5] == 191 and dot[4, 6] == 0


def test_erasing_undoes_painting_and_painting_twice_changes_nothing():
    drawn = stroke(paper(), (2, 2), (6, 5))
    assert torch.equal(stroke(drawn, (2, 2), (6, 5)), drawn)
    assert stroke(drawn, (2, 2), (6, 5), erase=True).sum() == 0
    assert torch.equal(stroke(paper(), (6, 5), (2, 2)), drawn)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_centre_brings_the_mass_to_the_middle(seed):
    g = torch.Generator().manual_seed(seed)
    pixels = torch.zeros(28, 28, dtype=torch.uint8)
    top, left = torch.randint(0, 15, (2,), generator=g).tolist()
    pixels[top:top + 9, left:left + 7] = torch.randint(1, 256, (9, 7), generator=g).byte()
    moved = centre(pixels).double()
    assert moved.sum() == pixels.double().sum()
    for dim in (0, 1):
        mean = (moved.sum(1 - dim) * torch.arange(28)).sum() / moved.sum()
        assert abs(mean - 13.5) <= 0.5 + 1e-9
    assert torch.equal(centre(paper()), paper())
