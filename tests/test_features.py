"""Features made by hand: against a loop over pixels, and what they promise."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcheat.features import gradients, oriented_cells, oriented_gradients, slant, thickness


def cells_by_loop(image, cell, bins):
    """The same as oriented_cells, of one image (H, W), pixel by pixel."""
    h, w = image.shape
    out = torch.zeros(bins, h // cell, w // cell, dtype=image.dtype)

    def at(i, j):
        return image[i, j].item() if 0 <= i < h and 0 <= j < w else 0.0

    for i in range(h // cell * cell):
        for j in range(w // cell * cell):
            right, down = at(i, j + 1) - at(i, j - 1), at(i + 1, j) - at(i - 1, j)
            turn = math.atan2(down, right) / (2 * math.pi) * bins % bins
            low, share = math.floor(turn), turn - math.floor(turn)
            strength = math.hypot(right, down) / cell ** 2
            out[low % bins, i // cell, j // cell] += (1 - share) * strength
            out[(low + 1) % bins, i // cell, j // cell] += share * strength
    return out


@given(st.integers(4, 9), st.integers(4, 9), st.integers(1, 4), st.integers(2, 9),
       st.integers(0, 10 ** 6))
@settings(max_examples=40, deadline=None)
def test_cells_equal_the_loop(h, w, cell, bins, seed):
    image = torch.rand(h, w, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    got = oriented_cells(image[None, None], cell, bins)[0]
    torch.testing.assert_close(got, cells_by_loop(image, cell, bins), rtol=1e-10, atol=1e-12)


def test_no_strength_is_lost_between_the_bins():
    images = torch.rand(3, 1, 12, 12, dtype=torch.double)
    strength, _ = gradients(images)
    total = oriented_cells(images, 4, 8).sum(1)                   # (N, 3, 3)
    torch.testing.assert_close(total, torch.nn.functional.avg_pool2d(strength, 4))


@pytest.mark.parametrize(("turns", "bin"), [(0, 0), (1, 6), (2, 4), (3, 2)])
def test_directions(turns, bin):
    ramp = torch.arange(16.0).expand(16, 16)                     # it rises to the right
    turned = ramp.rot90(turns)[None, None]                       # counter-clockwise
    assert oriented_cells(turned)[0, :, 1, 1].argmax() == bin


def test_blocks_have_length_one_or_less_and_ignore_contrast():
    images = torch.rand(2, 1, 28, 28, dtype=torch.double) + 0.5
    features = oriented_gradients(images)
    assert features.shape == (2, 32, 6, 6)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2, 6, 6, dtype=torch.double))
    torch.testing.assert_close(oriented_gradients(3 * images), features)
    assert not oriented_gradients(torch.zeros(1, 1, 8, 8)).any()
    assert oriented_gradients(0.01 * images).norm(dim=1).max() < 1


@pytest.mark.parametrize(("call", "message"), [
    (lambda: gradients(torch.zeros(2, 3, 8, 8)), r"expected images of shape \(N, 1, H, W\), rec"),
    (lambda: gradients(torch.zeros(8, 8)), r"expected images of shape \(N, 1, H, W\)"),
    (lambda: gradients(torch.zeros(1, 1, 8, 8).long()), "expected images to be a floating-point"),
    (lambda: gradients(torch.zeros(0, 1, 8, 8)), "at least one element"),
    (lambda: oriented_cells(torch.zeros(1, 1, 8, 8), bins=1), "expected bins .* received int 1"),
    (lambda: oriented_cells(torch.zeros(1, 1, 8, 8), cell=9), "expected cell .* from 1 to 8"),
    (lambda: oriented_cells(torch.zeros(1, 1, 8, 8), cell=0), "expected cell"),
    (lambda: oriented_gradients(torch.zeros(1, 1, 8, 8), cell=5), "at least two cells"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def bar(length, width, degrees, size=40, fine=8):
    """A bar of known length, thickness and angle to the vertical, with grey edges: (1, 1, H, W)."""
    at = (torch.arange(size * fine, dtype=torch.double) + 0.5) / fine - size / 2
    y, x = torch.meshgrid(at, at, indexing="ij")
    turn = math.radians(degrees)
    along, across = x * math.sin(turn) - y * math.cos(turn), x * math.cos(turn) + y * math.sin(turn)
    ink = ((along.abs() <= length / 2) & (across.abs() <= width / 2)).double()
    return torch.nn.functional.avg_pool2d(ink[None, None], fine)


@pytest.mark.parametrize("degrees", [-35, -20, 0, 10, 30, 45])
@pytest.mark.parametrize("width", [2, 3, 5])
def test_slant_and_thickness_of_drawn_bars(degrees, width):
    image = bar(24, width, degrees)
    # the moments of a rectangle: L²/12 along, t²/12 across, turned
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = 24 ** 2 / 12, width ** 2 / 12
    expected = c * s * (along - across) / (c * c * along + s * s * across)
    assert slant(image).item() == pytest.approx(expected, abs=0.012)
    assert thickness(image).item() == pytest.approx(24 * width / (24 + width), abs=0.22)


@given(st.integers(3, 9), st.integers(3, 9), st.integers(0, 10 ** 6))
@settings(max_examples=40, deadline=None)
def test_slant_is_the_slope_of_least_squares(h, w, seed):
    """Against a weighted regression of the ink's columns on its rows."""
    image = torch.rand(h, w, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    up = -torch.arange(h, dtype=torch.double)[:, None].expand(h, w).flatten()
    across = torch.arange(w, dtype=torch.double).expand(h, w).flatten()
    root = image.flatten().sqrt()
    table = torch.stack([up, torch.ones(h * w)], 1) * root[:, None]
    slope = torch.linalg.lstsq(table, (across * root)[:, None]).solution[0, 0]
    assert slant(image[None, None]).item() == pytest.approx(slope.item(), abs=1e-9)


def test_slant_and_thickness_ignore_place_and_brightness():
    image = bar(16, 3, 20)
    moved = torch.roll(image, (5, -4), dims=(2, 3))
    for measure in (slant, thickness):
        torch.testing.assert_close(measure(moved), measure(image))
        torch.testing.assert_close(measure(0.3 * image), measure(image))
    torch.testing.assert_close(slant(image.flip(3)), -slant(image))
    torch.testing.assert_close(thickness(image.flip(3)), thickness(image))


def test_lines_of_one_row_have_no_slant_and_thick_strokes_are_thicker():
    row = torch.zeros(1, 1, 9, 9)
    row[0, 0, 4, 2:7] = 1
    assert slant(row).item() == 0
    assert [round(thickness(bar(24, t, 0)).item()) for t in (2, 3, 4)] == [2, 3, 4]


@pytest.mark.parametrize("images", [torch.zeros(2, 1, 5, 5), -torch.ones(1, 1, 5, 5),
                                    torch.ones(1, 3, 5, 5), torch.ones(5, 5),
                                    torch.ones(1, 1, 5, 5, dtype=torch.long)])
@pytest.mark.parametrize("measure", [slant, thickness])
def test_slant_and_thickness_refuse(measure, images):
    with pytest.raises(ValueError, match="expected images"):
        measure(images)
