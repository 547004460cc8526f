"""Activations against torch: values, gradients, extremes, four types, bad input."""

import inspect
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dlcheat import activations as own
from dlcheat.activations import log_softmax, maxout, prelu, relu, sigmoid, softmax, step
from tests.compare import assert_same, shapes, tensors


def gelu_sigmoid(x):
    return x * torch.sigmoid(1.702 * x)


def gelu_tanh(x):
    """Torch's, but where its gradient is nan (in float32 from 7e12 on, where x³ overflows)."""
    far = x.isfinite() & (x.abs() > 1e4)
    return torch.where(far, F.relu(x), F.gelu(torch.where(far, 0, x), approximate="tanh"))


#: name: (dlcheat's, torch's), each number on its own
POINTWISE = {
    "identity": (own.identity, torch.nn.Identity()),
    "relu": (relu, F.relu),
    "leaky_relu": (own.leaky_relu, F.leaky_relu),
    "leaky_relu -0.5": (lambda x: own.leaky_relu(x, -0.5), lambda x: F.leaky_relu(x, -0.5)),
    "elu": (own.elu, F.elu),
    "elu 2": (lambda x: own.elu(x, alpha=2.0), lambda x: F.elu(x, alpha=2.0)),
    "selu": (own.selu, F.selu),
    "celu": (own.celu, F.celu),
    "celu 2": (lambda x: own.celu(x, alpha=2.0), lambda x: F.celu(x, alpha=2.0)),
    "sigmoid": (sigmoid, torch.sigmoid),
    "logsigmoid": (own.logsigmoid, F.logsigmoid),
    "tanh": (own.tanh, torch.tanh),
    "softsign": (own.softsign, F.softsign),
    "hardtanh": (own.hardtanh, F.hardtanh),
    "hardtanh -2, 0.5": (lambda x: own.hardtanh(x, -2, 0.5), lambda x: F.hardtanh(x, -2, 0.5)),
    "relu6": (own.relu6, F.relu6),
    "hardsigmoid": (own.hardsigmoid, F.hardsigmoid),
    "softplus": (own.softplus, F.softplus),
    "softplus 0.5, 3": (lambda x: own.softplus(x, 0.5, 3), lambda x: F.softplus(x, 0.5, 3)),
    "gelu": (own.gelu, F.gelu),
    "gelu tanh": (lambda x: own.gelu(x, approximate="tanh"), gelu_tanh),
    "gelu_sigmoid": (own.gelu_sigmoid, gelu_sigmoid),
    "silu": (own.silu, F.silu),
    "mish": (own.mish, F.mish),
    "hardswish": (own.hardswish, F.hardswish),
}
ALONG = {"softmax": (softmax, F.softmax), "log_softmax": (log_softmax, F.log_softmax),
         "softmin": (own.softmin, F.softmin)}
GATED = {"glu": (own.glu, F.glu),
         "swiglu": (own.swiglu, lambda x, dim: x.chunk(2, dim)[0] * F.silu(x.chunk(2, dim)[1])),
         "geglu": (own.geglu, lambda x, dim: x.chunk(2, dim)[0] * F.gelu(x.chunk(2, dim)[1]))}
TYPES = [torch.float32, torch.float64]
HALVES = [torch.float16, torch.bfloat16]
EXTREMES = [-1e30, -1e4, -1000.0, -88.0, -20.0, -6.0, -3.0, -1.0, -1e-30, -0.0,
            0.0, 1e-30, 1.0, 3.0, 6.0, 20.0, 88.0, 1000.0, 1e4, 1e30]


def rounding(reference, dtype):
    """How far torch's own rounding may be off: more than a few steps of the result's size."""
    if reference in (F.gelu, gelu_tanh):                         # Φ is rounded next to 1
        return 20 * torch.finfo(dtype).eps
    if reference is F.hardsigmoid and dtype == torch.float64:    # its gradient is float32's 1/6
        return 2e-8
    return 0.0


def cases(table):
    return pytest.mark.parametrize(("mine", "reference"), table.values(), ids=table)


@cases(POINTWISE)
@pytest.mark.parametrize("dtype", TYPES)
@given(data=st.data())
def test_pointwise_equal_torch(mine, reference, dtype, data):
    x = data.draw(tensors(data.draw(shapes(0, 4)), dtype, data.draw(st.sampled_from([0.1, 3, 30]))))
    assert_same(mine, reference, x, slack=rounding(reference, dtype))


@cases(ALONG)
@pytest.mark.parametrize("dtype", TYPES)
@given(data=st.data())
def test_along_a_dimension_equal_torch(mine, reference, dtype, data):
    shape = data.draw(shapes(1, 4))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = data.draw(tensors(shape, dtype, scale=data.draw(st.sampled_from([0.1, 3.0, 100.0]))))
    assert_same(lambda x: mine(x, dim), lambda x: reference(x, dim), x)


