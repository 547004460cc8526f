"""Dropout, penalties and early stopping: against torch and against what they promise."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dlcheat.regularization import Dropout, EarlyStopping, dropout, l1_penalty, l2_penalty
from tests.compare import shapes, tensors


@given(shape=shapes(1, 4, 30), p=st.floats(0, 0.95), seed=st.integers(0, 99))
def test_dropout_drops_or_enlarges(shape, p, seed):
    x = torch.rand(shape, dtype=torch.float64).add(0.5).requires_grad_()
    y = dropout(x, p, generator=torch.Generator().manual_seed(seed))
    factor = y / x
    stays = factor != 0
    torch.testing.assert_close(factor[stays], torch.full_like(factor[stays], 1 / (1 - p)))
    y.sum().backward()
    torch.testing.assert_close(x.grad, factor.detach())            # the same units, the same factor


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_its_share(p):
    n = 200_000
    y = dropout(torch.ones(n), p, generator=torch.Generator().manual_seed(0))
    deviation = (p / (1 - p) / n) ** 0.5                         # of the mean of y
    assert abs(y.mean() - 1) < 4 * deviation
    assert abs((y == 0).float().mean() - p) < 4 * (p * (1 - p) / n) ** 0.5


def test_dropout_at_the_ends_and_in_evaluation():
    x = torch.randn(5)
    assert dropout(x, 0.0) is x and dropout(x, 0.5, training=False) is x
    assert (dropout(x, 1.0) == 0).all()
    layer, theirs = Dropout(0.3), nn.Dropout(0.3)
    assert (layer(torch.ones(1000)) == 0).any()
    assert torch.equal(layer.eval()(x), theirs.eval()(x))


@given(data=st.data(), rate=st.floats(0.01, 0.5), decay=st.floats(0, 1))
def test_l2_is_sgds_weight_decay(data, rate, decay):
    start = data.draw(tensors(data.draw(shapes(1, 3)), torch.float64))
    ours, theirs = (start.clone().requires_grad_() for _ in range(2))
    for w, penalised in ((ours, True), (theirs, False)):
        optimizer = torch.optim.SGD([w], lr=rate, weight_decay=0 if penalised else decay)
        for _ in range(3):
            loss = (w.sin()).sum() + (decay * l2_penalty([w]) if penalised else 0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


@given(data=st.data())
def test_penalties_are_norms(data):
    tensors_ = [data.draw(tensors(data.draw(shapes(1, 3)), torch.float64)) for _ in range(3)]
    flat = torch.cat([t.flatten() for t in tensors_])
    torch.testing.assert_close(l1_penalty(tensors_), flat.norm(1))
    torch.testing.assert_close(l2_penalty(iter(tensors_)), flat.norm() ** 2 / 2)


def test_l1_sends_small_weights_to_zero_and_l2_does_not():
    target = torch.tensor([2.0, 0.05])
    for penalty, expected in ((l1_penalty, [1.9, 0.0]), (l2_penalty, [2 / 1.1, 0.05 / 1.1])):
        w = torch.zeros(2, requires_grad=True)
        for _ in range(4000):
            loss = ((w - target) ** 2).sum() / 2 + 0.1 * penalty([w])
            loss.backward()
            with torch.no_grad():
                w -= 0.005 * w.grad
                w.grad = None
        torch.testing.assert_close(w.detach(), torch.tensor(expected), atol=1e-3, rtol=0)


@given(losses=st.lists(st.floats(0, 10), min_size=1, max_size=30), patience=st.integers(1, 5),
       delta=st.sampled_from([0.0, 0.5]))
def test_early_stopping_restores_the_best_epoch(losses, patience, delta):
    model = nn.Linear(1, 1)
    stop = EarlyStopping(model, patience, delta)
    best, at, stopped = float("inf"), -1, None
    for epoch, loss in enumerate(losses):
        with torch.no_grad():
            model.weight.fill_(float(epoch))
        if at < 0 or loss < best - delta:
            best, at = loss, epoch
        said = stop(loss)
        assert said == (epoch - at >= patience)
        if said:
            stopped = epoch
            break
    assert (stop.best, stop.epoch) == (best, at)
    stop.restore()
    assert model.weight.item() == at
    assert stopped is None or stopped - at == patience


@pytest.mark.parametrize(("call", "message"), [
    (lambda: dropout(torch.ones(2), 1.5), "p from 0 to 1, received float 1.5"),
    (lambda: dropout(torch.ones(2), float("nan")), "p from 0 to 1"),
    (lambda: dropout(torch.ones(2).long()), "floating-point tensor, received an int64"),
    (lambda: Dropout(-0.1), "p from 0 to 1"),
    (lambda: l1_penalty([]), "at least one tensor"),
    (lambda: l2_penalty(torch.ones(2)), "a list of tensors, received a float32 tensor"),
    (lambda: l2_penalty([torch.ones(2).long()]), "each parameter to be a floating-point"),
    (lambda: EarlyStopping(nn.Linear(1, 1), 0), "patience to be an integer of at least 1"),
    (lambda: EarlyStopping(nn.Linear(1, 1), 1, -1.0), "min_delta of at least 0"),
    (lambda: EarlyStopping(nn.Linear(1, 1))(float("nan")), "a loss that is a number"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        call()
