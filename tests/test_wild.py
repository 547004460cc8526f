"""Clipping, parts of a batch, checkpoints and checks, against torch and to the bit."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import LambdaLR

from dlcheat.schedules import warmup_cosine
from dlcheat.training import batches
from dlcheat.wild import (
    backward_in_parts,
    clip_grad_norm_,
    first_nonfinite,
    load_checkpoint,
    overfit_one_batch,
    save_checkpoint,
    train_side_by_side,
)


def loss(model, x, y):
    return cross_entropy(model(x), y)


def network(*more):
    return nn.Sequential(nn.Linear(5, 8), *more, nn.ReLU(), nn.Linear(8, 3))


def data(n, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 5, generator=g), torch.randint(3, (n,), generator=g)


def gradients(model):
    return [p.grad for p in model.parameters()]


# clipping ------------------------------------------------------------------------------------

@given(st.integers(0, 10 ** 6), st.sampled_from([1.0, 2.0, 3.0, float("inf")]),
       st.floats(0, 10), st.sampled_from([torch.float, torch.double]))
@settings(max_examples=60, deadline=None)
def test_clipping_is_torchs(seed, norm_type, max_norm, dtype):
    g = torch.Generator().manual_seed(seed)
    mine = [torch.zeros(shape, dtype=dtype) for shape in [(), (3,), (2, 4)]]
    theirs = [p.clone() for p in mine]
    for p, q in zip(mine, theirs):
        p.grad = 3 * torch.randn(p.shape, dtype=dtype, generator=g)
        q.grad = p.grad.clone()
    unused = torch.zeros(2)
    total = clip_grad_norm_([*mine, unused], max_norm, norm_type)
    expected = nn.utils.clip_grad_norm_([*theirs, unused], max_norm, norm_type)
    torch.testing.assert_close(total, expected)
    for p, q in zip(mine, theirs):
        torch.testing.assert_close(p.grad, q.grad)
    assert unused.grad is None


def test_a_short_gradient_stays_as_it_is():
    p = torch.zeros(3, requires_grad=True)
    p.grad = torch.tensor([0.1, 0.2, -0.2])
    assert clip_grad_norm_(p, 5.0).item() == pytest.approx(0.3)
    assert torch.equal(p.grad, torch.tensor([0.1, 0.2, -0.2]))
    assert clip_grad_norm_(torch.zeros(2), 1.0) == 0


def test_clipping_refuses():
    p = torch.zeros(2, requires_grad=True)
    with pytest.raises(ValueError, match=r"expected max_norm of at least 0, received float -1\.0"):
        clip_grad_norm_(p, -1.0)
    p.grad = torch.tensor([1.0, float("nan")])
    with pytest.raises(ValueError, match="expected a finite gradient, received float nan"):
        clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert clip_grad_norm_(p, 1.0).isnan()


# parts of a batch ----------------------------------------------------------------------------

@given(st.integers(1, 30), st.integers(1, 35), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_parts_give_the_gradient_of_the_whole(n, size, seed):
    torch.manual_seed(seed)
    whole = network(nn.LayerNorm(8)).double()
    parts = copy.deepcopy(whole)
    x, y = data(n, seed)
    value = loss(whole, x.double(), y)
    value.backward()
    got = backward_in_parts(parts, loss, x.double(), y, part_size=size)
    assert got == pytest.approx(value.item(), rel=1e-12)
    for p, q in zip(gradients(parts), gradients(whole)):
        torch.testing.assert_close(p, q, rtol=1e-10, atol=1e-13)


def test_parts_add_to_what_is_there():
    model, (x, y) = network(), data(6)
    backward_in_parts(model, loss, x, y, part_size=4)
    once = [g.clone() for g in gradients(model)]
    backward_in_parts(model, loss, x, y, part_size=4)
    for p, q in zip(gradients(model), once):
        torch.testing.assert_close(p, 2 * q)


@pytest.mark.parametrize(("batch", "size", "message"), [
    ((), 2, "at least one tensor with a row"),
    ((torch.zeros(0, 5), torch.zeros(0).long()), 2, "at least one tensor with a row"),
    ((torch.zeros(3, 5), torch.zeros(2).long()), 2, "tensors of 3 rows each"),
    (data(3), 0, "part_size to be an integer of at least 1, received int 0"),
    (data(3), 1.5, "part_size to be an integer"),
])
def test_parts_refuse(batch, size, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        backward_in_parts(network(), loss, *batch, part_size=size)


# checkpoints ---------------------------------------------------------------------------------

OPTIMIZERS = {"sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
              "adamw": lambda p: torch.optim.AdamW(p, lr=0.01)}


def build(seed, optimizer):
    torch.manual_seed(seed)
    model = network(nn.BatchNorm1d(8), nn.Dropout(0.3))
    made = OPTIMIZERS[optimizer](model.parameters())
    return (model, made, LambdaLR(made, lambda t: warmup_cosine(t, 3, 40)),
            torch.Generator().manual_seed(seed))


def go(run, epochs):
    model, optimizer, scheduler, generator = run
    model.train()
    for _ in range(epochs):
        for batch in batches(*data(32), batch_size=8, generator=generator):
            optimizer.zero_grad()
            loss(model, *batch).backward()
            optimizer.step()
            scheduler.step()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_run_has_the_same_bits(tmp_path, optimizer):
    straight, first = build(0, optimizer), None
    go(straight, 6)
    after = torch.rand(3)                                        # torch's own generator went along
    first = build(0, optimizer)
    go(first, 2)
    save_checkpoint(tmp_path / "a.pt", *first, epoch=2, history=[1.5, {"b": 2}])
    resumed = build(7, optimizer)
    torch.rand(100)
    assert load_checkpoint(tmp_path / "a.pt", *resumed) == {"epoch": 2, "history": [1.5, {"b": 2}]}
    go(resumed, 4)
    for name, value in straight[0].state_dict().items():
        assert torch.equal(value, resumed[0].state_dict()[name]), name
    assert straight[2].get_last_lr() == resumed[2].get_last_lr()
    assert torch.equal(straight[3].get_state(), resumed[3].get_state())
    assert torch.equal(after, torch.rand(3))


def test_a_crash_while_writing_leaves_the_former_file(tmp_path, monkeypatch):
    model, optimizer, *_ = build(0, "sgd")
    file = tmp_path / "last.pt"
    save_checkpoint(file, model, optimizer, epoch=1)
    before = file.read_bytes()

    def crash(state, path):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", crash)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(file, model, optimizer, epoch=2)
    assert file.read_bytes() == before


def test_what_is_missing_is_named(tmp_path):
    model, optimizer, scheduler, generator = build(0, "sgd")
    save_checkpoint(tmp_path / "a.pt", model, optimizer, scheduler)
    with pytest.raises(ValueError, match="expected a scheduler, as it was saved, received NoneType"):
        load_checkpoint(tmp_path / "a.pt", model, optimizer)
    with pytest.raises(ValueError, match="expected no generator, as it was saved"):
        load_checkpoint(tmp_path / "a.pt", model, optimizer, scheduler, generator)
    assert load_checkpoint(tmp_path / "a.pt", model, optimizer, scheduler) == {}


# checks --------------------------------------------------------------------------------------

class Divide(nn.Module):
    def forward(self, x):
        return x / x


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Identity(), Divide())

    def forward(self, x, y):
        return y, self.inner(x)


def test_the_first_module_is_named():
    x = torch.tensor([1.0, 0.0])
    assert first_nonfinite(nn.Sequential(nn.ReLU(), Divide(), nn.ReLU()), x) == "1"
    assert first_nonfinite(Pair(), x, x) == "inner.1"
    assert first_nonfinite(Pair(), x + 1, x) is None
    assert first_nonfinite(nn.ReLU(), torch.tensor([float("inf")])) == "input"
    assert first_nonfinite(Divide(), x) == "the model itself"
    assert first_nonfinite(nn.Embedding(3, 2), torch.tensor([1])) is None


def test_outputs_that_are_dictionaries_are_looked_into():
    class Named(nn.Module):
        def forward(self, x):
            return {"sound": x, "parts": [x / x]}

    assert first_nonfinite(Named(), torch.tensor([1.0, 0.0])) == "the model itself"
    assert first_nonfinite(Named(), torch.tensor([1.0])) is None


def test_the_hooks_are_gone_afterwards():
    model = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(RuntimeError):
        first_nonfinite(model, torch.zeros(1, 4))
    assert not any(m._forward_hooks for m in model.modules())


def test_overfitting_learns_by_heart_and_leaves_the_model():
    model, (x, y) = network(nn.Dropout(0.0)).eval(), data(12)
    before = copy.deepcopy(model.state_dict())
    curve = overfit_one_batch(model, loss, x, y, steps=300, lr=0.03)
    assert curve[0] == pytest.approx(loss(model, x, y).item()) and curve[-1] < 0.02
    assert len(curve) == 301 and not model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_softmax_twice_cannot_be_overfitted():
    curve = overfit_one_batch(network(nn.Identity()), lambda m, x, y:
                              cross_entropy(m(x).softmax(1), y), *data(6), steps=300, lr=0.03)
    assert curve[-1] > torch.tensor(2.0 + torch.e).log() - 1     # three classes


@pytest.mark.parametrize(("options", "message"), [
    ({"steps": 0}, "steps to be an integer of at least 1, received int 0"),
    ({"steps": 2.0}, "steps to be an integer"), ({"lr": 0.0}, "lr above 0")])
def test_overfitting_refuses(options, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        overfit_one_batch(network(), loss, *data(3), **options)


# many networks at once -----------------------------------------------------------------------

@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_networks_side_by_side_are_trained_as_each_alone(momentum):
    x, y = data(20)
    alone = []
    for seed in range(3):
        torch.manual_seed(seed)
        alone.append(network().double())
    together = [copy.deepcopy(model) for model in alone]
    g = torch.Generator().manual_seed(0)
    rows = [torch.randint(20, (3, size), generator=g) for size in (4, 4, 7, 1, 4)]
    rates = torch.rand(5, 3, generator=g, dtype=torch.double)
    losses = train_side_by_side(together, loss, x.double(), y, rates=rates, rows=rows,
                                momentum=momentum)
    for r, model in enumerate(alone):
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=momentum)
        for t, now in enumerate(rows):
            optimizer.param_groups[0]["lr"] = rates[t, r].item()
            value = loss(model, x[now[r]].double(), y[now[r]])
            assert losses[t, r].item() == pytest.approx(value.item(), rel=1e-12)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        for p, q in zip(model.parameters(), together[r].parameters()):
            torch.testing.assert_close(p, q, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(("models", "rates", "rows", "message"), [
    (0, torch.ones(1, 0), [torch.zeros(0, 2).long()], "at least one model"),
    (2, torch.ones(3, 2), [torch.zeros(2, 2).long()] * 2, r"rates of shape \(2, 2\)"),
    (2, torch.ones(1, 2), [torch.zeros(3, 2).long()], r"rows of shape \(2, B\)"),
])
def test_side_by_side_refuses(models, rates, rows, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        train_side_by_side([network() for _ in range(models)], loss, *data(4), rates=rates,
                           rows=rows)


def test_side_by_side_refuses_buffers():
    with pytest.raises(ValueError, match="expected models without buffers, received list"):
        train_side_by_side([network(nn.BatchNorm1d(8))], loss, *data(4),
                           rates=torch.ones(1, 1), rows=[torch.zeros(1, 2).long()])