@cases(GATED)
@pytest.mark.parametrize("dtype", TYPES)
@given(data=st.data())
def test_gated_equal_torch(mine, reference, dtype, data):
    shape = list(data.draw(shapes(1, 4)))
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    shape[dim] *= 2
    x = data.draw(tensors(shape, dtype, scale=data.draw(st.sampled_from([0.1, 3.0, 100.0]))))
    assert_same(lambda x: mine(x, dim), lambda x: reference(x, dim), x)


@pytest.mark.parametrize("dtype", TYPES)
@given(data=st.data())
def test_prelu_equals_torch(dtype, data):
    shape = data.draw(shapes(1, 4))
    sizes = [1] if len(shape) == 1 else [1, shape[1]]
    x, w = data.draw(tensors(shape, dtype)), data.draw(tensors((data.draw(st.sampled_from(sizes)),), dtype))
    assert_same(prelu, F.prelu, x, w)


def test_prelu_of_one_slope():
    x, w = torch.tensor([-2.0, 3.0, math.inf]), torch.tensor(0.5)
    assert_same(prelu, F.prelu, x, w)
    assert_same(prelu, F.prelu, x[0], w)
    assert prelu(x, w).tolist() == [-1, 3, math.inf]


@cases(POINTWISE)
@pytest.mark.parametrize("dtype", TYPES)
def test_pointwise_at_extremes(mine, reference, dtype):
    slack = rounding(reference, dtype)
    assert_same(mine, reference, torch.tensor(EXTREMES, dtype=dtype), slack=slack)
    for x in EXTREMES:                                           # each measured by its own size
        assert_same(mine, reference, torch.tensor([x], dtype=dtype), slack=slack)


@cases(POINTWISE)
@pytest.mark.parametrize("dtype", HALVES)
def test_pointwise_in_half_precision(mine, reference, dtype):
    largest = 6e4 if dtype == torch.float16 else 1e30
    x = torch.cat([torch.linspace(-9, 9, 400), torch.tensor([-largest, -1e4, -0.0, 0.0, 1e4, largest])])
    ours, theirs = (x.to(dtype).requires_grad_() for _ in range(2))
    value, expected = mine(ours), reference(theirs)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(value, expected, rtol=8 * eps, atol=4 * eps)
    value.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=8 * eps, atol=16 * eps)


@cases(ALONG)
@pytest.mark.parametrize("dtype", HALVES)
def test_along_a_dimension_in_half_precision(mine, reference, dtype):
    g = torch.Generator().manual_seed(0)
    x = (9 * torch.randn(40, 7, generator=g)).to(dtype)
    x[0, 0], x[1, 1] = 6e4, -6e4
    torch.testing.assert_close(mine(x, 1), reference(x, 1), rtol=16 * torch.finfo(dtype).eps, atol=1e-4)


@cases(ALONG)
def test_along_a_dimension_at_extremes(mine, reference):
    x = torch.tensor(EXTREMES)
    assert_same(lambda x: mine(x, 0), lambda x: reference(x, 0), x)
    ties = torch.full((3, 4), 1000.0)
    assert_same(lambda x: mine(x, 1), lambda x: reference(x, 1), ties)


@cases(POINTWISE)
@pytest.mark.parametrize("dtype", [*TYPES, *HALVES])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_not_finite_as_torch(mine, reference, dtype, value):
    # one by one: with infinities torch's own kernels do not agree with each other on inf − inf
    ours, theirs = (torch.tensor([value], dtype=dtype, requires_grad=True) for _ in range(2))
    found, expected = mine(ours), reference(theirs)
    if value != value:
        assert found.isnan().all() and expected.isnan().all()
        return
    found.backward()
    expected.backward()
    known = ~expected.isnan()
    assert torch.equal(found[known], expected[known])
    known = ~theirs.grad.isnan()
    torch.testing.assert_close(ours.grad[known], theirs.grad[known], rtol=torch.finfo(dtype).eps, atol=0)


@cases(ALONG)
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_not_finite_along_a_dimension(mine, reference, value):
    x = torch.tensor([value, 1.0])
    torch.testing.assert_close(mine(x, 0), reference(x, 0), equal_nan=True)


def density(x):
    return torch.exp(-x ** 2 / 2) / math.sqrt(2 * math.pi)


def normal_below(x):
    return (1 + torch.erf(x / math.sqrt(2))) / 2


