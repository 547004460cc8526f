"""How the tests compare dlcheat with its references: values and gradients alike."""

import torch
from hypothesis import settings
from hypothesis import strategies as st

# the same examples on every run and machine, however slow it is
settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("fixed")

# a sum of k products rounds to about √k of the type's steps; relative to the largest entry
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def shapes(low, high, largest=5):
    return st.lists(st.integers(1, largest), min_size=low, max_size=high).map(tuple)


@st.composite
def tensors(draw, shape, dtype=torch.float32, scale=1.0, uniform=False):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    make = torch.rand if uniform else torch.randn
    return scale * make(shape, dtype=dtype, generator=generator)


def assert_near(mine, reference, name="value", slack=0.0):
    """Assert equality up to rounding: relative to the largest entry of the reference.

    ``slack`` is added to the absolute tolerance.
    """
    assert mine.shape == reference.shape, f"{name}: {mine.shape} is not {reference.shape}"
    assert mine.dtype == reference.dtype
    tolerance = TOLERANCE[mine.dtype]
    size = reference.detach().nan_to_num(0, 0, 0).abs().max().item()
    assert mine.isfinite().all() or not reference.isfinite().all(), f"{name} is not finite"
    torch.testing.assert_close(mine, reference, rtol=tolerance, atol=tolerance * size + slack,
                               msg=lambda text: f"{name}: {text}")


def assert_same(mine, reference, *inputs, slack=0.0):
    """Assert that two functions have the same value, and the same gradient for each input.

    ``slack`` is added to the absolute tolerance: for a difference of large numbers, their rounding.
    """
    ours = [x.detach().clone().requires_grad_() for x in inputs]
    theirs = [x.detach().clone().requires_grad_() for x in inputs]
    value, expected = mine(*ours), reference(*theirs)
    assert_near(value, expected, slack=slack)
    generator = torch.Generator().manual_seed(0)
    upstream = torch.randn(expected.shape, dtype=expected.dtype, generator=generator)
    value.backward(upstream)
    expected.backward(upstream)
    # a gradient is a difference of upstream-sized numbers: it may carry the rounding of those
    slack += 2 * torch.finfo(expected.dtype).eps * upstream.abs().max().item()
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert_near(a.grad, b.grad, f"gradient of input {i}", slack)
