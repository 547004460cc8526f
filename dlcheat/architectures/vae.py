"""The variational autoencoder, its loss, and the two gradients through a random draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dlcheat.architectures.autoencoder import mlp, squared_error
from dlcheat.losses import gaussian_kl
from dlcheat.validation import expect, expect_float, expect_same_shape


class VAE(nn.Module):
    r"""An encoder that answers with a Gaussian, and a decoder of a draw from it.

    .. math::

        q_\phi(z \mid x) = \mathcal N\bigl(\mu, \operatorname{diag}(\sigma^2)\bigr), \qquad
        z = \mu + \sigma \odot \epsilon, \quad \epsilon \sim \mathcal N(0, I), \qquad
        x' = g_\theta(z)

    The modules carry the cheat sheet's names: ``encoder``, ``fc_mu``,
    ``fc_logvar``, ``decoder``.

    Args:
        in_features: Features D of an input.
        latent: Dimensions d of z.
        hidden: Sizes of the encoder's hidden layers, from the input inwards; the
            decoder mirrors them.

    Raises:
        ValueError: If a size is not a positive integer, or there is no hidden layer.

    Source: Kingma and Welling (2014); Rezende, Mohamed and Wierstra (2014).

    >>> vae = VAE()
    >>> x = torch.rand(5, 784)
    >>> [tuple(t.shape) for t in vae(x)]
    [(5, 784), (5, 20), (5, 20)]
    >>> sum(p.numel() for p in vae.parameters())
    209464
    """

    def __init__(self, in_features: int = 784, latent: int = 20,
                 hidden: Sequence[int] = (128,)) -> None:
        super().__init__()
        hidden = tuple(hidden)
        expect(len(hidden) >= 1, "at least one hidden layer", hidden)
        sizes = (in_features, *hidden)
        self.encoder = nn.Sequential(*mlp(sizes), nn.ReLU())
        self.fc_mu = nn.Linear(hidden[-1], latent)
        self.fc_logvar = nn.Linear(hidden[-1], latent)
        self.decoder = nn.Sequential(*mlp((latent, *sizes[::-1])), nn.Sigmoid())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map inputs (N, D) to mean and log-variance of q(z | x), each (N, d)."""
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    def reparameterize(self, mu: Tensor, logvar: Tensor) -> Tensor:
        """Draw z from q(z | x), shape (N, d), so that gradients reach mu and logvar."""
        sigma = torch.exp(0.5 * logvar)
        return mu + sigma * torch.randn_like(sigma)

    def decode(self, z: Tensor) -> Tensor:
        """Map latent points (N, d) to reconstructions (N, D) in (0, 1)."""
        return self.decoder(z)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map inputs (N, D) to reconstruction (N, D), mu (N, d) and logvar (N, d)."""
        mu, logvar = self.encode(x)
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Decode ``count`` draws from the prior N(0, I), shape (count, D)."""
        expect(count >= 1, "count of at least 1", count)
        z = torch.randn(count, self.fc_mu.out_features, generator=generator)
        return self.decode(z)


