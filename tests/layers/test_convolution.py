"""Convolution against torch, against its own definition, and against its adjoint."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcheat.layers.convolution import (
    Conv2d,
    ConvTranspose2d,
    as_pair,
    conv2d,
    conv_transpose2d,
    output_size,
    receptive_field,
    windows,
)
from tests.compare import assert_near, assert_same, tensors

DTYPES = [torch.float32, torch.float64]


def either(low, high):
    """One number or a pair."""
    numbers = st.integers(low, high)
    return numbers | st.tuples(numbers, numbers)


@st.composite
def convolutions(draw, dtype, transposed=False):
    """Draw (input, weight, bias, keyword arguments) that fit."""
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, filters = (groups * draw(st.integers(1, 3)) for _ in range(2))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    options = {"stride": draw(either(1, 3)), "dilation": draw(either(1, 3)), "groups": groups}
    dilation = as_pair("dilation", options["dilation"], 1)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    if transposed:
        options["padding"] = draw(either(0, 2))
        limits = [max(s, d) for s, d in zip(as_pair("stride", options["stride"], 1), dilation)]
        options["output_padding"] = tuple(draw(st.integers(0, m - 1)) for m in limits)
        least = [5 if span <= 4 else 1 for span in spans]
        shape = [groups * draw(st.integers(1, 3)), filters // groups, *kernel]
        channels = shape[0]
    else:
        options["padding"] = draw(either(0, 3) | st.just("valid") | st.just("same"))
        if options["padding"] == "same":
            options["stride"] = 1
            least = [1, 1]
        else:
            padding = options["padding"] if options["padding"] != "valid" else 0
            least = [max(1, span - 2 * p)
                     for span, p in zip(spans, as_pair("padding", padding, 0))]
        shape = [filters, channels // groups, *kernel]
    size = [draw(st.integers(low, low + 6)) for low in least]
    x = draw(tensors((draw(st.integers(1, 3)), channels, *size), dtype))
    return x, draw(tensors(tuple(shape), dtype)), draw(tensors((filters,), dtype)), options


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=120)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@given(data=st.data())
def test_conv2d_equals_torch(dtype, data):
    x, weight, bias, options = data.draw(convolutions(dtype))
    assert_same(lambda x, w, b: conv2d(x, w, b, **options),
                lambda x, w, b: F.conv2d(x, w, b, **options), x, weight, bias)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=120)
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@given(data=st.data())
def test_conv_transpose2d_equals_torch(dtype, data):
    x, weight, bias, options = data.draw(convolutions(dtype, transposed=True))
    assert_same(lambda x, w, b: conv_transpose2d(x, w, b, **options),
                lambda x, w, b: F.conv_transpose2d(x, w, b, **options), x, weight, bias)


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), list(itertools.product(
    [1, 2, (2, 3)], [0, 2, (1, 3)], [1, 2, (3, 1)], [1, 2, 4])))
def test_every_combination(stride, padding, dilation, groups):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 11, 13, generator=generator, dtype=torch.float64)
    weight = torch.randn(8, 4 // groups, 3, 5, generator=generator, dtype=torch.float64)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    assert_same(lambda x, w: conv2d(x, w, **options), lambda x, w: F.conv2d(x, w, **options),
                x, weight)
    weight = torch.randn(4, 8 // groups, 3, 5, generator=generator, dtype=torch.float64)
    assert_same(lambda x, w: conv_transpose2d(x, w, **options),
                lambda x, w: F.conv_transpose2d(x, w, **options), x, weight)


def test_conv2d_equals_its_definition():
    x = torch.tensor([[1.0, 2, 0], [3, 4, 1], [0, 1, 2]])
    kernel = torch.tensor([[1.0, -1], [2, 3]])
    by_hand = [[sum(kernel[u, v] * x[i + u, j + v] for u in range(2) for v in range(2)).item()
                for j in range(2)] for i in range(2)]
    assert conv2d(x[None, None], kernel[None, None])[0, 0].tolist() == by_hand


@settings(max_examples=100)
@given(data=st.data())
def test_transposed_is_the_adjoint(data):
    """⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩ on every x and y."""
    x, weight, _, options = data.draw(convolutions(torch.float64))
    options["padding"] = {"valid": 0, "same": 1}.get(options["padding"], options["padding"])
    x = F.pad(x, (9, 9, 9, 9))
    y = conv2d(x, weight, **options)
    # the cells behind, which the last window did not reach
    kernel, names = weight.shape[2:], ("stride", "padding", "dilation")
    pairs = zip(x.shape[2:], kernel, *(as_pair(n, options[n], 0) for n in names), strict=True)
    rest = tuple((n + 2 * p - d * (k - 1) - 1) % s for n, k, s, p, d in pairs)
    probe = data.draw(tensors(tuple(y.shape), torch.float64))
    back = conv_transpose2d(probe, weight, output_padding=rest, **options)
    torch.testing.assert_close((y * probe).sum(), (x * back).sum(), rtol=1e-10, atol=1e-10)
    # … which is also what autograd sends back
    adjoint = torch.autograd.functional.vjp(lambda x: conv2d(x, weight, **options), x, probe)[1]
    assert_near(back, adjoint)


def test_second_derivatives():
    generator = torch.Generator().manual_seed(0)
    x, w = (torch.randn(s, dtype=torch.float64, requires_grad=True, generator=generator)
            for s in [(1, 2, 4, 5), (2, 2, 2, 3)])
    assert torch.autograd.gradgradcheck(lambda x, w: conv2d(x, w, stride=2, padding=1), (x, w))
    assert torch.autograd.gradgradcheck(lambda x, w: conv_transpose2d(x, w, stride=2), (x, w))


def test_inputs_need_not_be_contiguous():
    x, w = torch.randn(2, 7, 6, 3).permute(0, 3, 1, 2), torch.randn(3, 4, 2, 2).transpose(0, 1)
    assert_near(conv2d(x, w), F.conv2d(x, w))
    assert_near(conv_transpose2d(x, w.transpose(0, 1)), F.conv_transpose2d(x, w.transpose(0, 1)))
    assert_near(conv2d(x[:1].expand(4, -1, -1, -1), w), F.conv2d(x[:1].expand(4, -1, -1, -1), w))


def test_inputs_are_left_alone():
    x, w, b = torch.randn(1, 2, 5, 5), torch.randn(2, 2, 3, 3), torch.randn(2)
    before = [t.clone() for t in (x, w, b)]
    conv2d(x, w, b, padding=1)
    conv_transpose2d(x, w, b, stride=2)
    assert all(torch.equal(a, t) for a, t in zip(before, (x, w, b)))


# sizes ---------------------------------------------------------------------------------------

@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 5), st.integers(0, 5),
       st.integers(1, 4))
def test_output_size_equals_torch(n, k, s, p, d):
    if d * (k - 1) + 1 > n + 2 * p:
        with pytest.raises(ValueError, match=f"at most the {n + 2 * p} cells of the padded input, "
                           f"received one that spans {d * (k - 1) + 1}"):
            output_size(n, k, s, p, d)
    else:
        got = F.conv1d(torch.zeros(1, 1, n), torch.zeros(1, 1, k), None, s, p, d).shape[2]
        assert output_size(n, k, s, p, d) == got


def test_sizes_of_the_book():
    assert output_size(64, 2) == 63
    assert sum(p.numel() for p in Conv2d(3, 32, 3).parameters()) == 864 + 32
    assert [output_size(28, 9), output_size(20, 9, stride=2)] == [20, 6]


@pytest.mark.parametrize("arguments", [(0, 1), (5, 0), (5, 2, 0), (5, 2, 1, -1), (5, 2, 1, 0, 0),
                                       (5.0, 2), ("5", 2), (True, 1)])
def test_output_size_refuses(arguments):
    with pytest.raises(ValueError, match=r"expected .* integer of at least [01], received"):
        output_size(*arguments)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3)), max_size=3))
def test_receptive_field_is_where_the_gradient_reaches(layers):
    field = receptive_field(layers)
    x = torch.zeros(1, 1, 1, field, requires_grad=True)
    y = x
    for k, s, d in layers:
        y = F.conv2d(y, torch.ones(1, 1, 1, k), stride=(1, s), dilation=(1, d))
    assert y.shape[-1] == 1                                      # the field holds one output cell
    y.sum().backward()
    assert x.grad[0, 0, 0, 0] > 0 and x.grad[0, 0, 0, -1] > 0    # and its ends are seen


def test_receptive_field_defaults():
    assert receptive_field([]) == 1
    full = [(3, 1, 1), (2, 2, 1), (3, 1, 1)]
    assert receptive_field([(3,), (2, 2), (3,)]) == receptive_field(full) == 8


@pytest.mark.parametrize("layers", [[3], [(0, 1, 1)], [(3, 1, 1, 1)], [()], [(3, 1.0, 1)]])
def test_receptive_field_refuses(layers):
    with pytest.raises(ValueError, match=r"expected layers of .*received"):
        receptive_field(layers)


@settings(max_examples=50)
@given(data=st.data())
def test_windows_equal_their_definition(data):
    kernel, stride, dilation = (data.draw(either(1, 3)) for _ in range(3))
    x = data.draw(tensors((2, 2, 8, 9)))
    (kh, kw), (sh, sw), (dh, dw) = (as_pair("", v, 1) for v in (kernel, stride, dilation))
    got = windows(x, kernel, stride, dilation)
    assert got.shape == (2, 2, output_size(8, kh, sh, 0, dh), output_size(9, kw, sw, 0, dw), kh, kw)
    assert got.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()     # a view
    for i, j in itertools.product(range(got.shape[2]), range(got.shape[3])):
        at = x[:, :, i * sh:i * sh + dh * (kh - 1) + 1:dh, j * sw:j * sw + dw * (kw - 1) + 1:dw]
        assert torch.equal(got[:, :, i, j], at)


# modules -------------------------------------------------------------------------------------

CONV = [{}, {"stride": 2, "padding": 1}, {"padding": "same", "dilation": 2},
        {"groups": 2, "bias": False}, {"padding": (1, 2), "padding_mode": "reflect"},
        {"padding": "same", "padding_mode": "circular"},
        {"padding": 2, "padding_mode": "replicate"}]
TRANSPOSED = [{}, {"stride": 2, "padding": 1, "output_padding": 1}, {"groups": 2, "bias": False},
              {"dilation": (2, 1), "stride": (1, 2)}]


@pytest.mark.parametrize(("mine", "theirs", "options"),
                         [(Conv2d, nn.Conv2d, o) for o in CONV]
                         + [(ConvTranspose2d, nn.ConvTranspose2d, o) for o in TRANSPOSED])
@pytest.mark.parametrize("kernel_size", [3, (2, 4)])
def test_modules_are_torchs(mine, theirs, options, kernel_size):
    torch.manual_seed(0)
    a = mine(4, 6, kernel_size, **options)
    torch.manual_seed(0)
    b = theirs(4, 6, kernel_size, **options)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):            # the same first values
        torch.testing.assert_close(p, q)
    b.reset_parameters()
    a.load_state_dict(b.state_dict())
    b.load_state_dict(a.state_dict())
    x = torch.randn(2, 4, 9, 8)
    assert_near(a(x), b(x))
    if options.get("padding_mode", "zeros") == "zeros":
        assert repr(a) == repr(b)


def test_modules_in_float64():
    x = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    for layer in (Conv2d(1, 1, 2, dtype=torch.float64), ConvTranspose2d(1, 1, 2, dtype=x.dtype)):
        assert layer(x).dtype == torch.float64


# bad input -----------------------------------------------------------------------------------

X, W = torch.zeros(2, 4, 5, 5), torch.zeros(6, 4, 3, 3)
BAD = [
    (dict(input=X[0]), r"input of shape \(N, C, H, W\), received .*\(4, 5, 5\)"),
    (dict(input=X.long()), "input to be a floating-point tensor, received an int64"),
    (dict(input=X[:0]), r"input to have at least one element, received .*\(0, 4, 5, 5\)"),
    (dict(input=X.numpy()), "input to be a floating-point tensor, received ndarray"),
    (dict(weight=W[0]), r"weight of four dimensions .*received .*\(4, 3, 3\)"),
    (dict(weight=W.double()), "weight of the input's type torch.float32, received a float64"),
    (dict(bias=torch.zeros(5)), r"bias of shape \(6,\), .*received .*\(5,\)"),
    (dict(bias=torch.zeros(1)), r"bias of shape \(6,\), .*received .*\(1,\)"),
    (dict(bias=torch.zeros(6).long()), "bias to be a floating-point tensor, received an int64"),
    (dict(groups=3), "groups to divide the 4 input channels, received int 3"),
    (dict(groups=0), "groups to be an integer of at least 1, received int 0"),
    (dict(stride=0), "stride to be an integer of at least 1 .*received int 0"),
    (dict(stride=(1, 1, 1)), r"stride to be .*received tuple \(1, 1, 1\)"),
    (dict(stride=1.0), "stride to be .*received float 1.0"),
    (dict(stride=True), "stride to be .*received bool True"),
    (dict(padding=-1), "padding to be an integer of at least 0 .*received int -1"),
    (dict(padding=(0, -2)), r"padding to be an integer of at least 0 .*received tuple \(0, -2\)"),
    (dict(dilation=0), "dilation to be an integer of at least 1 .*received int 0"),
]


@pytest.mark.parametrize(("change", "message"), [
    *BAD,
    (dict(weight=W[:, :3]), r"weight of shape \(O, 4, kh, kw\), .*received .*\(6, 3, 3, 3\)"),
    (dict(weight=W[:5, :2], groups=2), "groups to divide the 5 output channels, received int 2"),
    (dict(dilation=3), "at most the 5 cells of the padded input, received one that spans 7"),
    (dict(weight=torch.zeros(6, 4, 6, 6)), "at most the 5 cells .* spans 6"),
    (dict(padding="full"), "padding \"valid\" or \"same\", or numbers, received str 'full'"),
    (dict(padding="same", stride=2), r'stride 1 with padding "same", received tuple \(2, 2\)'),
])
def test_conv2d_refuses(change, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        conv2d(**{"input": X, "weight": W, **change})


@pytest.mark.parametrize(("change", "message"), [
    *BAD,
    (dict(weight=W), r"weight of shape \(4, O / groups, kh, kw\), .*received .*\(6, 4, 3, 3\)"),
    (dict(padding=4), "padding that leaves a cell of the 7 × 7 uncut ones, received int 4"),
    (dict(padding="same"), "padding to be an integer .*received str 'same'"),
    (dict(output_padding=1), "output_padding below stride or dilation, .*received int 1"),
    (dict(output_padding=-1), "output_padding to be an integer of at least 0 .*received int -1"),
])
def test_conv_transpose2d_refuses(change, message):
    weight = W[:4].repeat(1, 2, 1, 1)[:, :6]                     # (4, 6, 3, 3)
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        conv_transpose2d(**{"input": X, "weight": weight, **change})


@pytest.mark.parametrize("module", [Conv2d, ConvTranspose2d])
@pytest.mark.parametrize(("arguments", "options", "message"), [
    ((0, 2, 3), {}, "in_channels to be an integer of at least 1, received int 0"),
    ((2, 2.0, 3), {}, "out_channels to be an integer of at least 1, received float 2.0"),
    ((2, 3, 3), {"groups": 2}, "groups to divide the 3 output channels, received int 2"),
    ((2, 2, 0), {}, "kernel_size to be an integer of at least 1 .*received int 0"),
    ((2, 2, 3), {"stride": 0}, "stride to be .*received int 0"),
    ((2, 2, 3), {"padding": -1}, "padding to be .*received int -1"),
    ((2, 2, 3), {"padding_mode": "mirror"}, "padding_mode .*received str 'mirror'"),
])
def test_modules_refuse(module, arguments, options, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        module(*arguments, **options)


def test_modules_refuse_late_errors_early():
    with pytest.raises(ValueError, match='expected stride 1 with padding "same"'):
        Conv2d(1, 1, 3, stride=2, padding="same")
    with pytest.raises(ValueError, match="expected padding in numbers, received str 'same'"):
        ConvTranspose2d(1, 1, 3, padding="same")
    with pytest.raises(ValueError, match=r"expected input of shape \(N, C, H, W\), received"):
        Conv2d(1, 1, 3, padding=1, padding_mode="reflect")(torch.zeros(1, 5, 5))
    with pytest.raises(ValueError, match=r"expected input of shape \(N, C, H, W\), received"):
        windows(torch.zeros(5, 5), 2)
