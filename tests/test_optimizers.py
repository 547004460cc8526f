"""Optimizers: torch's trajectories to the last bit, torch's state, and what is refused.

Equality is torch.equal throughout: dlcheat makes the operations of torch's single-tensor path in
its order. Lion has no counterpart in torch; its reference is the paper's update, line by line.
"""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from dlcheat import optimizers
from dlcheat.optimizers import LBFGS, SGD, Adadelta, Adagrad, Adam, AdamW, Lion, RMSprop, two_loop
from tests.compare import assert_near

NAMES = ("SGD", "Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW")
dtypes = st.sampled_from([torch.float32, torch.float64])
rates, decays = st.sampled_from([1e-3, 0.01, 0.1]), st.sampled_from([0, 0.0, 0.01, 0.3])
shares = st.sampled_from([0.0, 0.5, 0.9, 0.99])
flags = st.booleans()

OPTIONS = {
    "SGD": st.one_of(
        st.fixed_dictionaries({"momentum": st.sampled_from([0, 0.5, 0.9]), "weight_decay": decays,
                               "dampening": st.sampled_from([0, 0.1, 0.5, 1]), "maximize": flags}),
        st.fixed_dictionaries({"momentum": st.sampled_from([0.5, 0.9]), "weight_decay": decays,
                               "nesterov": st.just(True), "maximize": flags})),
    "Adagrad": st.fixed_dictionaries({
        "lr_decay": st.sampled_from([0, 0.01, 0.5]), "weight_decay": decays, "maximize": flags,
        "initial_accumulator_value": st.sampled_from([0, 0.1, 3.0]),
        "eps": st.sampled_from([1e-10, 1e-3])}),
    "RMSprop": st.fixed_dictionaries({
        "alpha": shares, "momentum": st.sampled_from([0, 0.5, 0.9]), "centered": flags,
        "weight_decay": decays, "maximize": flags, "eps": st.sampled_from([1e-8, 1e-3])}),
    "Adadelta": st.fixed_dictionaries({
        "rho": shares, "weight_decay": decays, "maximize": flags,
        "eps": st.sampled_from([1e-6, 1e-3])}),
    "Adam": st.fixed_dictionaries({
        "betas": st.tuples(shares, st.sampled_from([0.0, 0.9, 0.999])), "amsgrad": flags,
        "weight_decay": decays, "maximize": flags, "eps": st.sampled_from([1e-8, 1e-3])}),
}
OPTIONS["AdamW"] = OPTIONS["Adam"]


class Problem:
    """A bumpy bowl with a linear part, of three tensors; the same for both optimizers."""

    def __init__(self, seed, dtype):
        g = torch.Generator().manual_seed(seed)
        shapes = [(3, 4), (5,), ()]
        self.start = [torch.randn(s, generator=g, dtype=dtype) for s in shapes]
        self.scale = [10 ** torch.randn(s, generator=g, dtype=dtype) for s in shapes]
        self.goal = [torch.randn(s, generator=g, dtype=dtype) for s in shapes]

    def parameters(self):
        return [t.clone().requires_grad_() for t in self.start]

    def loss(self, parameters):
        return sum((a * (p - c).square() / 2 + p.sin()).sum()
                   for p, a, c in zip(parameters, self.scale, self.goal))


def grouped(parameters, lr, own):
    """Two groups: the first with settings of its own."""
    return [{"params": parameters[:1], "lr": lr / 3, **own}, {"params": parameters[1:]}]


def walk(optimizer, parameters, problem, steps, where=None):
    """Take steps by autograd's gradients; return every position."""
    path = []
    for k in range(steps):
        optimizer.zero_grad()
        problem.loss(parameters).backward()
        if where is not None and k % 3 == where:                 # a tensor without gradient
            parameters[1].grad = None
        optimizer.step()
        path.append([p.detach().clone() for p in parameters])
    return path


def same_bits(x, y):
    """torch.equal, where *not a number* equals itself: a wild run may end there."""
    return x.dtype == y.dtype and torch.equal(x.isnan(), y.isnan()) \
        and torch.equal(x.nan_to_num(), y.nan_to_num())