#: The derivatives as the docstrings state them.
DERIVATIVES = {
    "step": lambda x: 0 * x,
    "identity": torch.ones_like,
    "relu": lambda x: (x > 0).to(x),
    "leaky_relu": lambda x: torch.where(x > 0, 1, 0.01).to(x),
    "elu": lambda x: torch.where(x > 0, 1, x.exp()),
    "selu": lambda x: own.SELU_SCALE * torch.where(x > 0, 1, own.SELU_ALPHA * x.exp()),
    "celu": lambda x: torch.where(x > 0, 1, x.exp()),
    "sigmoid": lambda x: sigmoid(x) * (1 - sigmoid(x)),
    "logsigmoid": lambda x: sigmoid(-x),
    "tanh": lambda x: 1 - own.tanh(x) ** 2,
    "softsign": lambda x: 1 / (1 + x.abs()) ** 2,
    "hardtanh": lambda x: (x.abs() < 1).to(x),
    "relu6": lambda x: ((x > 0) & (x < 6)).to(x),
    "hardsigmoid": lambda x: (x.abs() < 3).to(x) / 6,
    "softplus": sigmoid,
    "gelu": lambda x: normal_below(x) + x * density(x),
    "gelu_sigmoid": lambda x: sigmoid(1.702 * x) * (1 + 1.702 * x * (1 - sigmoid(1.702 * x))),
    "silu": lambda x: sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)),
    "mish": lambda x: own.tanh(own.softplus(x))
    + x * sigmoid(x) * (1 - own.tanh(own.softplus(x)) ** 2),
    "hardswish": lambda x: torch.where(x <= -3, 0, torch.where(x >= 3, 1, x / 3 + 0.5)),
}


@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivative_is_the_stated_one(name):
    x = torch.linspace(-7.01, 7.03, 501, dtype=torch.double, requires_grad=True)
    y = getattr(own, name)(x)
    slope = torch.autograd.grad(y.sum(), x)[0] if y.requires_grad else torch.zeros_like(x)
    torch.testing.assert_close(slope, DERIVATIVES[name](x), rtol=1e-7, atol=1e-8)


def test_arguments_are_torchs():
    """Names, order and defaults, as far as torch's are to be seen from Python."""
    for name, function in inspect.getmembers(own, inspect.isfunction):
        theirs = getattr(F, name, None)
        if name.startswith("_") or not inspect.isfunction(theirs):
            continue
        skipped = ("inplace", "dtype", "_stacklevel")
        expected = {k: p.default for k, p in inspect.signature(theirs).parameters.items()
                    if k not in skipped}
        found = {k: p.default for k, p in inspect.signature(function).parameters.items()}
        if "softm" in name:                                      # torch guesses dim, and warns
            expected["dim"] = inspect.Parameter.empty
        assert found == expected, name


def test_step_is_heaviside():
    x = torch.tensor([-torch.inf, -2.0, -0.0, 0.0, 1e-30, torch.inf, torch.nan])
    for at_zero in (0.0, 0.5, 1.0):
        assert torch.equal(step(x, at_zero), torch.heaviside(x, torch.tensor(at_zero)))
    assert step(x.half()).dtype == torch.half
    assert not step(x.clone().requires_grad_()).requires_grad


