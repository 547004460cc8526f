"""Weights, uncertainty and surgery: against torch, against the formulas, and what they promise."""

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dlcheat.multi_task import (
    UncertaintyWeighting,
    backward_with_surgery,
    cosine,
    min_norm,
    pcgrad,
    task_gradients,
    weighted_sum,
)

seeds = st.integers(0, 10 ** 6)


def gradients_of(tasks, size, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(tasks, size, dtype=torch.double, generator=g)


# ---- gradient surgery

@given(st.integers(1, 9), seeds)
def test_surgery_of_two_harms_none(size, seed):
    g = gradients_of(2, size, seed)
    d = pcgrad(g)
    assert (g @ d >= -1e-10 * g.square().sum()).all()
    for mine, other in (g, g.flip(0)):
        cut = mine - min(0.0, (mine @ other).item()) / (other @ other) * other
        assert cut @ other >= -1e-10 * (mine.norm() * other.norm())


@given(st.integers(1, 5), st.integers(1, 9), seeds)
def test_surgery_without_conflict_is_the_sum(tasks, size, seed):
    g = gradients_of(tasks, size, seed).abs()                     # no negative product
    torch.testing.assert_close(pcgrad(g), g.sum(0), rtol=0, atol=0)


@given(st.integers(2, 9), seeds)
def test_surgery_of_opposed_gradients_is_zero(size, seed):
    g = gradients_of(1, size, seed)[0]
    torch.testing.assert_close(pcgrad(torch.stack([g, -0.3 * g])), torch.zeros(size).double())


def by_loop(gradients, orders):
    """Algorithm 1 of the paper, numbers and lists only."""
    total = [0.0] * len(gradients[0])
    for i, order in enumerate(orders):
        g = list(gradients[i])
        for j in order:
            overlap = sum(a * b for a, b in zip(g, gradients[j]))
            if j != i and overlap < 0:
                length = sum(b * b for b in gradients[j])
                g = [a - overlap / length * b for a, b in zip(g, gradients[j])]
        total = [a + b for a, b in zip(total, g)]
    return total


@given(st.integers(2, 5), st.integers(1, 6), seeds)
@settings(max_examples=60)
def test_surgery_is_the_papers_loop_in_a_random_order(tasks, size, seed):
    g = gradients_of(tasks, size, seed)
    source = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(tasks, generator=source).tolist() for _ in range(tasks)]
    got = pcgrad(g, torch.Generator().manual_seed(seed))
    expected = torch.tensor(by_loop(g.tolist(), orders), dtype=torch.double)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


def test_every_order_of_three_comes_up():
    g = [[1.0, 0, 0], [-1, 1, 0], [-1, -2, 1]]
    pairs = [[(b, c), (c, b)] for b, c in ((1, 2), (0, 2), (0, 1))]
    expected = {tuple(round(v, 9) for v in by_loop(g, orders)) for orders in product(*pairs)}
    found = {tuple(round(v, 9) for v in pcgrad(torch.tensor(g).double(),
             torch.Generator().manual_seed(s)).tolist()) for s in range(200)}
    assert found == expected and len(found) == 8


def test_a_zero_gradient_disturbs_nobody():
    g = torch.tensor([[0.0, 0.0], [1.0, -2.0]])
    assert pcgrad(g).tolist() == [1.0, -2.0]
    assert min_norm(g).tolist() == [0.0, 0.0]
    assert cosine(g).tolist() == [[0.0, 0.0], [0.0, pytest.approx(1.0)]]


# ---- cosine and minimum norm

@given(st.integers(1, 4), st.integers(1, 9), seeds)
def test_cosine_is_torchs(tasks, size, seed):
    g = gradients_of(tasks, size, seed)
    expected = F.cosine_similarity(g[:, None], g[None], dim=2)
    torch.testing.assert_close(cosine(g), expected)


@given(st.integers(1, 6), seeds)
def test_min_norm_is_the_shortest_mean_and_helps_both(size, seed):
    g = gradients_of(2, size, seed)
    d = min_norm(g)
    shares = torch.linspace(0, 1, 501, dtype=torch.double)[:, None]
    lengths = (shares * g[0] + (1 - shares) * g[1]).norm(dim=1)
    assert d.norm() <= lengths.min() + 1e-12
    assert d.norm() >= lengths.min() - (g[0] - g[1]).norm() / 500
    assert (g @ d >= d.square().sum() - 1e-9).all()


def test_min_norm_of_equal_gradients():
    assert min_norm(torch.ones(2, 3)).tolist() == [1.0, 1.0, 1.0]


# ---- gradients of tasks, and the backward pass

