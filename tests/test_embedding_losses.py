"""Losses of distances and angles against torch, formulas and loops; mining; bad input."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from dlcheat.losses import (
    batch_hard,
    contrastive_distance_loss,
    contrastive_loss,
    cosine_embedding_loss,
    hinge_embedding_loss,
    info_nce,
    squared_triplet_loss,
    triplet_margin_loss,
)
from tests.compare import assert_near, assert_same, shapes, tensors

DTYPES = [torch.float32, torch.float64]
REDUCTIONS = ["none", "mean", "sum"]


@st.composite
def embeddings(draw, dtype, count):
    """Draw ``count`` tensors of one shape, (N, D) or (D,), of any size."""
    shape, scale = draw(shapes(1, 2)), draw(st.sampled_from([1e-3, 1.0, 1e3]))
    return [draw(tensors(shape, dtype, scale)) for _ in range(count)]


def signs(draw, shape):
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    return 2 * torch.randint(2, shape, generator=generator) - 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(data=st.data())
def test_triplet_margin_loss_equals_torch(dtype, reduction, data):
    parts = data.draw(embeddings(dtype, 3))
    options = {"margin": data.draw(st.sampled_from([0.2, 1.0, 100.0])),
               "p": data.draw(st.sampled_from([1.0, 2.0, 3.0, math.inf])),
               "swap": data.draw(st.booleans()), "reduction": reduction}
    far = max(x.abs().max() for x in parts).item()               # a difference of distances
    assert_same(lambda *x: triplet_margin_loss(*x, **options),
                lambda *x: F.triplet_margin_loss(*x, **options), *parts,
                slack=50 * torch.finfo(dtype).eps * far)


def test_triplet_margin_loss_where_points_meet():
    zero, one = torch.zeros(2, 3), torch.ones(2, 3)
    for parts in ((zero, zero, zero), (zero, zero, one), (zero, one, zero)):
        for eps in (0.0, 1e-6):
            assert_same(lambda *x, e=eps: triplet_margin_loss(*x, eps=e),
                        lambda *x, e=eps: F.triplet_margin_loss(*x, eps=e), *parts)
    a, p, n = torch.randn(3, 4, 5)
    assert_near(triplet_margin_loss(a, p, n), F.triplet_margin_loss(a, p, n))
    edge = torch.tensor([[2.0]])                                 # exactly at the margin
    assert_same(lambda a, p, n: triplet_margin_loss(a, p, n, eps=0),
                lambda a, p, n: F.triplet_margin_loss(a, p, n, eps=0), 0 * edge, edge / 2, edge)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_squared_triplet_loss_is_its_formula(dtype, data):
    parts = data.draw(embeddings(dtype, 3))
    margin = data.draw(st.sampled_from([0.0, 0.2, 3.0]))

    def formula(a, p, n):
        return F.relu(F.mse_loss(a, p, reduction="none").sum(-1)
                      - F.mse_loss(a, n, reduction="none").sum(-1) + margin)

    assert_same(lambda *x: squared_triplet_loss(*x, margin, "none"), formula, *parts)
    assert_near(squared_triplet_loss(*parts, margin), formula(*parts).mean())
    assert_near(squared_triplet_loss(*parts, margin, "sum"), formula(*parts).sum())


def test_squared_triplet_by_hand():
    a, p, n = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([[5.0, 1.0]])
    assert squared_triplet_loss(a, p, n) == 0                    # 25 − 26 + 0.2 < 0
    assert squared_triplet_loss(a, p, n, margin=1.5) == 0.5
    assert squared_triplet_loss(a, a, a) == pytest.approx(0.2)   # collapsed: the margin


@given(st.integers(0, 2**31), st.integers(2, 4), st.integers(2, 4), st.integers(1, 3))
def test_batch_hard_is_a_loop(seed, kinds, each, dims):
    generator = torch.Generator().manual_seed(seed)
    f = torch.randn(kinds * each, dims, generator=generator, dtype=torch.float64)
    labels = torch.arange(kinds).repeat_interleave(each)[torch.randperm(kinds * each,
                                                                        generator=generator)]
    positive, negative = batch_hard(f, labels)
    for i in range(len(f)):
        distance = [(f[i] - g).norm().item() for g in f]
        friends = [j for j in range(len(f)) if labels[j] == labels[i] and j != i]
        strangers = [j for j in range(len(f)) if labels[j] != labels[i]]
        assert distance[positive[i]] == pytest.approx(max(distance[j] for j in friends))
        assert distance[negative[i]] == pytest.approx(min(distance[j] for j in strangers))
        assert positive[i] in friends and negative[i] in strangers


def test_batch_hard_of_a_collapsed_batch_and_of_halves():
    labels = torch.tensor([0, 0, 1, 1])
    positive, negative = batch_hard(torch.zeros(4, 2), labels)
    assert positive.tolist() == [1, 0, 3, 2] and (labels[negative] != labels).all()
    f = torch.tensor([[0.0], [1.0], [5.0], [3.0]])
    for dtype in (torch.float16, torch.bfloat16):
        assert batch_hard(f.to(dtype), labels)[1].tolist() == [3, 3, 1, 1]


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_contrastive_loss_is_its_formula(dtype, data):
    a, b = data.draw(embeddings(dtype, 2))
    y = (signs(data.draw, a.shape[:-1]) + 1) // 2
    margin = data.draw(st.sampled_from([0.5, 1.0, 4.0]))

    def formula(a, b):
        d = (a - b).norm(dim=-1)
        return (y * d ** 2 + (1 - y) * F.relu(margin - d) ** 2) / 2

    assert_same(lambda a, b: contrastive_loss(a, b, y, margin, "none"), formula, a, b)
    assert_near(contrastive_loss(a, b, y, margin), formula(a, b).mean())
    assert_near(contrastive_loss(a, b, y.to(dtype), margin, "sum"), formula(a, b).sum())
    d = (a - b).norm(dim=-1)
    assert_near(contrastive_distance_loss(d, y.bool(), margin, "none"), formula(a, b))


def test_a_pair_at_one_point_has_a_finite_gradient():
    a = torch.zeros(2, 3, requires_grad=True)
    loss = contrastive_loss(a, torch.zeros(2, 3), torch.tensor([1, 0]), reduction="none")
    assert loss.tolist() == [0, 0.5]
    loss.sum().backward()
    assert (a.grad == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(data=st.data())
def test_hinge_embedding_loss_equals_torch(dtype, reduction, data):
    x = data.draw(tensors(data.draw(shapes(0, 3)), dtype, scale=2.0))
    x = data.draw(st.sampled_from([x, x.round()]))               # some exactly at the margin
    y = signs(data.draw, x.shape).to(data.draw(st.sampled_from([dtype, torch.long])))
    margin = data.draw(st.sampled_from([1.0, 2.0, 0.3]))
    assert_same(lambda x: hinge_embedding_loss(x, y, margin, reduction),
                lambda x: F.hinge_embedding_loss(x, y, margin, reduction=reduction), x)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@given(data=st.data())
def test_cosine_embedding_loss_equals_torch(dtype, reduction, data):
    a, b = data.draw(embeddings(dtype, 2))
    y = signs(data.draw, a.shape[:-1])
    margin = data.draw(st.sampled_from([0.0, 0.5, -0.5]))
    # gradients are of size 1 / length; torch's 1e-12 is a float32, 4e-21 beside the number
    near = min(x.norm(dim=-1).min() for x in (a, b)).item()
    assert_same(lambda a, b: cosine_embedding_loss(a, b, y, margin, reduction),
                lambda a, b: F.cosine_embedding_loss(a, b, y, margin, reduction=reduction), a, b,
                slack=20 * torch.finfo(dtype).eps * max(1, 1 / near) + 2e-20 / near ** 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("symmetric", [False, True])
@given(data=st.data())
def test_info_nce_is_its_formula(dtype, symmetric, data):
    shape = data.draw(shapes(2, 2))
    q, k = data.draw(tensors(shape, dtype)), data.draw(tensors(shape, dtype))
    tau = data.draw(st.sampled_from([0.07, 1.0]))
    own = torch.arange(len(q))

    def formula(q, k):
        s = F.normalize(q, dim=1) @ F.normalize(k, dim=1).T / tau
        there, back = (F.cross_entropy(x, own, reduction="none") for x in (s, s.T))
        return (there + back) / 2 if symmetric else there

    # the diagonal of the normalised gradient cancels: slack of the scores' size
    ours, theirs = (x.clone().requires_grad_() for x in (q, q))
    found, expected = info_nce(ours, k, tau, symmetric, "none"), formula(theirs, k)
    slack = 50 * torch.finfo(dtype).eps / tau
    assert_near(found, expected, slack=slack)
    found.sum().backward()
    expected.sum().backward()
    assert_near(ours.grad, theirs.grad, "gradient", slack / q.norm(dim=1).min().item())
    assert_near(info_nce(q, k, tau, symmetric), formula(q, k).mean(), slack=slack)


def test_info_nce_of_equal_embeddings_is_log_n():
    same = torch.ones(8, 3)
    assert info_nce(same, same).item() == pytest.approx(math.log(8), abs=1e-5)
    assert info_nce(torch.zeros(2, 3), torch.zeros(2, 3)).isfinite()
    assert_near(info_nce(3 * same, same), info_nce(same, 5 * same))       # lengths do not count


# bad input -----------------------------------------------------------------------------------

X = torch.zeros(4, 3)
ONES = torch.ones(4).long()


@pytest.mark.parametrize(("call", "message"), [
    (lambda: triplet_margin_loss(X, X, X[:1]),
     r"negative of the shape of anchor, \(4, 3\), received .*\(1, 3\)"),
    (lambda: triplet_margin_loss(X, X[0], X), "positive of the shape of anchor"),
    (lambda: triplet_margin_loss(X.long(), X, X), "anchor to be a floating-point tensor"),
    (lambda: triplet_margin_loss(*[X.sum()] * 3), r"anchor of shape \(N, D\) or \(D,\), received"),
    (lambda: triplet_margin_loss(X, X, X, margin=0), "margin above 0, received int 0"),
    (lambda: triplet_margin_loss(X, X, X, p=0), "p above 0, received int 0"),
    (lambda: triplet_margin_loss(X, X, X, reduction="all"), "reduction .*received str 'all'"),
    (lambda: squared_triplet_loss(X, X, X, margin=-1), "margin of at least 0, received int -1"),
    (lambda: squared_triplet_loss(X, X, X[:, :2]), "negative of the shape of anchor"),
    (lambda: squared_triplet_loss(X, X, X, reduction="all"), "reduction .*received str 'all'"),
    (lambda: batch_hard(X[0], ONES), r"embeddings of shape \(N, D\), received .*\(3,\)"),
    (lambda: batch_hard(X, ONES[:3]), r"labels to be an int64 tensor of shape \(4,\)"),
    (lambda: batch_hard(X, ONES.int()), "labels to be an int64 tensor"),
    (lambda: batch_hard(X, ONES), "labels of at least two kinds"),
    (lambda: batch_hard(X, torch.tensor([0, 0, 1, 0])), "every label at least twice, received the label 1"),
    (lambda: contrastive_loss(X, X[:1], ONES), r"input2 of the shape of input1, \(4, 3\)"),
    (lambda: contrastive_loss(X, X, ONES[:, None]), r"target to be a tensor of shape \(4,\), .*\(4, 1\)"),
    (lambda: contrastive_loss(X, X, -ONES), "labels 0 or 1, received the label -1"),
    (lambda: contrastive_loss(X, X, ONES, margin=0.0), "margin above 0, received float 0.0"),
    (lambda: contrastive_loss(X, X, ONES, reduction="all"), "reduction .*received str 'all'"),
    (lambda: contrastive_distance_loss(X - 1, X), "distances of at least 0, received -1"),
    (lambda: contrastive_distance_loss(X * torch.nan, X), "distances of at least 0, received nan"),
    (lambda: contrastive_distance_loss(X, X + 0.5), "labels 0 or 1, received the label 0.5"),
    (lambda: hinge_embedding_loss(X, X), "labels -1 or [+]1, received the label 0.0"),
    (lambda: hinge_embedding_loss(X, X > 0), "labels -1 or [+]1, received the label False"),
    (lambda: hinge_embedding_loss(X, ONES), r"target to be a tensor of shape \(4, 3\)"),
    (lambda: hinge_embedding_loss(X.long(), X + 1), "input to be a floating-point tensor"),
    (lambda: hinge_embedding_loss(X, X + 1, reduction="all"), "reduction .*received str 'all'"),
    (lambda: cosine_embedding_loss(X, X, 0 * ONES), "labels -1 or [+]1, received the label 0"),
    (lambda: cosine_embedding_loss(X, X, ONES[:2]), r"target to be a tensor of shape \(4,\)"),
    (lambda: cosine_embedding_loss(X[None], X[None], ONES), r"input1 of shape \(N, D\) or \(D,\)"),
    (lambda: cosine_embedding_loss(X, X, ONES, reduction="all"), "reduction .*received str 'all'"),
    (lambda: info_nce(X, X[:2]), r"key of the shape of query, \(4, 3\)"),
    (lambda: info_nce(X[0], X[0]), r"query of shape \(N, D\), received .*\(3,\)"),
    (lambda: info_nce(X, X, temperature=0), "temperature above 0, received int 0"),
    (lambda: info_nce(X, X, reduction="all"), "reduction .*received str 'all'"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
