"""The VAE: the sheet's layers, its loss against torch.distributions, and both gradients."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.distributions import Independent, Normal, kl_divergence

from dlcheat.architectures.vae import (
    VAE,
    active_units,
    interpolate,
    kl_per_dimension,
    pathwise_gradient,
    score_function_gradient,
    vae_loss,
)
from dlcheat.losses import gaussian_kl
from tests.compare import assert_near, assert_same, tensors


class Sheet(nn.Module):
    """The cheat sheet's class, as it stands there."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 128), nn.ReLU())
        self.fc_mu = nn.Linear(128, 20)
        self.fc_logvar = nn.Linear(128, 20)
        self.decoder = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 784), nn.Sigmoid())

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def forward(self, x):
        h = self.encoder(x)
        mu, logvar = self.fc_mu(h), self.fc_logvar(h)
        return self.decoder(self.reparameterize(mu, logvar)), mu, logvar


def test_the_sheets_state_dict_fits():
    sheet, ours, x = Sheet(), VAE(), torch.rand(4, 784)
    ours.load_state_dict(sheet.state_dict())
    torch.manual_seed(1)
    expected = sheet(x)
    torch.manual_seed(1)
    for a, b in zip(ours(x), expected, strict=True):
        torch.testing.assert_close(a, b)
    assert sum(p.numel() for p in ours.parameters()) == 209_464


@given(st.integers(1, 6), st.integers(1, 4), st.lists(st.integers(1, 5), min_size=1, max_size=3), st.data())
def test_shapes(features, latent, hidden, data):
    model = VAE(features, latent, hidden)
    x = data.draw(tensors((3, features)))
    reconstruction, mu, logvar = model(x)
    assert reconstruction.shape == x.shape and mu.shape == logvar.shape == (3, latent)
    assert model.sample(2).shape == (2, features)
    assert [m.out_features for m in model.decoder if isinstance(m, nn.Linear)] == [*hidden[::-1], features]


def test_draws_have_the_encoders_moments():
    torch.manual_seed(0)
    mu, sigma = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 2.0])
    z = VAE(4, 2).reparameterize(mu.expand(100_000, 2), 2 * sigma.log().expand(100_000, 2))
    torch.testing.assert_close(z.mean(0), mu, atol=0.03, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.diag(sigma**2), atol=0.06, rtol=0)


def test_gradients_pass_through_the_draw():
    torch.manual_seed(0)
    mu, logvar = torch.zeros(1, 3, requires_grad=True), torch.zeros(1, 3, requires_grad=True)
    z = VAE(4, 3).reparameterize(mu, logvar)
    z.sum().backward()
    assert mu.grad.tolist() == [[1, 1, 1]]
    torch.testing.assert_close(logvar.grad, z.detach() / 2)           # dσε/d log σ² = σε/2


@given(st.integers(1, 5), st.integers(1, 5), st.data())
def test_kl_is_torch_distributions(n, d, data):
    mu, logvar = data.draw(tensors((n, d))), data.draw(tensors((n, d)))
    assert_same(kl_per_dimension, lambda m, v: kl_divergence(
        Normal(m, (0.5 * v).exp()), Normal(torch.zeros_like(m), torch.ones_like(m))), mu, logvar)
    assert_near(kl_per_dimension(mu, logvar).sum(1).mean(), gaussian_kl(mu, logvar))


@given(st.integers(1, 5), st.integers(1, 8), st.integers(1, 4), st.floats(0.05, 20), st.data())
def test_the_loss_is_the_negative_elbo_of_a_gaussian_decoder(n, features, d, beta, data):
    """Loss / β = −ELBO − D/2 log(2π s²) with s² = β/2."""
    double = {"dtype": torch.double}
    x, y = data.draw(tensors((n, features), **double)), data.draw(tensors((n, features), **double))
    mu, logvar = data.draw(tensors((n, d), **double)), data.draw(tensors((n, d), **double))
    s = math.sqrt(beta / 2)

    def negative_elbo(y, mu, logvar):
        log_likelihood = Independent(Normal(y, s), 1).log_prob(x)
        nats = gaussian_kl(mu, logvar, reduction="none")
        constant = features / 2 * math.log(2 * math.pi * s**2)
        return beta * (nats - log_likelihood - constant).mean()

    assert_same(lambda *a: vae_loss(x, *a, beta=beta), negative_elbo, y, mu, logvar)