def kl_per_dimension(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""Return KL(q(z | x) ‖ N(0, 1)) of every latent dimension, in nats.

    .. math:: \tfrac12 \bigl(\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2\bigr)

    Args:
        mu: Means, shape (N, d).
        logvar: Log-variances, same shape.

    Returns:
        Shape (N, d); its sum over d, averaged over N, is ``losses.gaussian_kl``.

    Raises:
        ValueError: If the shapes differ, or a tensor is empty or not of floats.

    Source: Kingma and Welling (2014), appendix B.

    >>> kl_per_dimension(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
    tensor([[0., 2.]])
    """
    expect_float("mu", mu)
    expect_float("logvar", logvar)
    expect_same_shape("mu", mu, "logvar", logvar)
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


def vae_loss(x: Tensor, reconstruction: Tensor, mu: Tensor, logvar: Tensor,
             beta: float = 1.0) -> Tensor:
    r"""Return the VAE's loss: summed over pixels and latents, averaged over the batch.

    .. math:: \frac1N \sum_{n=1}^N \Bigl( \lVert x_n - x'_n \rVert^2
        + \beta\, D_{\mathrm{KL}}\bigl(q_\phi(z \mid x_n) \,\Vert\, p(z)\bigr) \Bigr)

    Up to a factor and a constant it is the negative ELBO of a Gaussian decoder of
    variance :math:`\beta / 2`.

    Args:
        x: Inputs, shape (N, D).
        reconstruction: Shape (N, D).
        mu: Means of q(z | x), shape (N, d).
        logvar: Log-variances of q(z | x), shape (N, d).
        beta: Weight of the KL term, at least 0.

    Returns:
        A scalar.

    Raises:
        ValueError: If the shapes do not fit, or beta is negative.

    Source: Kingma and Welling (2014); for beta, Higgins et al. (2017).

    >>> x = torch.ones(3, 4)
    >>> vae_loss(x, 0.5 * x, torch.full((3, 2), 2.0), torch.zeros(3, 2), beta=0.5).item()
    3.0
    """
    expect(beta >= 0, "beta of at least 0", beta)
    kl = gaussian_kl(mu, logvar, reduction="none")
    error = squared_error(x, reconstruction)
    expect(len(error) == len(kl), f"mu of {len(error)} rows", mu)
    return (error + beta * kl).mean()


@torch.no_grad()
def active_units(mu: Tensor, threshold: float = 0.01) -> Tensor:
    r"""Return which latent dimensions move with the input.

    .. math:: \operatorname{Var}_x\bigl(\mu_j(x)\bigr) > \text{threshold}

    Args:
        mu: Means of q(z | x) over a data set, shape (N, d), N ≥ 2.
        threshold: Variance above which a dimension counts as active.

    Returns:
        Booleans, shape (d,).

    Raises:
        ValueError: If mu is not (N, d) with at least two rows.

    Source: Burda, Grosse and Salakhutdinov (2016).

    >>> active_units(torch.tensor([[0.0, 0.5], [1.0, 0.5]]))
    tensor([ True, False])
    """
    expect_float("mu", mu)
    expect(mu.ndim == 2 and len(mu) >= 2, "mu of shape (N, d) with N ≥ 2", mu)
    return mu.var(0) > threshold


def pathwise_gradient(f: Callable[[Tensor], Tensor], mu: Tensor, sigma: Tensor,
                      noise: Tensor) -> Tensor:
    r"""Return one estimate of the gradient of E[f(z)] by mu for each draw, through z.

    .. math:: z = \mu + \sigma \odot \epsilon, \qquad
        \hat g = \nabla_z f(z)

    Args:
        f: Maps (S, d) to (S,), row by row; differentiable.
        mu: Means, shape (d,).
        sigma: Standard deviations, shape (d,).
        noise: Draws of epsilon, shape (S, d).

    Returns:
        Estimates, shape (S, d); each is unbiased.

    Raises:
        ValueError: If the shapes do not fit.

    Source: Kingma and Welling (2014).

    >>> g = pathwise_gradient(lambda z: z.square().sum(1), torch.ones(1), torch.ones(1),
    ...                       torch.tensor([[0.0], [1.0]]))
    >>> g.tolist()
    [[2.0], [4.0]]
    """
    _check_draws(mu, sigma, noise)
    z = (mu + sigma * noise).detach().requires_grad_()
    return torch.autograd.grad(f(z).sum(), z)[0]


def score_function_gradient(f: Callable[[Tensor], Tensor], mu: Tensor, sigma: Tensor,
                            noise: Tensor, baseline: float = 0.0) -> Tensor:
    r"""Return one estimate of the gradient of E[f(z)] by mu for each draw, through log q.

    .. math:: \hat g = (f(z) - b)\, \nabla_\mu \log q(z), \qquad
        \nabla_\mu \log q(z) = (z - \mu) / \sigma^2

    It asks nothing of f but its values.

    Args:
        f: Maps (S, d) to (S,), row by row.
        mu: Means, shape (d,).
        sigma: Standard deviations, shape (d,).
        noise: Draws of epsilon, shape (S, d).
        baseline: A constant b; it changes the variance, not the mean.

    Returns:
        Estimates, shape (S, d); each is unbiased.

    Raises:
        ValueError: If the shapes do not fit.

    Source: Williams (1992), under the name REINFORCE.

    >>> g = score_function_gradient(lambda z: z.square().sum(1), torch.ones(1), torch.ones(1),
    ...                             torch.tensor([[0.0], [1.0]]))
    >>> g.tolist()
    [[0.0], [4.0]]
    """
    _check_draws(mu, sigma, noise)
    with torch.no_grad():
        value = f(mu + sigma * noise) - baseline
    return value[:, None] * noise / sigma


def _check_draws(mu: Tensor, sigma: Tensor, noise: Tensor) -> None:
    expect_same_shape("mu", expect_float("mu", mu), "sigma", expect_float("sigma", sigma))
    expect(mu.ndim == 1, "mu of shape (d,)", mu)
    expect_float("noise", noise)
    fits = noise.ndim == 2 and noise.shape[1] == len(mu)
    expect(fits, f"noise of shape (S, {len(mu)})", noise)


def interpolate(start: Tensor, end: Tensor, steps: int) -> Tensor:
    r"""Return points on the straight line from start to end, both included.

    .. math:: (1 - t)\, a + t\, b, \qquad t = 0, \dots, 1

    Args:
        start: Shape (…).
        end: Same shape.
        steps: Number of points, at least 2.

    Raises:
        ValueError: If the shapes differ, or steps is below 2.

    >>> interpolate(torch.zeros(1), torch.ones(1), 3).flatten().tolist()
    [0.0, 0.5, 1.0]
    """
    expect_same_shape("start", expect_float("start", start), "end", expect_float("end", end))
    expect(isinstance(steps, int) and steps >= 2, "steps of at least 2", steps)
    t = torch.linspace(0, 1, steps, dtype=start.dtype).reshape(-1, *[1] * start.ndim)
    return (1 - t) * start + t * end