def assert_equal_paths(mine, theirs):
    for k, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        for x, y in zip(a, b):
            assert same_bits(x, y), f"step {k + 1}: {x} is not {y}"


def pair(name, seed, dtype, lr, options, own=None):
    """Both optimizers on copies of one problem."""
    problem, found = Problem(seed, dtype), []
    for module, extra in ((optimizers, {}), (torch.optim, {"foreach": False})):
        parameters = problem.parameters()
        given_ = parameters if own is None else grouped(parameters, lr, own)
        found.append((getattr(module, name)(given_, lr=lr, **options, **extra), parameters))
    return problem, *found


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), seed=st.integers(0, 10 ** 6), dtype=dtypes, lr=rates)
@settings(max_examples=15)
def test_a_hundred_steps_are_torchs_to_the_last_bit(name, data, seed, dtype, lr):
    options = data.draw(OPTIONS[name])
    problem, (mine, p), (theirs, q) = pair(name, seed, dtype, lr, options)
    assert_equal_paths(walk(mine, p, problem, 100), walk(theirs, q, problem, 100))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), seed=st.integers(0, 10 ** 6), dtype=dtypes, lr=rates)
@settings(max_examples=6)
def test_groups_and_missing_gradients(name, data, seed, dtype, lr):
    """Each group has its own settings; a tensor without gradient stays, and so does its state."""
    options, own = data.draw(OPTIONS[name]), {"weight_decay": data.draw(decays)}
    problem, (mine, p), (theirs, q) = pair(name, seed, dtype, lr, options, own)
    assert_equal_paths(walk(mine, p, problem, 40, where=1), walk(theirs, q, problem, 40, where=1))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), seed=st.integers(0, 10 ** 6), dtype=dtypes, lr=rates, ours_first=flags)
@settings(max_examples=6)
def test_each_goes_on_from_the_others_state(name, data, seed, dtype, lr, ours_first):
    options = data.draw(OPTIONS[name])
    problem, *both = pair(name, seed, dtype, lr, options, {})
    (first, p), (second, q) = both if ours_first else both[::-1]
    walk(first, p, problem, 7)
    for a, b in zip(p, q):
        b.data.copy_(a.data)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert_equal_paths(walk(second, q, problem, 20), walk(first, p, problem, 20))
    mine, theirs = (o.state_dict()["state"] for o in (first, second))
    assert mine.keys() == theirs.keys()
    for k, entries in mine.items():
        assert entries.keys() == theirs[k].keys()
        assert all(same_bits(v, theirs[k][n]) for n, v in entries.items())


@pytest.mark.parametrize("name", [*NAMES, "LBFGS"])
def test_names_and_defaults_are_torchs(name):
    p = torch.zeros(2, requires_grad=True)
    mine = getattr(optimizers, name)([p]).param_groups[0]
    theirs = getattr(torch.optim, name)([p]).param_groups[0]
    left_out = {"foreach", "fused", "capturable", "differentiable"}
    assert set(theirs) - left_out == set(mine)
    assert all(mine[k] == theirs[k] for k in mine if k != "params")


@pytest.mark.parametrize(("name", "arguments"), [
    ("SGD", (0.1, 0.9, 0.1, 0.01)), ("SGD", (0.1, 0.9, 0, 0.01, True)),
    ("Adagrad", (0.1, 0.2, 0.01, 0.3, 1e-3)), ("RMSprop", (0.1, 0.8, 1e-3, 0.01, 0.5, True)),
    ("Adadelta", (0.5, 0.8, 1e-3, 0.01)), ("Adam", (0.1, (0.8, 0.9), 1e-3, 0.01, True)),
    ("AdamW", (0.1, (0.8, 0.9), 1e-3, 0.01, True)), ("LBFGS", (0.5, 4, 5, 1e-3, 1e-4, 7))])
def test_the_order_of_arguments_is_torchs(name, arguments):
    p = torch.zeros(2, requires_grad=True)
    mine = getattr(optimizers, name)([p], *arguments).param_groups[0]
    theirs = getattr(torch.optim, name)([p], *arguments).param_groups[0]
    assert all(mine[k] == theirs[k] for k in mine if k != "params")


