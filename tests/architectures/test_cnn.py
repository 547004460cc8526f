"""dlcheat.architectures.cnn against autograd, torch.nn and the cheat sheet's numbers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcheat.architectures import cnn
from dlcheat.architectures.cnn import CNN, Parameters
from dlcheat.datasets import mnist

X = torch.tensor([[1, 2, 3, 0], [4, 5, 6, 1], [7, 8, 9, 2], [0, 1, 2, 3]], dtype=torch.float64)
SHEET = Parameters(
    torch.tensor([[1, 0], [-1, 2]], dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64),
    torch.tensor([[0.1, 0.2, -0.1, 0.05], [-0.3, 0.2, 0.4, 0.1]], dtype=torch.float64),
    torch.tensor([0.5, -0.5], dtype=torch.float64))


def random_network(seed: int, h: int, w: int, k: int, classes: int, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    shapes = (k, k), (), (classes, (h - k) * (w - k)), (classes,)
    parameters = Parameters(*(torch.randn(s, generator=g, dtype=dtype) for s in shapes))
    return parameters, torch.randn(h, w, generator=g, dtype=dtype)


def torch_scores(image, kernel, bias, weight, offset):
    maps = F.conv2d(image[None, None], kernel[None, None], bias[None]).relu()
    return F.linear(F.max_pool2d(maps, 2, stride=1).flatten(1), weight, offset)


# ---------------------------------------------------------------- the worked example

def test_worked_example_forward():
    trace = cnn.forward(SHEET, X)
    assert trace.convolved.tolist() == [[7, 9, -1], [13, 15, 1], [9, 11, 13]]
    assert trace.rectified.tolist() == [[7, 9, 0], [13, 15, 1], [9, 11, 13]]
    assert trace.pooled.tolist() == [[15, 15], [15, 15]]
    torch.testing.assert_close(trace.scores, torch.tensor([4.25, 5.5]).double())
    assert trace.probabilities.numpy().round(3).tolist() == [0.223, 0.777]


def test_worked_example_backward():
    back = cnn.backward(SHEET, cnn.forward(SHEET, X), 0)
    assert back.loss.item() == pytest.approx(1.5019, abs=5e-5)
    p2 = 1 / (1 + torch.tensor(-1.25).double().exp())
    share = 0.15 * p2                                   # (−0.4 + 0 + 0.5 + 0.05) p2, on the centre
    torch.testing.assert_close(back.rectified, share * torch.eye(9).double()[4].view(3, 3))
    torch.testing.assert_close(back.parameters.kernel, share * X[1:3, 1:3])
    torch.testing.assert_close(back.parameters.weight,
                               15 * p2 * torch.tensor([[-1.0], [1]]).double().expand(2, 4))
    image = torch.zeros(4, 4).double()
    image[1:3, 1:3] = share * SHEET.kernel
    torch.testing.assert_close(back.image, image)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 10), st.integers(4, 10), st.integers(1, 3),
       st.integers(1, 5), st.sampled_from([torch.float32, torch.float64]))
def test_by_hand_equals_autograd(seed, h, w, k, classes, dtype):
    parameters, image = random_network(seed, h, w, k, classes, dtype)
    target = seed % classes
    trace = cnn.forward(parameters, image)
    leaves = [t.clone().requires_grad_() for t in (image, *parameters)]
    scores = torch_scores(*leaves)
    tight = {"rtol": 2e-4, "atol": 2e-4} if dtype == torch.float32 else {"rtol": 1e-10,
                                                                         "atol": 1e-10}
    torch.testing.assert_close(trace.scores, scores[0].detach(), **tight)
    loss = F.cross_entropy(scores, torch.tensor([target]))
    back = cnn.backward(parameters, trace, target)
    if dtype == torch.float64:
        torch.testing.assert_close(back.loss, loss.detach(), rtol=1e-8, atol=1e-12)
    for ours, theirs in zip((back.image, *back.parameters), torch.autograd.grad(loss, leaves)):
        torch.testing.assert_close(ours, theirs, **tight)


def test_ties_go_to_the_first_as_in_torch():
    parameters, _ = random_network(3, 5, 5, 2, 3)
    image = torch.ones(5, 5).double()                   # every window of every pooling is tied
    parameters = parameters._replace(kernel=parameters.kernel.abs())
    leaves = [t.clone().requires_grad_() for t in (image, *parameters)]
    loss = F.cross_entropy(torch_scores(*leaves), torch.tensor([1]))
    back = cnn.backward(parameters, cnn.forward(parameters, image), 1)
    for ours, theirs in zip((back.image, *back.parameters), torch.autograd.grad(loss, leaves)):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(("image", "change", "message"), [
    (torch.ones(4), {}, r"image of shape \(H, W\), received a float32 tensor of shape \(4,\)"),
    (torch.ones(4, 4, dtype=torch.int64), {}, "a floating-point tensor, received an int64"),
    (torch.ones(4, 4), {}, r"the input's type torch.float32, received a float64"),
    (torch.ones(1, 1).double(), {}, "spans at most the 1 cells .* received one that spans 2"),
    (torch.ones(2, 2).double(), {}, "spans at most the 1 cells .* received one that spans 2"),
    (torch.ones(4, 4).double(), {"kernel": torch.ones(2)}, r"kernel of shape \(h, w\)"),
    (torch.ones(5, 5).double(), {},
     r"weight of shape \(C, 9\), received a float64 tensor of shape \(2, 4\)"),
    (torch.ones(4, 4).double(), {"offset": torch.ones(3)}, r"offset of shape \(2,\)"),
])
def test_forward_refuses(image, change, message):
    with pytest.raises(ValueError, match=message):
        cnn.forward(SHEET._replace(**change), image)


@pytest.mark.parametrize("target", [-1, 2, 0.0, "0"])
def test_backward_refuses(target):
    with pytest.raises(ValueError, match="target to be a class of 0 … 1, received"):
        cnn.backward(SHEET, cnn.forward(SHEET, X), target)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 4), st.integers(1, 4))
def test_correlate_equals_torch(height, width, h, w):
    image = torch.randn(height + h, width + w, dtype=torch.float64)
    kernel = torch.randn(h, w, dtype=torch.float64)
    theirs = F.conv2d(image[None, None], kernel[None, None])[0, 0]
    torch.testing.assert_close(cnn.correlate(image, kernel), theirs, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- the network

def test_parameters_and_shapes():
    model = CNN()
    assert sum(p.numel() for p in model.parameters()) == 11370
    assert [tuple(b.convolution.weight.shape) for b in model.blocks] == [
        (8, 1, 5, 5), (16, 8, 5, 5), (16, 16, 5, 5)]
    assert model.blocks(torch.zeros(2, 1, 28, 28)).shape == (2, 16, 3, 3)


@pytest.mark.parametrize("head", ["flatten", "max", "mean"])
def test_heads_equal_torch_layers(head):
    torch.manual_seed(0)
    model = CNN((4, 6), 3, head, in_channels=3, size=20, classes=5).eval()
    pool = {"flatten": nn.Identity(), "max": nn.AdaptiveMaxPool2d(1),
            "mean": nn.AdaptiveAvgPool2d(1)}[head]
    reference = nn.Sequential(model.blocks, pool, nn.Flatten(), model.scores)
    x = torch.randn(7, 3, 20, 20)
    torch.testing.assert_close(model(x), reference(x))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: CNN(()), "channels of at least one block"),
    (lambda: CNN(head="sum"), "head to be one of flatten, max, mean, received str 'sum'"),
    (lambda: CNN((4, 4, 4), size=7), "size of at least 8, received int 7"),
    (lambda: CNN((0,)), "out_channels of at least 1, received int 0"),
    (lambda: CNN((4,), 4), "an odd kernel_size, received int 4"),
    (lambda: CNN((4,), in_channels=0), "in_channels of at least 1, received int 0"),
    (lambda: CNN()(torch.zeros(1, 28, 28)), r"input of shape \(N, 1, 28, 28\), received a float32"),
    (lambda: cnn.dense(0), "hidden of at least 1, received int 0"),
    (lambda: cnn.train(CNN(), torch.zeros(2, 1, 28, 28), torch.zeros(2).long(), epochs=0),
     "epochs of at least 1, received int 0"),
    (lambda: cnn.translate(torch.zeros(28, 28), 0, 1), r"images of shape \(N, C, H, W\)"),
    (lambda: cnn.translate(torch.zeros(2, 1, 4, 4), 0.5, 1), "a shift of one int or 2 ints"),
    (lambda: cnn.translate(torch.zeros(2, 1, 4, 4), 0, torch.tensor([1, 2, 3])), "or 2 ints"),
    (lambda: cnn.fold(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(3)), "a norm of 2 channels, received int 3"),
    (lambda: cnn.correlate([[1.0]], torch.ones(1, 1)), r"image of shape \(H, W\)"),
    (lambda: cnn.correlate(torch.ones(2, 2), 3.0), r"kernel of shape \(h, w\)"),
    (lambda: cnn.seen_rows(-1, 0), "step of at least 0"),
    (lambda: cnn.seen_rows(0, -1), "unit of at least 0"),
    (lambda: cnn.best_patches(torch.zeros(2, 28, 28), torch.zeros(2, 3, 4, 4), 0),
     r"images of shape \(N, 1, H, W\)"),
    (lambda: cnn.best_patches(torch.zeros(2, 1, 8, 8), torch.zeros(3, 3, 4, 4), 0), "2 maps"),
    (lambda: cnn.best_patches(torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 4, 4), 0, count=3),
     "count of 1 … 2, received int 3"),
    (lambda: cnn.excite(lambda x: x.sum(), torch.zeros(2, 1, 4, 4)), r"activations of shape \(2,\)"),
    (lambda: cnn.excite(lambda x: x, [1.0]), "inputs to be a floating-point tensor"),
])
def test_bad_input_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.data())
def test_translate_moves_every_pixel(n, h, w, data):
    images = torch.rand(n, 2, h, w)
    ints = st.lists(st.integers(-h - w, h + w), min_size=n, max_size=n)
    down, right = data.draw(ints), data.draw(ints)
    moved = cnn.translate(images, torch.tensor(down), torch.tensor(right))
    for i in range(n):
        expected = torch.zeros(2, h, w)
        for y in range(h):
            for x in range(w):
                if 0 <= y - down[i] < h and 0 <= x - right[i] < w:
                    expected[:, y, x] = images[i, :, y - down[i], x - right[i]]
        assert torch.equal(moved[i], expected)


def test_translate_by_one_number_moves_all():
    images = torch.rand(3, 1, 6, 5)
    each = cnn.translate(images, torch.tensor([1, 1, 1]), torch.tensor([-2, -2, -2]))
    assert torch.equal(cnn.translate(images, 1, -2), each)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.sampled_from([1, 3, 5]), st.booleans())
def test_fold_equals_convolution_then_norm(c, d, k, bias):
    convolution, norm = nn.Conv2d(c, d, k, bias=bias, padding=k // 2), nn.BatchNorm2d(d).eval()
    for values in (norm.running_mean, norm.weight.data, norm.bias.data):
        values.normal_()
    norm.running_var.uniform_(0.1, 3)
    x = torch.randn(2, c, 6, 6)
    folded = F.conv2d(x, *cnn.fold(convolution, norm), padding=k // 2)
    torch.testing.assert_close(folded, norm(convolution(x)).detach(), rtol=1e-4, atol=1e-5)


def test_seen_rows_are_as_many_as_the_general_formula_says():
    from dlcheat.layers.convolution import receptive_field
    layers = [(5, 1), (2, 2)] * 3
    for step in range(6):
        first, last = cnn.seen_rows(step, 3)
        assert last - first + 1 == receptive_field(layers[:step + 1])


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("step", range(6))
def test_seen_rows_are_where_the_gradient_arrives(step, kernel_size):
    torch.manual_seed(0)
    layers = []
    for i in range(step // 2 + 1):
        layers.append(nn.Conv2d(1, 1, kernel_size, padding=kernel_size // 2, bias=False))
        nn.init.constant_(layers[-1].weight, 1.0)
        if 2 * i + 1 <= step:
            layers.append(nn.AvgPool2d(2))              # reaches every cell; max pooling only one
    image = torch.ones(1, 1, 96, 96, dtype=torch.float64, requires_grad=True)
    maps = nn.Sequential(*layers).double()(image)
    unit = maps.shape[-1] // 2
    gradient, = torch.autograd.grad(maps[0, 0, unit, unit], image)
    rows = gradient[0, 0].any(1).nonzero()[:, 0]
    assert (rows[0].item(), rows[-1].item()) == cnn.seen_rows(step, unit, kernel_size)


def test_best_patches_are_the_windows_of_the_strongest_units():
    torch.manual_seed(0)
    images, first = torch.rand(20, 1, 28, 28), nn.Conv2d(1, 3, 5, padding=2)
    maps = first(images).detach()
    patches = cnn.best_patches(images, maps, 0, count=4)
    assert patches.shape == (3, 4, 5, 5)
    answers = torch.einsum("dnij,dij->dn", patches, first.weight[:, 0].detach())
    strongest = maps.amax((2, 3)).topk(4, dim=0).values.T - first.bias.detach()[:, None]
    torch.testing.assert_close(answers, strongest, rtol=1e-4, atol=1e-5)


def test_best_patches_of_the_second_convolution():
    model = CNN().eval()
    images = mnist().test_images[:30]
    second = model.blocks[1][:1](model.blocks[0](images)).detach()
    patches = cnn.best_patches(images, second, 2, count=1)
    channel = 5
    image = second[:, channel].amax((1, 2)).argmax()
    row, column = divmod(second[image, channel].argmax().item(), 14)
    (top, bottom), (left, right) = (cnn.seen_rows(2, u) for u in (row, column))
    padded = F.pad(images[image, 0], (20, 20, 20, 20))
    expected = padded[top + 20:bottom + 21, left + 20:right + 21]
    assert torch.equal(patches[channel, 0], expected)


def test_excite_raises_the_activation_and_leaves_the_start_alone():
    torch.manual_seed(0)
    model, start = CNN().eval(), torch.full((10, 1, 28, 28), 0.3)
    own = torch.arange(10)
    drawn = cnn.excite(lambda x: model(x)[own, own], start, steps=10, decay=0)
    assert (model(drawn)[own, own] > model(start)[own, own]).all()
    assert torch.equal(start, torch.full((10, 1, 28, 28), 0.3))
    assert drawn.min() >= 0 and drawn.max() <= 1


def test_training_learns_in_one_pass():
    digits = mnist()
    torch.manual_seed(0)
    model = CNN((4, 8), 3)
    history = cnn.train(model, digits.train_images[::3], digits.train_labels[::3], epochs=2)
    assert history.loss[1] < 0.7 * history.loss[0]
    from dlcheat.training import accuracy
    assert accuracy(model, digits.test_images, digits.test_labels) > 0.8
    assert not model.training