class Tiny(nn.Module):
    def __init__(self, tasks, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.trunk = nn.Sequential(nn.Linear(3, 4), nn.Tanh()).double()
        self.heads = nn.ModuleList(nn.Linear(4, 2).double() for _ in range(tasks))

    def losses(self, x):
        h = self.trunk(x)
        return [(head(h) - i).square().mean() for i, head in enumerate(self.heads)]


@given(st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_task_gradients_are_autograds(tasks, seed):
    net, x = Tiny(tasks, seed), torch.ones(5, 3).double() * seed / 99
    table = task_gradients(net.losses(x), net.trunk.parameters())
    for i in range(tasks):
        alone = torch.autograd.grad(net.losses(x)[i], list(net.trunk.parameters()))
        torch.testing.assert_close(table[i], torch.cat([g.flatten() for g in alone]))


def test_a_parameter_that_a_loss_does_not_know_has_gradient_zero():
    a, b = torch.ones(2, requires_grad=True), torch.ones(1, requires_grad=True)
    assert task_gradients([a.sum(), b.sum()], [a, b]).tolist() == [[1, 1, 0], [0, 0, 1]]


@given(st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_backward_with_surgery(tasks, seed):
    net = Tiny(tasks, seed)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(seed)).double()
    losses = net.losses(x)
    table = task_gradients(losses, net.trunk.parameters())
    expected = pcgrad(table, torch.Generator().manual_seed(seed))
    heads = torch.autograd.grad(sum(losses), list(net.heads.parameters()), retain_graph=True)
    backward_with_surgery(losses, net.trunk.parameters(), net.heads.parameters(),
                          torch.Generator().manual_seed(seed))
    got = torch.cat([p.grad.flatten() for p in net.trunk.parameters()])
    torch.testing.assert_close(got, expected)
    for p, g in zip(net.heads.parameters(), heads, strict=True):
        torch.testing.assert_close(p.grad, g)


# ---- weights

@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9)), min_size=1, max_size=5))
def test_weighted_sum(pairs):
    total = weighted_sum([torch.tensor(v, dtype=torch.double) for v, _ in pairs],
                         [w for _, w in pairs])
    assert total.item() == pytest.approx(sum(v * w for v, w in pairs), abs=1e-12)


@given(st.floats(-3, 3), seeds)
def test_uncertainty_is_the_gaussians_likelihood(s, seed):
    g = torch.Generator().manual_seed(seed)
    guess, target = torch.randn(2, 7, dtype=torch.double, generator=g)
    guess.requires_grad_()
    weighting = UncertaintyWeighting([True]).double()
    weighting.s.data.fill_(s)
    ours = weighting([F.mse_loss(guess, target)])
    theirs = F.gaussian_nll_loss(guess, target, weighting.s.exp().expand(7))
    normal = torch.distributions.Normal(target, weighting.s.exp().sqrt())
    exact = -normal.log_prob(guess).mean() - math.log(2 * math.pi) / 2
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(ours, exact)
    for a, b in zip(*(torch.autograd.grad(v, [guess, weighting.s]) for v in (ours, theirs)),
                    strict=True):
        torch.testing.assert_close(a, b)


def test_uncertainty_of_a_class_at_sigma_one_is_the_cross_entropy():
    scores, target = torch.randn(5, 3), torch.tensor([0, 1, 2, 0, 1])
    loss = F.cross_entropy(scores, target)
    torch.testing.assert_close(UncertaintyWeighting([False])([loss]), loss)


@given(st.lists(st.tuples(st.floats(1e-6, 1e6), st.booleans()), min_size=1, max_size=5))
def test_start_is_the_optimum_in_closed_form(tasks):
    losses = [torch.tensor(v, dtype=torch.double) for v, _ in tasks]
    weighting = UncertaintyWeighting([r for _, r in tasks]).double()
    weighting.start(losses)
    slope, = torch.autograd.grad(weighting(losses), weighting.s)
    torch.testing.assert_close(slope, torch.zeros_like(slope), rtol=0, atol=1e-12)
    sigma2 = [v if r else 2 * v for v, r in tasks]
    torch.testing.assert_close(weighting.s.detach().exp(), torch.tensor(sigma2).double())
    torch.testing.assert_close(weighting.weights(), 0.5 / torch.stack(losses))


@given(st.floats(1e-4, 1e4), seeds)
def test_a_unit_changes_nothing_once_started(unit, seed):
    """The gradient in the shared parameters is the same whatever the unit of a task."""
    net, x = Tiny(2, seed % 100), torch.ones(4, 3).double()
    found = []
    for factor in (1.0, unit ** 2):
        losses = net.losses(x)
        losses[1] = factor * losses[1]
        weighting = UncertaintyWeighting([True, True]).double()
        weighting.start([v.detach() for v in losses])
        found.append(torch.autograd.grad(weighting(losses), list(net.parameters())))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-12)


def test_the_state_is_a_state_dict():
    first, second = UncertaintyWeighting([True, False]), UncertaintyWeighting([True, False])
    first.start([torch.tensor(2.0), torch.tensor(3.0)])
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.s, second.s) and repr(second) == "UncertaintyWeighting(tasks=2)"


ONE = torch.tensor(1.0)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: weighted_sum([], []), "expected at least one loss"),
    (lambda: weighted_sum([ONE], [1, 2]), "expected 1 weights of at least 0"),
    (lambda: weighted_sum([ONE], [-1]), "expected 1 weights of at least 0"),
    (lambda: weighted_sum([torch.ones(2)], [1]), r"expected losses of shape \(\)"),
    (lambda: UncertaintyWeighting([]), "expected at least one task"),
    (lambda: UncertaintyWeighting([1]), "expected truth values"),
    (lambda: UncertaintyWeighting([True])([ONE, ONE]), "expected 1 losses"),
    (lambda: UncertaintyWeighting([True]).start([ONE, ONE]), "expected 1 losses"),
    (lambda: UncertaintyWeighting([True]).start([0 * ONE]), "expected losses above 0"),
    (lambda: task_gradients([ONE], []), "expected at least one parameter"),
    (lambda: pcgrad(torch.ones(3)), r"expected gradients of shape \(T, P\)"),
    (lambda: pcgrad(torch.ones(2, 3).long()), "expected gradients"),
    (lambda: cosine(torch.ones(0, 3)), "expected gradients"),
    (lambda: min_norm(torch.ones(3, 3)), r"expected gradients of shape \(2, P\)"),
    (lambda: backward_with_surgery([ONE], [], []), "expected at least one shared parameter"),
])
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
