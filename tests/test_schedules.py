"""Schedules against torch's schedulers, and what they refuse."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim import lr_scheduler

from dlcheat.schedules import (
    constant,
    cosine,
    exponential_decay,
    linear_warmup,
    one_cycle,
    step_decay,
    warmup_cosine,
)

PEAK = 0.3


def torchs(make, count):
    """The rates that a scheduler of torch's sets, for as many updates."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=PEAK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler, rates = make(optimizer), []
        for _ in range(count):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rates


def expect_equal(make, factor, count):
    mine = [PEAK * factor(t) for t in range(count)]
    assert mine == pytest.approx(torchs(make, count), rel=1e-10, abs=1e-14)
    through = torchs(lambda o: lr_scheduler.LambdaLR(o, factor), count)
    assert through == pytest.approx(mine, rel=1e-15)


@given(st.integers(1, 40), st.floats(0.1, 1))
@settings(max_examples=25, deadline=None)
def test_step_decay_is_step_lr(size, gamma):
    expect_equal(lambda o: lr_scheduler.StepLR(o, size, gamma),
                 lambda t: step_decay(t, size, gamma), 60)


@given(st.floats(0.5, 1))
@settings(max_examples=25, deadline=None)
def test_exponential_decay_is_exponential_lr(gamma):
    expect_equal(lambda o: lr_scheduler.ExponentialLR(o, gamma),
                 lambda t: exponential_decay(t, gamma), 60)


@given(st.integers(1, 80), st.floats(0, 1))
@settings(max_examples=25, deadline=None)
def test_cosine_is_cosine_annealing_lr(total, floor):
    expect_equal(lambda o: lr_scheduler.CosineAnnealingLR(o, total, eta_min=floor * PEAK),
                 lambda t: cosine(t, total, floor), total + 1)
    assert cosine(total + 5, total, floor) == pytest.approx(floor)


@given(st.integers(1, 40), st.floats(0.01, 1))
@settings(max_examples=25, deadline=None)
def test_warmup_is_linear_lr(warmup, start):
    expect_equal(lambda o: lr_scheduler.LinearLR(o, start, 1.0, warmup),
                 lambda t: linear_warmup(t, warmup, start), 60)


@given(st.integers(1, 20), st.integers(1, 60), st.floats(0.01, 1), st.floats(0, 0.9))
@settings(max_examples=25, deadline=None)
def test_warmup_and_cosine_is_sequential_lr(warmup, rest, start, floor):
    def make(optimizer):
        up = lr_scheduler.LinearLR(optimizer, start, 1.0, warmup)
        down = lr_scheduler.CosineAnnealingLR(optimizer, rest, eta_min=floor * PEAK)
        return lr_scheduler.SequentialLR(optimizer, [up, down], [warmup])

    expect_equal(make, lambda t: warmup_cosine(t, warmup, warmup + rest, start, floor),
                 warmup + rest)


@given(st.integers(20, 200), st.floats(0.1, 0.9), st.floats(2, 50), st.floats(2, 1e4))
@settings(max_examples=25, deadline=None)
def test_one_cycle_is_one_cycle_lr(total, pct, div, final):
    expect_equal(
        lambda o: lr_scheduler.OneCycleLR(o, PEAK, total_steps=total + 1, pct_start=pct,
                                          div_factor=div, final_div_factor=final,
                                          cycle_momentum=False),
        lambda t: one_cycle(t, total + 1, pct, div, final), total)


def test_no_warmup_is_a_cosine():
    assert [warmup_cosine(t, 0, 9) for t in range(12)] == [cosine(t, 9) for t in range(12)]
    assert [constant(t) for t in range(3)] == [1, 1, 1]
    assert linear_warmup(0, 0) == 1


@pytest.mark.parametrize(("call", "message"), [
    (lambda: constant(-1), "step to be an integer of at least 0, received int -1"),
    (lambda: constant(True), "step to be an integer"),
    (lambda: step_decay(0, 0), "step_size to be an integer of at least 1"),
    (lambda: step_decay(1.5, 2), "step to be an integer"),
    (lambda: step_decay(1, 2, 0.0), "gamma above 0"),
    (lambda: exponential_decay(1, -0.5), "gamma above 0, received float -0.5"),
    (lambda: cosine(1, 0), "total to be an integer of at least 1"),
    (lambda: cosine(1, 5, 1.5), "floor from 0 to 1"),
    (lambda: linear_warmup(1, -1), "warmup to be an integer of at least 0"),
    (lambda: linear_warmup(1, 5, 0.0), "start above 0 and at most 1"),
    (lambda: warmup_cosine(1, 5, 5), "warmup below total, 5, received int 5"),
    (lambda: warmup_cosine(-1, 0, 5), "step to be an integer"),
    (lambda: warmup_cosine(-1, 3, 5), "step to be an integer"),
    (lambda: one_cycle(10, 10), "step below total, 10, received int 10"),
    (lambda: one_cycle(1, 10, div_factor=0.5), "factors of at least 1"),
    (lambda: one_cycle(1, 10, pct_start=0.05), "pct_start such that both parts have a step"),
    (lambda: one_cycle(1, 10, pct_start=1.0), "pct_start"),
])
def test_bad_numbers_are_named(call, message):
    with pytest.raises(ValueError, match=f"expected {message}"):
        call()
