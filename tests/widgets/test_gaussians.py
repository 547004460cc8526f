"""Two Gaussians in Python: divergences, what they consist of, the best q, states that are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal, kl_divergence

from dlcheat.widgets.gaussians import (
    PARAMETERS,
    VIEWS,
    Gaussians,
    best_forward,
    best_reverse,
    costs,
)


def within(*names):
    return [st.floats(*PARAMETERS[name][:2]) for name in names]


def normal(mu, sigma):
    return Normal(*torch.tensor([mu, sigma], dtype=torch.double))


@given(*within("mu_p", "sigma_p", "mu_q", "sigma_q"))
@settings(max_examples=100, deadline=None)
def test_both_directions_are_torchs_and_the_integrals(mu_p, sigma_p, mu_q, sigma_q):
    look = Gaussians("two", mu_p=mu_p, sigma_p=sigma_p, mu_q=mu_q, sigma_q=sigma_q).look()
    p, q = normal(mu_p, sigma_p), normal(mu_q, sigma_q)
    x = torch.linspace(-30, 30, 3001, dtype=torch.double)
    summed = costs(p.log_prob(x), q.log_prob(x), 0.02)
    for found, same, one, other in ((look.forward, summed.forward, p, q),
                                    (look.reverse, summed.reverse, q, p)):
        assert found.divergence == pytest.approx(kl_divergence(one, other).item(), rel=1e-9, abs=1e-12)
        assert found.entropy == pytest.approx(one.entropy().item())
        assert found == pytest.approx(same, rel=1e-6, abs=1e-6)
        assert found.cross_entropy - found.entropy == pytest.approx(found.divergence, abs=1e-9)
    assert -1e-9 <= look.jensen_shannon <= math.log(2)


@given(*within("gap", "share", "width", "mu_q", "sigma_q"))
@settings(max_examples=50, deadline=None)
def test_the_mixture_is_torchs(gap, share, width, mu_q, sigma_q):
    look = Gaussians("mixture", gap=gap, share=share, width=width, mu_q=mu_q, sigma_q=sigma_q).look()
    p = MixtureSameFamily(Categorical(torch.tensor([share, 1 - share], dtype=torch.double)),
                          normal([-gap / 2, gap / 2], [width, width]))
    q = normal(mu_q, sigma_q)
    x = torch.linspace(-25, 25, 20_001, dtype=torch.double)
    for found, one, other in ((look.forward, p, q), (look.reverse, q, p)):
        mass = one.log_prob(x).exp() * 0.0025
        kl = (mass * (one.log_prob(x) - other.log_prob(x))).sum().item()
        assert found.divergence == pytest.approx(kl, rel=1e-6, abs=1e-9)


def test_no_other_gaussian_is_cheaper():
    generator = np.random.default_rng(0)
    for _ in range(6):
        gap, share, width = (float(generator.uniform(*PARAMETERS[n][:2])) for n in ("gap", "share", "width"))
        widget = Gaussians("mixture", gap=gap, share=share, width=width)
        forward, reverse = widget.best()
        for mu in np.linspace(-3.5, 3.5, 15):
            for sigma in np.geomspace(0.4, 3, 9):
                widget.mu_q, widget.sigma_q = mu, sigma
                look = widget.look()
                assert look.forward.divergence >= forward.divergence - 1e-9
                assert look.reverse.divergence >= reverse.divergence - 1e-6
        for best, name in ((forward, "forward"), (reverse, "reverse")):
            for mu, sigma in ((0.01, 0), (-0.01, 0), (0, 0.01), (0, -0.01)):
                widget.mu_q = best.mu + mu
                widget.sigma_q = min(3, max(0.4, best.sigma + sigma))
                assert getattr(widget.look(), name).divergence >= best.divergence - 1e-9


def test_one_peak_of_two_costs_the_logarithm_of_its_share():
    for share in (0.5, 0.8, 0.9):
        mu, sigma, divergence = best_reverse(5.0, share, 0.4)
        assert (mu, sigma, divergence) == pytest.approx((-2.5, 0.4, -math.log(share)), abs=1e-4)
    assert best_reverse(5.0, 0.2, 0.4).mu == pytest.approx(2.5, abs=1e-4)
    assert best_reverse(0.0, 0.3, 0.7) == pytest.approx((0, 0.7, 0), abs=1e-6)


def test_the_best_can_be_shown():
    """The best q of any mixture lies within what the sliders reach."""
    for gap in (0, 2.5, 5):
        for share in (0.1, 0.5, 0.9):
            for width in (0.4, 1.2):
                for mu, sigma, _ in Gaussians("mixture", gap=gap, share=share, width=width).best():
                    assert abs(mu) <= 4 and 0.399 <= sigma <= 3


@given(*within("mu_1", "sigma_1", "mu_2", "sigma_2", "rho"))
@settings(max_examples=100, deadline=None)
def test_terms_are_torchs_divergence_from_the_standard_gaussian(mu_1, sigma_1, mu_2, sigma_2, rho):
    terms = Gaussians("prior", mu_1=mu_1, sigma_1=sigma_1, mu_2=mu_2, sigma_2=sigma_2, rho=rho).terms()
    both = rho * sigma_1 * sigma_2
    covariance = torch.tensor([[sigma_1 ** 2, both], [both, sigma_2 ** 2]], dtype=torch.double)
    standard = MultivariateNormal(torch.zeros(2).double(), torch.eye(2).double())
    q = MultivariateNormal(torch.tensor([mu_1, mu_2], dtype=torch.double), covariance)
    assert terms.exact == pytest.approx(kl_divergence(q, standard).item(), rel=1e-9, abs=1e-9)
    assert sum(terms.place + terms.width) == pytest.approx(terms.formula, abs=1e-9)
    assert min(terms.place + terms.width) >= -1e-12 and terms.exact >= terms.formula


@pytest.mark.parametrize(("state", "message"), [
    ({"view": "three"}, "view"), ({"sigma_q": 0.0}, "sigma_q"), ({"mu_p": math.nan}, "finite mu_p"),
    ({"rho": 1.0}, "rho"), ({"mu_q": "a"}, "mu_q"),
    *[({name: high + 1}, name) for name, (_, high, _) in PARAMETERS.items()],
])
def test_refused_state(state, message):
    with pytest.raises(traitlets.TraitError, match=message):
        Gaussians(**state)


def test_first_states():
    for view in VIEWS:
        widget = Gaussians(view)
        assert {name: getattr(widget, name) for name in PARAMETERS} == {
            name: value for name, (_, _, value) in PARAMETERS.items()}
    assert repr(widget) == "<Gaussians: Two Gaussians and their divergences>"


@pytest.mark.parametrize(("call", "message"), [
    (lambda: best_forward(6.0, 0.5, 0.6), "expected gap from 0 to 5"),
    (lambda: best_reverse(4.0, 1.0, 0.6), "expected share from 0.1 to 0.9"),
    (lambda: best_reverse(4.0, 0.5, 0.1), "expected width from 0.4 to 1.2"),
    (lambda: costs(torch.zeros(3), torch.zeros(4), 0.1), "two densities of one shape"),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