@pytest.mark.parametrize("name", [*NAMES, "Lion"])
def test_closure_schedule_and_new_group(name):
    """step() takes a closure and returns its loss; schedulers of torch turn the rate."""
    p, q = (torch.ones(3, requires_grad=True) for _ in range(2))
    optimizer = getattr(optimizers, name)([p], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (p.square() + q.square()).sum()
        loss.backward()
        return loss

    scheduler = lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    assert optimizer.step(closure).item() == 6 and (p != 1).all() and (q == 1).all()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.05
    optimizer.add_param_group({"params": q, "lr": 0.2})
    optimizer.step(closure)
    assert (q != 1).all() and optimizer.param_groups[1]["lr"] == 0.2
    assert optimizer.step() is None


@pytest.mark.parametrize("name", NAMES)
def test_what_changes_nothing(name):
    """A rate of 0, and no gradient at all."""
    p = torch.ones(3, requires_grad=True)
    optimizer = getattr(optimizers, name)([p], lr=0)
    optimizer.step()
    assert not optimizer.state
    p.grad = torch.ones(3)
    optimizer.step()
    assert torch.equal(p, torch.ones(3)) and torch.equal(p.grad, torch.ones(3))


@given(seed=st.integers(0, 10 ** 6), dtype=dtypes, decay=decays, maximize=flags,
       betas=st.tuples(shares, shares))
@settings(max_examples=30)
def test_lion_is_the_papers_update(seed, dtype, decay, maximize, betas):
    problem, lr = Problem(seed, dtype), 0.01
    p, q = problem.parameters(), problem.parameters()
    m = [torch.zeros_like(t) for t in q]
    path = []
    for _ in range(100):
        grads = torch.autograd.grad(problem.loss(q), q)
        with torch.no_grad():
            for k, g in enumerate(grads):
                g = -g if maximize else g
                c = betas[0] * m[k] + (1 - betas[0]) * g                    # algorithm 2, line by line
                q[k] -= lr * (c.sign() + decay * q[k])
                m[k] = betas[1] * m[k] + (1 - betas[1]) * g
        path.append([t.detach().clone() for t in q])
    mine = walk(Lion(p, lr=lr, betas=betas, weight_decay=decay, maximize=maximize), p, problem, 100)
    # where c is within rounding of 0 its sign may differ: one entry then differs by 2 η
    ends = zip(mine[-1], path[-1])
    assert sum(((a - b).abs() > 1e-4).sum() for a, b in ends) <= 1


def test_lion_moves_every_entry_by_the_rate():
    p = torch.zeros(4, requires_grad=True)
    p.grad = torch.tensor([1e6, 1e-6, -3.0, 0.0])
    Lion([p], lr=0.01).step()
    assert torch.allclose(p, torch.tensor([-0.01, -0.01, 0.01, 0.0]), atol=0)


def test_adamw_is_adam_with_its_decay_outside():
    for make in (lambda p: AdamW([p], weight_decay=0.3, lr=0.1),
                 lambda p: Adam([p], weight_decay=0.3, lr=0.1, decoupled_weight_decay=True)):
        p = torch.ones(2, requires_grad=True)
        optimizer = make(p)
        p.grad = torch.tensor([0.0, 1.0])
        optimizer.step()
        assert torch.allclose(p, torch.tensor([0.97, 0.87]))
    loaded = AdamW([torch.ones(2, requires_grad=True)])
    loaded.load_state_dict(Adam([torch.ones(2, requires_grad=True)]).state_dict())
    assert loaded.param_groups[0]["decoupled_weight_decay"]


# ---- L-BFGS

class Valley(Problem):
    """Rosenbrock's function of eight numbers, in two tensors."""

    def __init__(self, seed, dtype):
        g = torch.Generator().manual_seed(seed)
        self.start = [torch.randn(s, generator=g, dtype=dtype) for s in ((2, 3), (2,))]

    def loss(self, parameters):
        x = torch.cat([p.reshape(-1) for p in parameters])
        return ((1 - x[:-1]).square() + 5 * (x[1:] - x[:-1].square()).square()).sum()


def closures(optimizer, parameters, problem):
    def closure():
        optimizer.zero_grad()
        loss = problem.loss(parameters)
        loss.backward()
        return loss
    return closure


@given(seed=st.integers(0, 10 ** 6), dtype=dtypes, lr=st.sampled_from([0.1, 0.5, 1, 1.0]),
       max_iter=st.integers(1, 12), history=st.integers(1, 6), bowl=flags,
       tolerance=st.sampled_from([0, 1e-9, 1e-3]))
@settings(max_examples=40)
def test_lbfgs_is_torchs_to_the_last_bit(seed, dtype, lr, max_iter, history, bowl, tolerance):
    problem, found = (Problem if bowl else Valley)(seed, dtype), []
    for module in (optimizers, torch.optim):
        p = problem.parameters()
        o = module.LBFGS(p, lr=lr, max_iter=max_iter, history_size=history,
                         tolerance_change=tolerance)
        path, losses = [], []
        for _ in range(100 // max_iter):
            losses.append(o.step(closures(o, p, problem)).item())
            path.append([t.detach().clone() for t in p])
        found.append((path, losses, o.state_dict()["state"][0]))
    (mine, a, state), (theirs, b, expected) = found
    assert_equal_paths(mine, theirs)
    assert a == b or not all(map(math.isfinite, b))
    assert (state["n_iter"], state["func_evals"]) == (expected["n_iter"], expected["func_evals"])


@given(seed=st.integers(0, 10 ** 6), dtype=dtypes, ours_first=flags)
@settings(max_examples=15)
def test_lbfgs_goes_on_from_the_others_state(seed, dtype, ours_first):
    problem = Problem(seed, dtype)
    makes = (LBFGS, torch.optim.LBFGS)
    first, second = makes if ours_first else makes[::-1]
    p, q = problem.parameters(), problem.parameters()
    a, b = first(p, max_iter=3, history_size=4), second(q, max_iter=3, history_size=4)
    for _ in range(3):
        a.step(closures(a, p, problem))
    for x, y in zip(p, q):
        y.data.copy_(x.data)
    b.load_state_dict(copy.deepcopy(a.state_dict()))
    for _ in range(3):
        a.step(closures(a, p, problem))
        b.step(closures(b, q, problem))
        assert all(torch.equal(x, y) for x, y in zip(p, q))


@given(seed=st.integers(0, 10 ** 6), pairs=st.integers(1, 6))
@settings(max_examples=40)
def test_the_two_loops_multiply_by_the_matrix(seed, pairs):
    """Against the matrix written down, and against the secant equation H y = s."""
    g = torch.Generator().manual_seed(seed)
    A = torch.randn(7, 7, generator=g).double()
    A = A @ A.T + torch.eye(7)
    S = list(torch.randn(pairs, 7, generator=g).double())
    Y = [A @ s for s in S]
    rhos, gamma = [1 / y.dot(s) for y, s in zip(Y, S)], 0.3
    H = gamma * torch.eye(7).double()
    for y, s, rho in zip(Y, S, rhos):
        V = torch.eye(7).double() - rho * torch.outer(y, s)
        H = V.T @ H @ V + rho * torch.outer(s, s)
    gradient = torch.randn(7, generator=g).double()
    wanted = -H @ gradient
    slack = 1e-11 * H.abs().max().item()
    assert_near(two_loop(gradient, Y, S, rhos, gamma), wanted, slack=slack)
    assert_near(two_loop(Y[-1], Y, S, rhos, gamma), -S[-1], slack=1e-9 * H.abs().max().item())


def test_two_loops_without_memory_are_descent():
    assert two_loop(torch.tensor([2.0, -4.0]), [], [], [], 0.5).tolist() == [-1, 2]


def test_lbfgs_leaves_a_tensor_without_gradient():
    p, q = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    optimizer = LBFGS([p, q], max_iter=5)

    def closure():
        optimizer.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert p.abs().max() < 1e-3 and torch.equal(q, torch.ones(3))


# ---- what is refused

P = [torch.zeros(2, requires_grad=True)]


@pytest.mark.parametrize(("make", "message"), [
    (lambda: SGD(P, lr=-1), "expected lr to be a number of at least 0, received int -1"),
    (lambda: SGD(P, lr=math.nan), "expected lr to be a number of at least 0, received float nan"),
    (lambda: SGD(P, lr=math.inf), "expected lr"), (lambda: SGD(P, lr="0.1"), "expected lr"),
    (lambda: SGD(P, lr=torch.tensor(0.1)), "expected lr to be a number of at least 0, received a"),
    (lambda: SGD(P, lr=True), "expected lr"), (lambda: SGD(P, momentum=-0.1), "expected momentum"),
    (lambda: SGD(P, weight_decay=-1), "expected weight_decay"),
    (lambda: SGD(P, dampening="x"), "expected dampening to be a number"),
    (lambda: SGD(P, nesterov=True), r"momentum above 0 and dampening 0 with nesterov, received"),
    (lambda: SGD(P, momentum=0.9, dampening=0.1, nesterov=True), "expected momentum above 0"),
    (lambda: SGD(P, nesterov=1, momentum=0.9), "expected nesterov to be True or False, received int 1"),
    (lambda: Adagrad(P, lr_decay=-1), "expected lr_decay"), (lambda: Adagrad(P, eps=-1), "expected eps"),
    (lambda: Adagrad(P, initial_accumulator_value=-1), "expected initial_accumulator_value"),
    (lambda: RMSprop(P, alpha=1.1), "expected alpha to be a number from 0 to 1, received float 1.1"),
    (lambda: RMSprop(P, momentum=None), "expected momentum"),
    (lambda: RMSprop(P, centered="no"), "expected centered"),
    (lambda: Adadelta(P, rho=-0.1), "expected rho"), (lambda: Adadelta(P, eps=-1e-6), "expected eps"),
    (lambda: Adam(P, betas=(0.9, 1.0)), r"expected betas to be two numbers from 0 and below 1, received"),
    (lambda: Adam(P, betas=0.9), "expected betas"), (lambda: Adam(P, betas=(0.9,)), "expected betas"),
    (lambda: Adam(P, betas=(-0.1, 0.9)), "expected betas"), (lambda: Adam(P, eps=-1), "expected eps"),
    (lambda: Adam(P, amsgrad=None), "expected amsgrad"), (lambda: AdamW(P, weight_decay=-1), "weight_decay"),
    (lambda: Lion(P, betas=(1.0, 0.9)), "expected betas"), (lambda: Lion(P, lr=-1), "expected lr"),
    (lambda: LBFGS(P, lr=-1), "expected lr"), (lambda: LBFGS(P, max_iter=0), "expected max_iter"),
    (lambda: LBFGS(P, history_size=0), "expected history_size to be an integer of at least 1"),
    (lambda: LBFGS(P, max_eval=1.5), "expected max_eval"),
    (lambda: LBFGS(P, tolerance_grad=-1), "expected tolerance_grad"),
    (lambda: LBFGS(P, line_search_fn="strong_wolfe"), "expected line_search_fn None"),
    (lambda: LBFGS([{"params": P}, {"params": [torch.zeros(1)]}]), "expected one group of parameters"),
    (lambda: SGD([{"params": P, "lr": -2}]), "expected lr to be a number of at least 0, received int -2"),
    (lambda: SGD([torch.zeros(2, dtype=torch.complex64)]), "expected floating-point parameters"),
    (lambda: SGD([]), "empty parameter list"),
    (lambda: two_loop(torch.zeros(1), [torch.zeros(1)], [], [], 1), "expected as many changes as steps"),
])
def test_bad_settings_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_bad_group_is_not_added():
    optimizer = SGD([torch.zeros(1)], lr=0.1)
    with pytest.raises(ValueError, match="expected momentum"):
        optimizer.add_param_group({"params": torch.zeros(2), "momentum": -1})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("make", [SGD, Adagrad, RMSprop, Adadelta, Adam, Lion])
def test_sparse_gradients_are_refused(make):
    p = torch.zeros(3, requires_grad=True)
    p.grad = torch.sparse_coo_tensor([[0]], [1.0], (3,))
    with pytest.raises(ValueError, match="expected a dense gradient"):
        make([p]).step()
    with pytest.raises(ValueError, match="expected a dense gradient"):
        LBFGS([p]).step(lambda: torch.tensor(1.0))
