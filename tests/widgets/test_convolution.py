"""The convolution stepper in Python: its step against torch, its traits, what they refuse."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcheat.widgets.convolution import (
    CHEATSHEET_K,
    CHEATSHEET_X,
    ConvolutionStepper,
    convolution_step,
)


def random_state(rng: random.Random, integers: bool = True) -> dict[str, object]:
    """Return any state that the widget's controls can reach."""
    def number() -> float:
        return rng.randint(-9, 9) if integers else round(rng.uniform(-9, 9), 3)

    n, k = rng.randint(3, 8), rng.randint(1, 5)
    return {
        "image": [[number() for _ in range(n)] for _ in range(n)],
        "kernel": [[number() for _ in range(k)] for _ in range(k)],
        "bias": number(), "stride": rng.randint(1, 4), "padding": rng.randint(0, 3),
        "dilation": rng.randint(1, 3), "flip": rng.random() < 0.5, "relu": rng.random() < 0.7,
        "pooling": rng.choice(["none", "max", "average"]), "pool_size": rng.randint(2, 3),
        "pool_stride": rng.randint(1, 3), "position": rng.randint(0, 60)}


states = st.builds(lambda seed, whole: random_state(random.Random(seed), whole),
                   st.integers(0, 2**32), st.booleans())


def tensor(rows: object) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.double)


@given(states)
@settings(max_examples=200, deadline=None)
def test_step_equals_torch(state: dict) -> None:
    step = convolution_step(**state)
    n, k = len(state["image"]), len(state["kernel"])
    s, p, d = state["stride"], state["padding"], state["dilation"]
    if n + 2 * p < d * (k - 1) + 1:
        assert (step.output_size, step.pooled_size, step.row, step.column) == (0, 0, -1, -1)
        assert step.feature_map == step.relu_map == step.pooled_map == step.cells == []
        assert step.unread == n * n
        return
    kernel = tensor(state["kernel"])
    kernel = kernel.flip(0, 1) if state["flip"] else kernel
    expected = F.conv2d(tensor(state["image"])[None, None], kernel[None, None],
                        tensor([state["bias"]]), s, p, d)
    torch.testing.assert_close(tensor(step.feature_map), expected[0, 0], rtol=1e-12, atol=1e-10)
    active = expected.relu() if state["relu"] else expected
    torch.testing.assert_close(tensor(step.relu_map), active[0, 0], rtol=1e-12, atol=1e-10)
    if state["pooling"] != "none" and state["pool_size"] <= step.output_size:
        pool = F.max_pool2d if state["pooling"] == "max" else F.avg_pool2d
        pooled = pool(active, state["pool_size"], state["pool_stride"])[0, 0]
        torch.testing.assert_close(tensor(step.pooled_map), pooled, rtol=1e-12, atol=1e-10)
    else:
        assert step.pooled_map == step.pooled_ready == []


@given(states)
@settings(max_examples=200, deadline=None)
def test_window_by_definition(state: dict) -> None:
    step = convolution_step(**state)
    if not step.output_size:
        return
    p, s, d, k = state["padding"], state["stride"], state["dilation"], len(state["kernel"])
    padded = np.pad(np.array(state["image"], float), p)
    weights = np.array(state["kernel"], float)
    weights = weights[::-1, ::-1] if state["flip"] else weights
    assert step.position == min(state["position"], step.output_size ** 2 - 1)
    assert step.position == step.row * step.output_size + step.column
    wanted = [[step.row * s + m * d, step.column * s + q * d] for m in range(k) for q in range(k)]
    assert step.cells == wanted
    assert step.values == [padded[r, c] for r, c in wanted]
    assert step.weights == weights.flatten().tolist()
    assert step.products == pytest.approx([v * w for v, w in zip(step.values, step.weights)])
    assert step.total == pytest.approx(sum(step.products) + state["bias"], abs=1e-9)
    # which image cells any window reads, by walking over all of them
    read = np.zeros_like(padded, dtype=bool)
    for i in range(step.output_size):
        for j in range(step.output_size):
            read[i * s:i * s + step.span:d, j * s:j * s + step.span:d] = True
    n = len(state["image"])
    assert step.unread == n * n - int(read[p:p + n, p:p + n].sum())
    for a in range(step.pooled_size):
        for b in range(step.pooled_size):
            last = ((a * state["pool_stride"] + state["pool_size"] - 1) * step.output_size
                    + b * state["pool_stride"] + state["pool_size"] - 1)
            assert step.pooled_ready[a][b] == (last <= step.position)


