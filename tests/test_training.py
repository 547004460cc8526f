"""The training loop: what it does, and what it refuses."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

import tests.compare  # noqa: F401 - the fixed hypothesis profile
from dlcheat.training import accuracy, batches, fit, gradient_check, numerical_gradient


def squared(model, x, y):
    return mse_loss(model(x), y)


@pytest.fixture
def line():
    x = torch.linspace(-1, 1, 32)[:, None]
    return nn.Linear(1, 1), x, 2 * x - 1


# batches -------------------------------------------------------------------------------------

@given(st.integers(1, 40), st.integers(1, 50))
def test_batches_hold_every_row_once_and_keep_rows_together(n, size):
    x = torch.arange(n)
    got = list(batches(x, 10 * x, batch_size=size))
    assert torch.cat([a for a, _ in got]).sort().values.tolist() == list(range(n))
    assert all(torch.equal(10 * a, b) for a, b in got)
    assert [len(a) for a, _ in got[:-1]] == [size] * (len(got) - 1)
    assert 1 <= len(got[-1][0]) <= size


def test_batches_are_shuffled_by_their_generator():
    x = torch.arange(100)

    def once(seed):
        return torch.cat([b for b, in batches(x, generator=torch.Generator().manual_seed(seed))])

    assert torch.equal(once(0), once(0))
    assert not torch.equal(once(0), once(1))
    assert not torch.equal(once(0), x)


@pytest.mark.parametrize(("tensors", "size", "message"), [
    ((), 2, r"at least one tensor, received tuple \(\)"),
    ((torch.zeros(3), torch.zeros(2)), 2, r"tensors of 3 rows each, received .*\(2,\)"),
    ((torch.zeros(0, 2),), 2, r"at least one row, received .*\(0, 2\)"),
    ((torch.tensor(1.0),), 2, r"at least one row, received .*shape \(\)"),
    (([1, 2],), 2, r"a tensor with at least one row, received list \[1, 2\]"),
    ((torch.zeros(3),), 0, "batch_size to be an integer of at least 1, received int 0"),
    ((torch.zeros(3),), 2.0, "batch_size to be .*received float 2.0"),
])
def test_batches_refuse_at_once(tensors, size, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        batches(*tensors, batch_size=size)                       # before the first batch is asked for


# fit -----------------------------------------------------------------------------------------

def test_fit_learns_a_line(line):
    model, x, y = line
    history = fit(model, squared, x, y, epochs=200, batch_size=16, lr=0.05)
    assert model.weight.item() == pytest.approx(2, abs=1e-2)
    assert model.bias.item() == pytest.approx(-1, abs=1e-2)
    assert len(history.loss) == 200
    assert history.loss[-1] < 1e-3 < history.loss[0]
    assert history.score == []


def test_fit_is_the_loop_by_hand(line):
    model, x, y = line
    other = nn.Linear(1, 1)
    other.load_state_dict(model.state_dict())
    history = fit(model, squared, x, y, epochs=2, batch_size=10,
                  generator=torch.Generator().manual_seed(0))
    adam, generator = torch.optim.Adam(other.parameters(), 1e-3), torch.Generator().manual_seed(0)
    means = []
    for _ in range(2):
        total = 0.0
        for rows in torch.randperm(32, generator=generator).split(10):
            loss = squared(other, x[rows], y[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += loss.item() * len(rows)                     # the last batch has only 2
        means.append(total / 32)
    assert torch.equal(model.weight, other.weight)
    assert history.loss == pytest.approx(means, rel=1e-12)


def test_fit_switches_modes_and_evaluates_after_every_epoch(line):
    _, x, y = line
    model = nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5))
    modes = []

    def loss(model, x, y):
        modes.append(model.training)
        return squared(model, x, y)

    def evaluate():
        modes.append(model.training)
        return float(len(modes))

    history = fit(model, loss, x, y, epochs=2, batch_size=32, evaluate=evaluate)
    assert modes == [True, False, True, False]
    assert history.score == [2, 4]
    assert not model.training


def test_fit_takes_any_optimizer(line):
    model, x, y = line
    before = model.weight.item()
    fit(model, squared, x, y, optimizer=torch.optim.SGD(model.parameters(), lr=0.0))
    assert model.weight.item() == before


def test_fit_says_when_it_diverges(line):
    model, x, y = line
    sgd = torch.optim.SGD(model.parameters(), lr=1e4)
    with pytest.raises(ValueError, match=r"expected a finite loss, received float (nan|inf)"):
        fit(model, squared, x, y, epochs=50, optimizer=sgd)


@pytest.mark.parametrize(("options", "message"), [
    ({"epochs": 0}, "epochs to be an integer of at least 1, received int 0"),
    ({"epochs": 1.5}, "epochs to be .*received float 1.5"),
    ({"batch_size": 0}, "batch_size to be .*received int 0"),
    ({"lr": 0.0}, "lr above 0, received float 0.0"),
    ({"lr": -1.0}, "lr above 0, received float -1.0"),
])
def test_fit_refuses_numbers(line, options, message):
    model, x, y = line
    with pytest.raises(ValueError, match=f"expected {message}"):
        fit(model, squared, x, y, **options)


def test_fit_refuses_data_and_losses(line):
    model, x, y = line
    with pytest.raises(ValueError, match=r"expected tensors of 32 rows each, received .*\(5, 1\)"):
        fit(model, squared, x, y[:5])
    with pytest.raises(ValueError, match="expected at least one tensor"):
        fit(model, squared)
    with pytest.raises(ValueError, match=r"expected a loss of shape \(\), received .*\(32, 1\)"):
        fit(model, lambda m, x, y: m(x) - y, x, y)


# accuracy ------------------------------------------------------------------------------------

def test_accuracy_does_not_depend_on_the_batch():
    scores, labels = torch.randn(101, 4), torch.randint(4, (101,))
    expected = (scores.argmax(1) == labels).double().mean().item()
    for size in (1, 7, 101, 500):
        assert accuracy(lambda x: x, scores, labels, batch_size=size) == pytest.approx(expected)


def test_accuracy_computes_no_gradient():
    model = nn.Linear(3, 2)
    seen = []

    def spy(x):
        seen.append(model(x).requires_grad)
        return model(x)

    accuracy(spy, torch.zeros(4, 3), torch.zeros(4, dtype=torch.long))
    assert seen == [False]


@pytest.mark.parametrize(("inputs", "labels", "message"), [
    (torch.eye(3), torch.zeros(2).long(), r"labels of shape \(3,\), received .*\(2,\)"),
    (torch.eye(3), torch.zeros(3, 1).long(), r"labels of shape \(3,\), received .*\(3, 1\)"),
    (torch.eye(3), torch.zeros(3), r"whole-number labels .*received a float32"),
    (torch.eye(3), [0, 1, 2], "received list"),
    (torch.zeros(0, 3), torch.zeros(0).long(), r"at least one row, received .*\(0, 3\)"),
    (torch.zeros(2, 3, 4), torch.zeros(2).long(), r"scores of shape \(N, C\), .*\(2, 3, 4\)"),
])
def test_accuracy_refuses(inputs, labels, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        accuracy(lambda x: x, inputs, labels)


def test_accuracy_refuses_batches_of_none():
    with pytest.raises(ValueError, match=r"expected batch_size to be .*received int 0"):
        accuracy(lambda x: x, torch.eye(3), torch.arange(3), batch_size=0)


def test_a_classifier_from_end_to_end():
    x = torch.randn(200, 2)
    y = (x[:, 0] > 0).long()
    model = nn.Linear(2, 2)
    history = fit(model, lambda m, x, y: cross_entropy(m(x), y), x, y, epochs=30, lr=0.05,
                  evaluate=lambda: accuracy(model, x, y))
    assert history.score[-1] >= 0.97


# gradients by differences ----------------------------------------------------------------------

def wavy(x):
    return (x.sin() * x.exp()).sum() + x.prod()


@given(st.integers(0, 2**31), st.sampled_from([(), (1,), (3,), (2, 3)]))
def test_numerical_gradient_equals_autograd(seed, shape):
    x = torch.randn(shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))
    before = x.clone()
    point = x.clone().requires_grad_()
    expected, = torch.autograd.grad(wavy(point), point)
    size = 1 + expected.abs().max().item()
    torch.testing.assert_close(numerical_gradient(wavy, x), expected, rtol=0, atol=1e-8 * size)
    torch.testing.assert_close(numerical_gradient(wavy, x, method="forward"), expected,
                               rtol=0, atol=1e-6 * size)
    assert torch.equal(x, before)
    assert gradient_check(wavy, x) < 1e-8
    assert torch.autograd.gradcheck(wavy, point)


@pytest.mark.parametrize(("method", "order"), [("forward", 1), ("central", 2)])
def test_the_error_has_its_order(method, order):
    x = torch.tensor([0.7], dtype=torch.double)
    error = [abs(numerical_gradient(lambda x: x.exp().sum(), x, h, method) - x.exp()).item()
             for h in (1e-2, 1e-3)]
    assert error[0] / error[1] == pytest.approx(10 ** order, rel=0.05)


def test_the_step_is_the_one_that_was_taken():
    x = torch.tensor([1e6], dtype=torch.float32)                 # 1e6 + 0.1 is 1e6 + 0.125
    assert numerical_gradient(lambda x: 3 * (x.double() - 1e6).sum(), x, 0.1).item() == 3


def test_a_view_that_is_not_contiguous():
    x = torch.arange(6.0, dtype=torch.double).view(2, 3).T
    got = numerical_gradient(lambda x: (x ** 2).sum(), x)
    torch.testing.assert_close(got, 2 * x, rtol=0, atol=1e-8)


def test_gradient_check_finds_a_wrong_gradient():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x ** 3

        @staticmethod
        def backward(ctx, grad):
            return 2 * ctx.saved_tensors[0] ** 2 * grad          # 3 x², forgotten

    x = torch.tensor([0.5, -1.0], dtype=torch.double)
    assert gradient_check(lambda x: Wrong.apply(x).sum(), x) == pytest.approx(1 / 5, rel=1e-6)
    assert gradient_check(lambda x: (0 * x).sum(), x) == 0


@pytest.mark.parametrize(("call", "message"), [
    (lambda: numerical_gradient(torch.sum, torch.tensor([1, 2])), "x to be a floating-point tensor"),
    (lambda: numerical_gradient(torch.sum, torch.ones(2), -1.0), "h above 0, received float -1.0"),
    (lambda: numerical_gradient(torch.sum, torch.ones(2), 1e-12), "h large enough to change 1.0"),
    (lambda: numerical_gradient(torch.sum, torch.ones(2), method="left"), "method central or forward"),
    (lambda: numerical_gradient(torch.sin, torch.ones(2)), r"f to give one number, .*shape \(2,\)"),
    (lambda: numerical_gradient(str, torch.ones(2)), "f to give one number, received str"),
    (lambda: gradient_check(torch.sin, torch.ones(2)), "f to give a scalar tensor"),
    (lambda: gradient_check(lambda x: torch.tensor(1.0), torch.ones(2)), "depends on x"),
    (lambda: gradient_check(torch.sum, [1.0]), "x to be a floating-point tensor"),
])
def test_differences_refuse(call, message):
    with pytest.raises(ValueError, match=f"expected .*{message}"):
        call()