@given(data=st.data())
def test_maxout_is_the_largest_of_each_group(data):
    shape = list(data.draw(shapes(1, 4)))
    dim, pieces = data.draw(st.integers(-len(shape), len(shape) - 1)), data.draw(st.integers(1, 4))
    shape[dim] *= pieces
    x = data.draw(tensors(shape))

    def reference(x):
        groups = x.movedim(dim, -1).reshape(-1, shape[dim] // pieces, pieces)
        others = [n for k, n in enumerate(shape) if k != dim % len(shape)]
        return groups.max(-1).values.reshape(*others, -1).movedim(-1, dim)

    assert_same(lambda x: maxout(x, pieces, dim), reference, x)


def test_selu_keeps_mean_and_variance():
    """Its constants are those of the closed form, and do what they are for."""
    alpha = math.sqrt(2 / math.pi) / (1 - math.exp(0.5) * math.erfc(math.sqrt(0.5)))
    assert pytest.approx(alpha, rel=1e-14) == own.SELU_ALPHA
    z = torch.linspace(-12, 12, 24_000, dtype=torch.double)
    weight = density(z) / density(z).sum()
    y = own.selu(z)
    assert (y @ weight).item() == pytest.approx(0, abs=1e-6)
    assert (y ** 2 @ weight).item() == pytest.approx(1, abs=1e-6)


def test_gelu_forms_are_as_near_as_stated():
    x = torch.linspace(-8, 8, 16_001, dtype=torch.double)
    tanh_form, sigmoid_form = own.gelu(x, "tanh") - own.gelu(x), own.gelu_sigmoid(x) - own.gelu(x)
    assert tanh_form.abs().max().item() == pytest.approx(0.00047, abs=1e-5)
    assert sigmoid_form.abs().max().item() == pytest.approx(0.0203, abs=1e-4)


@pytest.mark.parametrize("dtype", [*TYPES, *HALVES])
@pytest.mark.parametrize("name", DERIVATIVES)
def test_far_out_value_and_gradient_are_finite(name, dtype):
    largest = torch.finfo(dtype).max / 2
    x = torch.tensor([-largest, -1e4, 1e4, largest], dtype=dtype, requires_grad=True)
    y = getattr(own, name)(x)
    assert y.isfinite().all()
    if y.requires_grad:
        assert torch.autograd.grad(y.sum(), x)[0].isfinite().all()


def test_sigmoid_keeps_small_probabilities():
    x = torch.tensor([-20.0, -80.0])
    torch.testing.assert_close(sigmoid(x).log(), x, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_small_numbers_keep_their_digits(dtype):
    x = torch.tensor([1e-30, -1e-20, 1e-9], dtype=dtype)
    for f in (own.tanh, own.elu, own.celu, own.softsign):
        torch.testing.assert_close(f(x), x, rtol=4e-9, atol=0)
    far = torch.tensor(-8.0, dtype=torch.double)
    assert own.gelu(far).item() == pytest.approx(-8 * 6.220960574271785e-16, rel=1e-12)


def test_relu_has_no_gradient_at_zero():
    x = torch.zeros(3, requires_grad=True)
    relu(x).sum().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_softmax_does_not_see_a_shift():
    x = torch.tensor([[1.0, 2.0, 3.0]])
    assert torch.equal(softmax(x, 1), softmax(x + 1024, 1))


BAD = [(torch.arange(3), "int64 tensor of shape \\(3,\\)"), ([1.0], "list \\[1.0\\]"),
       (torch.ones(2, dtype=torch.bool), "bool tensor"), (torch.zeros(0, 3), "shape \\(0, 3\\)"),
       (torch.ones(2, dtype=torch.complex64), "complex64")]
EVERY = [step, lambda x: prelu(x, torch.ones(1)), maxout, *(mine for mine, _ in POINTWISE.values()),
         *(lambda x, f=mine: f(x, 0) for mine, _ in [*ALONG.values(), *GATED.values()])]


@pytest.mark.parametrize("function", EVERY)
@pytest.mark.parametrize(("bad", "received"), BAD)
def test_bad_input(function, bad, received):
    with pytest.raises(ValueError, match=f"expected input to .*, received .*{received}"):
        function(bad)


@pytest.mark.parametrize("function", [softmax, log_softmax, own.softmin, own.glu, own.swiglu, own.geglu,
                                      lambda x, dim: maxout(x, 1, dim)])
@pytest.mark.parametrize("dim", [2, -3, 0.0, None])
def test_bad_dimension(function, dim):
    with pytest.raises(ValueError, match=r"expected dim .* of input, -2 … 1, received"):
        function(torch.zeros(2, 4), dim)


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: own.elu(x, 0), "alpha to be a number above 0, received int 0"),
    (lambda x: own.celu(x, -1.0), "alpha to be a number above 0, received float -1.0"),
    (lambda x: own.leaky_relu(x, "0.1"), "negative_slope to be a number, received str '0.1'"),
    (lambda x: own.leaky_relu(x, math.nan), "negative_slope to be a number, received float nan"),
    (lambda x: own.softplus(x, beta=0), "beta to be a number above 0, received int 0"),
    (lambda x: own.softplus(x, threshold=None), "threshold to be a number, received NoneType None"),
    (lambda x: own.gelu(x, "sigmoid"), 'approximate "none" or "tanh", received str'),
    (lambda x: own.hardtanh(x, 1, 0), "max_val of at least min_val, 1, received int 0"),
    (lambda x: own.glu(x, 0), r"input of an even size along dimension 0, received .* \(3, 4\)"),
    (lambda x: maxout(x, 3), r"input of a size divisible by 3 along dimension -1, received"),
    (lambda x: maxout(x, 0), "pieces to be an integer of at least 1, received int 0"),
    (lambda x: maxout(torch.tensor(1.0), dim=-1), "dim to be a dimension of input|size divisible"),
    (lambda x: own.glu(torch.tensor(1.0)), "dim to be a dimension of input|an even size"),
    (lambda x: step(x, True), "at_zero to be a number, received bool True"),
    (lambda x: prelu(x, torch.ones(3)), r"weight of shape \(1,\) or \(4,\), received .* \(3,\)"),
    (lambda x: prelu(x, torch.ones(1, 4)), r"weight of shape \(1,\) or \(4,\), received"),
    (lambda x: prelu(x, torch.ones(4).double()), "weight of type torch.float32, received a float64"),
    (lambda x: prelu(x, 0.25), "weight to be a floating-point tensor, received float 0.25"),
])
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call(torch.zeros(3, 4))