def test_the_cheat_sheet_example() -> None:
    step = ConvolutionStepper(position=2).step()
    assert step.feature_map == [[7, 9, -1], [13, 15, 1], [9, 11, 13]]
    assert step.relu_map == [[7, 9, 0], [13, 15, 1], [9, 11, 13]]
    assert step.pooled_map == [[15, 15], [15, 15]]
    flipped = ConvolutionStepper(flip=True).step()
    assert flipped.feature_map == [[5, 7, 7], [11, 13, 13], [7, 9, 19]]


@pytest.mark.parametrize(("change", "message"), [
    ({"image": [[1, 2], [3]]}, "expected image to be a square"),
    ({"image": [[1, 2, 3], [4, 5, 6]]}, r"expected image to be a square.*shape \(2, 3\)"),
    ({"kernel": [[float("nan")]]}, "expected kernel to be a square of finite numbers"),
    ({"kernel": "abc"}, "expected kernel to be a square of finite numbers, received str 'abc'"),
    ({"kernel": []}, "expected kernel to be a square"),
    ({"stride": 0}, "expected stride of at least 1, received int 0"),
    ({"padding": -1}, "expected padding of at least 0, received int -1"),
    ({"dilation": 1.5}, "expected dilation of at least 1, received float 1.5"),
    ({"pool_size": 0}, "expected pool_size of at least 1"),
    ({"position": -1}, "expected position of at least 0"),
    ({"pooling": "median"}, "expected pooling none, max or average, received str 'median'")])
def test_step_refuses(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convolution_step(**{"image": CHEATSHEET_X, "kernel": CHEATSHEET_K, **change})


@pytest.mark.parametrize(("name", "value", "message"), [
    ("image", [[1, 2], [3, 4]], "expected image to be a square .*3 × 3 to 8 × 8, received 2 × 2"),
    ("image", torch.zeros(9, 9), "received 9 × 9"),
    ("image", "abc", "expected image to be a square of finite numbers, received str 'abc'"),
    ("kernel", torch.zeros(6, 6), "expected kernel .*1 × 1 to 5 × 5, received 6 × 6"),
    ("kernel", [[float("inf")]], "expected kernel to be a square of finite numbers"),
    ("bias", float("nan"), "expected bias to be a finite number, received nan"),
    ("stride", 0, "stride"), ("padding", 4, "padding"), ("dilation", 4, "dilation"),
    ("pooling", "median", "median"), ("pool_size", 1, "pool_size"), ("position", -1, "position"),
    ("flip", "yes", "flip")])
def test_traits_refuse_and_keep_their_value(name: str, value: object, message: str) -> None:
    stepper = ConvolutionStepper()
    before = stepper.settings()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(stepper, name, value)
    assert stepper.settings() == before


def test_traits_take_tensors_and_arrays() -> None:
    stepper = ConvolutionStepper(image=torch.eye(3), kernel=np.array([[0.5]]))
    assert stepper.image == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert stepper.kernel == [[0.5]]
    assert stepper.step().feature_map == [[0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]


def test_first_state_is_kept_for_reset() -> None:
    stepper = ConvolutionStepper(stride=2)
    stepper.stride, stepper.padding = 1, 2
    assert stepper.first["stride"] == 2 and stepper.first["padding"] == 0
    assert stepper.first["image"] == CHEATSHEET_X


def test_changes_are_seen_in_python() -> None:
    stepper, seen = ConvolutionStepper(), []
    stepper.observe(lambda change: seen.append((change["name"], change["new"])), ["kernel", "stride"])
    stepper.kernel, stepper.stride = [[1]], 2
    assert seen == [("kernel", [[1]]), ("stride", 2)]
