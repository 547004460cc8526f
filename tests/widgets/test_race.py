"""The race in Python: its surfaces, its runs against plain loops of torch, its state."""

import math

import numpy as np
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st

from dlcheat.widgets.race import (
    FIRST_RATES,
    LIMIT,
    RACERS,
    RATES,
    STEPS,
    SURFACES,
    TUNED,
    Race,
    gradient_noise,
    make_racer,
    ravine,
    runs,
    together,
    turned_ravine,
)

TORCHS = {
    "SGD": lambda p, lr, mu: torch.optim.SGD(p, lr),
    "Momentum": lambda p, lr, mu: torch.optim.SGD(p, lr, momentum=mu),
    "Nesterov": lambda p, lr, mu: torch.optim.SGD(p, lr, momentum=mu, nesterov=mu > 0),
    "Adagrad": lambda p, lr, mu: torch.optim.Adagrad(p, lr),
    "RMSprop": lambda p, lr, mu: torch.optim.RMSprop(p, lr),
    "Adadelta": lambda p, lr, mu: torch.optim.Adadelta(p, lr),
    "Adam": lambda p, lr, mu: torch.optim.Adam(p, lr, betas=(mu, 0.999)),
    "L-BFGS": lambda p, lr, mu: torch.optim.LBFGS(p, lr, max_iter=1, history_size=10,
                                                  tolerance_grad=0, tolerance_change=0),
}


@pytest.mark.parametrize("name", SURFACES)
def test_the_least_loss_is_0_and_flat(name):
    surface = SURFACES[name]
    for point in surface.minima:
        p = torch.tensor(point, dtype=torch.float64).requires_grad_()
        loss = surface.loss(p, 30)
        slope, = torch.autograd.grad(loss, p)
        assert 0 <= loss < 1e-9 and slope.abs().max() < 1e-4
    (mx, my), r = surface.middle, surface.reach
    grid = torch.cartesian_prod(torch.linspace(mx - r, mx + r, 201), torch.linspace(my - r, my + r, 201))
    assert surface.loss(grid.double(), 30).min() >= 0
    for x, y in (*surface.minima, surface.start):
        assert abs(x - mx) <= r and abs(y - my) <= r


def test_the_turned_ravine_is_the_ravine():
    theta = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)).double()
    turn = torch.tensor([[0.8, 0.6], [-0.6, 0.8]], dtype=torch.float64)
    torch.testing.assert_close(turned_ravine(theta, 70), ravine(theta @ turn.T, 70))
    start, plain = (torch.tensor(SURFACES[k].start, dtype=torch.float64) for k in ("turned", "ravine"))
    torch.testing.assert_close(turn @ start, plain)


@given(name=st.sampled_from(sorted(TORCHS)), surface=st.sampled_from(sorted(SURFACES)),
       exponent=st.floats(-4, 0), momentum=st.sampled_from([0.0, 0.5, 0.9]),
       noise=st.sampled_from([0.0, 0.3]), seed=st.integers(1, 50))
@settings(max_examples=40, deadline=None)
def test_runs_are_torchs(name, surface, exponent, momentum, noise, seed):
    lr, start = 10 ** exponent, SURFACES[surface].start
    mine, = runs(name, surface, start, [lr], momentum=momentum, noise=noise, seed=seed, steps=60)
    p = torch.tensor(start, dtype=torch.float64).requires_grad_()
    optimizer, pushes, path = TORCHS[name]([p], lr, momentum), gradient_noise(seed, 60), [p.tolist()]
    for push in pushes:
        def closure(push=push):
            optimizer.zero_grad()
            loss = SURFACES[surface].loss(p, 30)
            loss.backward()
            p.grad += noise * push
            return loss
        optimizer.step(closure)
        if not p.abs().max() <= LIMIT:
            break
        path.append(p.tolist())
    assert len(mine) == len(path)
    np.testing.assert_array_equal(mine.numpy(), path)


def test_several_rates_are_several_runs():
    together = runs("Adam", "beale", (1, 1), [0.01, 0.1], noise=0.1, seed=3)
    for path, lr in zip(together, (0.01, 0.1)):
        assert torch.equal(path, runs("Adam", "beale", (1, 1), [lr], noise=0.1, seed=3)[0])