def test_reductions_sum_pixels_and_latents_and_average_the_batch():
    for n, features, d in ((1, 4, 2), (5, 4, 2), (5, 8, 2), (5, 8, 4)):
        loss = vae_loss(torch.ones(n, features), torch.zeros(n, features),
                        torch.full((n, d), 2.0), torch.zeros(n, d), beta=3)
        assert loss.item() == features + 3 * 2 * d


def test_active_units():
    torch.manual_seed(0)
    mu = torch.randn(500, 3) * torch.tensor([1.0, 0.2, 0.05])
    assert active_units(mu).tolist() == [True, True, False]
    assert active_units(mu, threshold=0.1).tolist() == [True, False, False]


@given(st.integers(1, 4), st.data())
def test_both_gradients_are_unbiased(d, data):
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
    mu, goal = torch.randn(2, d, dtype=torch.double, generator=generator).unbind(0)
    sigma = 0.5 + torch.rand(d, dtype=torch.double, generator=generator)
    noise = torch.randn(100_000, d, dtype=torch.double, generator=generator)
    def f(z):
        return (z - goal).square().sum(1)
    for estimate in (pathwise_gradient(f, mu, sigma, noise),
                     score_function_gradient(f, mu, sigma, noise),
                     score_function_gradient(f, mu, sigma, noise, baseline=3.0)):
        error = estimate.mean(0) - 2 * (mu - goal)
        assert (error.abs() < 6 * estimate.std(0) / math.sqrt(len(noise))).all()


@pytest.mark.parametrize("distance, sigma", [(-2.0, 0.5), (1.0, 1.0), (0.0, 0.3)])
def test_variances_are_those_of_the_chapter(distance, sigma):
    torch.manual_seed(0)
    noise = torch.randn(2_000_000, 1, dtype=torch.double)
    def f(z):
        return z.square().sum(1)
    mu, width = torch.tensor([distance]).double(), torch.tensor([sigma]).double()
    path = pathwise_gradient(f, mu, width, noise).var().item()
    score = score_function_gradient(f, mu, width, noise).var().item()
    assert path == pytest.approx(4 * sigma**2, rel=0.01)
    assert score == pytest.approx(distance**4 / sigma**2 + 14 * distance**2 + 15 * sigma**2, rel=0.03)


def test_pathwise_is_autograd_through_the_draw():
    mu, sigma, noise = torch.randn(3).requires_grad_(), torch.rand(3) + 0.5, torch.randn(7, 3)
    def f(z):
        return z.pow(3).sum(1)
    f(mu + sigma * noise).mean().backward()
    torch.testing.assert_close(pathwise_gradient(f, mu.detach(), sigma, noise).mean(0), mu.grad)


def test_interpolate():
    line = interpolate(torch.tensor([0.0, 1.0]), torch.tensor([1.0, -1.0]), 5)
    assert line.tolist() == [[0, 1], [0.25, 0.5], [0.5, 0], [0.75, -0.5], [1, -1]]


@pytest.mark.parametrize("call, expected", [
    (lambda: VAE(hidden=()), "at least one hidden layer"),
    (lambda: VAE(0, 2), "sizes, each an integer of at least 1"),
    (lambda: VAE().sample(0), "count of at least 1"),
    (lambda: kl_per_dimension(torch.zeros(2, 3), torch.zeros(2, 1)), "logvar of the shape of mu"),
    (lambda: kl_per_dimension(torch.zeros(0, 3), torch.zeros(0, 3)), "at least one element"),
    (lambda: vae_loss(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 1), torch.zeros(2, 1), -1.0),
     "beta of at least 0"),
    (lambda: vae_loss(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(1, 1), torch.zeros(1, 1)),
     "mu of 2 rows"),
    (lambda: vae_loss(torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(2, 1), torch.zeros(2, 1)),
     "reconstruction of the shape of x"),
    (lambda: active_units(torch.zeros(1, 3)), "N ≥ 2"),
    (lambda: pathwise_gradient(torch.sum, torch.zeros(2), torch.ones(3), torch.zeros(4, 2)), "sigma"),
    (lambda: score_function_gradient(torch.sum, torch.zeros(2), torch.ones(2), torch.zeros(4, 3)),
     r"noise of shape \(S, 2\)"),
    (lambda: interpolate(torch.zeros(2), torch.zeros(3), 4), "end of the shape of start"),
    (lambda: interpolate(torch.zeros(2), torch.zeros(2), 1), "steps of at least 2"),
])
def test_bad_input_is_named(call, expected):
    with pytest.raises(ValueError, match=f"expected .*{expected}.*received"):
        call()