def test_a_diverged_run_ends_within_the_limit():
    path, = runs("SGD", "rosenbrock", (-1.2, 1), [0.05])
    assert 1 < len(path) < 10 and path.abs().max() <= LIMIT
    assert len(runs("SGD", "rosenbrock", (-1.2, 1), [0.001])[0]) == STEPS + 1


def test_noise_is_standard_normal():
    drawn = torch.cat([gradient_noise(seed) for seed in range(1, 60)])
    assert drawn.mean().abs() < 0.02 and abs(drawn.std() - 1) < 0.02
    assert abs((drawn[:, 0] * drawn[:, 1]).mean()) < 0.03


def test_on_the_ridge_nothing_escapes_and_beside_it_all_do():
    race = Race(surface="saddle", racing=list(RACERS))
    assert all(v[-1] == pytest.approx(0.25, abs=2e-3) for v in race.losses().values())
    race.start = [-1.6, 0.1]
    assert all(v[-1] < 0.01 for v in race.losses().values())


def test_tune_takes_the_best_of_all_rates():
    race = Race(racing=["SGD", "Momentum"], condition=100)
    assert race.tune()["SGD"] == 0.01                 # the limit is 2 / 100
    for name in race.racing:
        ends = {lr: race.loss(race.path(name, lr))[-20:].mean() for lr in RATES
                if len(race.path(name, lr)) == STEPS + 1}
        assert race.rates[name] == min(ends, key=ends.get)
    assert race.rates["Adam"] == FIRST_RATES["Adam"]              # it does not run


@pytest.mark.parametrize("name", TUNED)
def test_the_chapters_rates_are_the_tuned_ones(name):
    surface, _, noise = name.partition(", noise ")
    race = Race(surface=surface, noise=float(noise or 0), racing=list(RACERS))
    assert race.tune() == TUNED[name]


@pytest.mark.parametrize("surface", SURFACES)
def test_together_and_alone_the_runs_are_the_same(surface):
    race = Race(surface=surface, racing=list(RACERS), noise=0.3)
    for name, losses in race.losses().items():
        assert torch.equal(losses, race.loss(race.path(name))), name
    assert Race(racing=[]).losses() == {}


def test_the_winner_is_not_always_the_same():
    winners = set()
    for surface, condition, noise in (("ravine", 30, 0.0), ("turned", 300, 0.0), ("plateau", 30, 0.0),
                                      ("turned", 30, 3.0)):
        race = Race(surface=surface, condition=condition, noise=noise,
                    racing=["SGD", "Momentum", "Adagrad", "Adam"])
        race.tune()
        ends = {k: v[-20:].mean().item() for k, v in race.losses().items()}
        winners.add(min(ends, key=ends.get))
    assert len(winners) >= 3, winners


def test_rates_may_be_given_in_part():
    race = Race(rates={"SGD": 0.1})
    assert race.rates == {**FIRST_RATES, "SGD": 0.1}
    assert repr(race) == "<Race: Nine optimizers race>"


@pytest.mark.parametrize(("trait", "value"), [
    ("surface", "hill"), ("condition", 7), ("start", [1.0]), ("start", [math.nan, 0.0]),
    ("start", [1e9, 0.0]), ("racing", ["Sgd"]), ("rates", {"SGD": 0.1}), ("momentum", 1.0),
    ("rates", {**FIRST_RATES, "SGD": 0.3}), ("noise", 0.2), ("seed", 0), ("step", 201), ("step", -1)])
def test_bad_state_is_refused_and_the_old_one_stays(trait, value):
    race = Race()
    before = getattr(race, trait)
    with pytest.raises(traitlets.TraitError):
        setattr(race, trait, value)
    assert getattr(race, trait) == before


@pytest.mark.parametrize(("call", "message"), [
    (lambda: make_racer("adam", [torch.zeros(2)], 0.1), "expected one of SGD, Momentum"),
    (lambda: runs("SGD", "hill", (0, 0), [0.1]), "expected one of ravine, turned"),
    (lambda: together([("Sgd", 0.1)], "ravine", (0, 0)), "expected one of SGD, Momentum"),
    (lambda: runs("SGD", "ravine", (0, 0), [0.1], steps=0), "expected steps to be an integer"),
    (lambda: runs("SGD", "ravine", (0, 0), [-0.1]), "expected lr to be a number of at least 0")])
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
