"""Two Gaussians: what one costs as a stand-in for the other, in both directions."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
import traitlets
from torch import Tensor

from dlcheat.losses import gaussian_kl, gaussian_kl_between
from dlcheat.validation import expect
from dlcheat.widgets.base import BookWidget

#: What can be shown: two Gaussians; a mixture and the Gaussian that is to stand for it; a Gaussian
#: of two dimensions against the standard one.
VIEWS = ("two", "mixture", "prior")
#: Range and first value of every number of the state.
PARAMETERS = {
    "mu_p": (-4, 4, 0.0), "sigma_p": (0.4, 3, 1.0), "mu_q": (-4, 4, 1.5), "sigma_q": (0.4, 3, 0.6),
    "gap": (0, 5, 4.0), "share": (0.1, 0.9, 0.5), "width": (0.4, 1.2, 0.6),
    "mu_1": (-3, 3, 1.5), "sigma_1": (0.1, 3, 0.5), "mu_2": (-3, 3, -1.0), "sigma_2": (0.1, 3, 1.5),
    "rho": (-0.95, 0.95, 0.0)}
#: The points on which integrals are sums: equally far apart, from far left to far right.
LOW, HIGH, POINTS = -30.0, 30.0, 3001


class Cost(NamedTuple):
    """What it costs to take one distribution for another, in nats.

    Attributes:
        cross_entropy: Mean surprise, if the other is believed.
        entropy: Mean surprise of who knows better.
        divergence: The difference.
    """

    cross_entropy: float
    entropy: float
    divergence: float


class Look(NamedTuple):
    """What the pictures of p and q show.

    Attributes:
        forward: Of KL(p ‖ q).
        reverse: Of KL(q ‖ p).
        jensen_shannon: Mean divergence of both from their average, at most log 2.
    """

    forward: Cost
    reverse: Cost
    jensen_shannon: float


class Terms(NamedTuple):
    """What a Gaussian of two dimensions pays against the standard one, in nats.

    Attributes:
        place: ½ μ² of each dimension.
        width: ½ (σ² − 1 − log σ²) of each dimension.
        formula: Their sum, the formula of 4.8.1.
        exact: The same and what the correlation costs, −½ log(1 − ρ²).
    """

    place: tuple[float, float]
    width: tuple[float, float]
    formula: float
    exact: float


class Best(NamedTuple):
    """The Gaussian that is cheapest by one of the two divergences.

    Attributes:
        mu: Its mean.
        sigma: Its standard deviation.
        divergence: What it costs, in nats.
    """

    mu: float
    sigma: float
    divergence: float


def _log_normal(x: Tensor, mu: float, sigma: float) -> Tensor:
    return -((x - mu) / sigma) ** 2 / 2 - math.log(sigma) - math.log(2 * math.pi) / 2


def _log_mixture(x: Tensor, gap: float, share: float, width: float) -> Tensor:
    left = math.log(share) + _log_normal(x, -gap / 2, width)
    return torch.logaddexp(left, math.log1p(-share) + _log_normal(x, gap / 2, width))


def _expect_mixture(gap: float, share: float, width: float) -> None:
    for name, value in (("gap", gap), ("share", share), ("width", width)):
        low, high, _ = PARAMETERS[name]
        expect(low <= value <= high, f"{name} from {low} to {high}", value)


def costs(log_p: Tensor, log_q: Tensor, step: float) -> Look:
    r"""Return both divergences of two densities on a grid, and what they consist of.

    .. math:: D_\mathrm{KL}(p \,\|\, q) = \underbrace{-\int p \log q}_{\text{cross-entropy}}
       - \underbrace{\left( -\int p \log p \right)}_{\text{entropy}}

    Args:
        log_p: Logarithms of p on equally spaced points, shape (n,).
        log_q: Logarithms of q on the same points.
        step: Their distance.

    Raises:
        ValueError: If the shapes differ.

    >>> x = torch.linspace(-9, 9, 901, dtype=torch.double)
    >>> p, q = (torch.distributions.Normal(m, 1).log_prob(x) for m in (0, 1))
    >>> round(costs(p, q, 0.02).forward.divergence, 6)
    0.5
    """
    expect(log_p.shape == log_q.shape and log_p.ndim == 1, "two densities of one shape (n,)", log_q)
    middle = torch.logaddexp(log_p, log_q) - math.log(2)

    def mean(log_of: Tensor, value: Tensor) -> float:
        return (log_of.exp() * value).sum().item() * step

    found = []
    for one, other in ((log_p, log_q), (log_q, log_p)):
        found.append(Cost(-mean(one, other), -mean(one, one), mean(one, one - other)))
    return Look(*found, (mean(log_p, log_p - middle) + mean(log_q, log_q - middle)) / 2)


def best_forward(gap: float, share: float, width: float) -> Best:
    r"""Return the Gaussian q with the least KL(p ‖ q): that of the mixture's mean and variance.

    .. math:: p = a\, \mathcal N\!\left(-\tfrac g2, w^2\right) + (1 - a)\,
       \mathcal N\!\left(\tfrac g2, w^2\right), \qquad
       \mu = \left(\tfrac12 - a\right) g, \quad \sigma^2 = w^2 + a (1 - a)\, g^2

    Args:
        gap: g, distance of the two peaks' means.
        share: a, weight of the left one.
        width: w, standard deviation of each.

    Raises:
        ValueError: If one of them is out of range.

    >>> [round(v, 3) for v in best_forward(4.0, 0.5, 0.6)]
    [0.0, 2.088, 0.555]
    """
    _expect_mixture(gap, share, width)
    mu, sigma = (0.5 - share) * gap, math.sqrt(width ** 2 + share * (1 - share) * gap ** 2)
    x = torch.linspace(LOW, HIGH, POINTS, dtype=torch.double)
    found = costs(_log_mixture(x, gap, share, width), _log_normal(x, mu, sigma), 60 / (POINTS - 1))
    return Best(mu, sigma, found.forward.divergence)


def best_reverse(gap: float, share: float, width: float) -> Best:
    r"""Return the Gaussian q with the least KL(q ‖ p), by descent from three starts.

    With :math:`x = \mu + \sigma z` and :math:`s(x) = \frac{d}{dx} \log p(x)`, the divergence has
    the slopes :math:`-\mathbb E[s]` in μ and :math:`-1 - \sigma\, \mathbb E[z\, s]` in log σ. The
    steps are :math:`\tfrac12 \sigma^2` and :math:`\tfrac14` times these, and short ones at first.
    Starts are both peaks and :func:`best_forward`; of two that are as good, the left one counts.

    Args:
        gap: Distance of the two peaks' means.
        share: Weight of the left one.
        width: Standard deviation of each.

    Raises:
        ValueError: If one of them is out of range.

    >>> [round(v, 3) for v in best_reverse(4.0, 0.5, 0.6)]
    [-1.997, 0.605, 0.692]
    """
    start = best_forward(gap, share, width)
    z = torch.linspace(-6, 6, 121, dtype=torch.double)
    weight = 0.1 * _log_normal(z, 0, 1).exp()
    x = torch.linspace(LOW, HIGH, POINTS, dtype=torch.double)
    log_p, best = _log_mixture(x, gap, share, width), None
    for mu, sigma in ((-gap / 2, width), (gap / 2, width), start[:2]):
        for _ in range(400):
            at = mu + sigma * z
            odds = math.log(share) - math.log1p(-share) - at * gap / width ** 2
            score = (gap / 2 - at - gap * odds.sigmoid()) / width ** 2       # (log p)'
            right = sigma * (weight * score).sum().item() / 2                # in units of σ
            wider = (1 + sigma * (weight * z * score).sum().item()) / 4
            right, wider = (min(0.2, max(-0.2, v)) for v in (right, wider))
            mu, sigma = mu + sigma * right, sigma * math.exp(wider)
            if max(abs(right), abs(wider)) < 1e-11:
                break
        found = costs(log_p, _log_normal(x, mu, sigma), 60 / (POINTS - 1)).reverse.divergence
        if best is None or found < best.divergence - 1e-9:
            best = Best(mu, sigma, found)
    return best


class Gaussians(BookWidget, front="gaussians"):
    """Two Gaussians p and q, their divergences in both directions, and where these arise.

    In the view ``"two"`` both are Gaussians; in ``"mixture"`` p has two peaks, and q is moved to
    stand for it; in ``"prior"`` q has two dimensions and is held against the standard Gaussian.
    The front end computes the same numbers, and a test compares them on hundreds of random states.

    p has ``mu_p`` and ``sigma_p`` in the view ``"two"``. The mixture has two peaks ``gap`` apart, of
    the standard deviation ``width`` each, the left one with the weight ``share``. q has ``mu_q``
    and ``sigma_q``; in the view ``"prior"`` it has ``mu_1``, ``sigma_1``, ``mu_2``, ``sigma_2`` and
    the correlation ``rho``.

    Args:
        view: ``"two"``, ``"mixture"`` or ``"prior"``.
        **state: Any of the traits above; their ranges and first values are ``PARAMETERS``.

    Raises:
        traitlets.TraitError: If a trait gets a value that it cannot hold.

    >>> widget = Gaussians("two", mu_q=1.0, sigma_q=1.0)
    >>> round(widget.look().forward.divergence, 3)
    0.5
    """

    view = traitlets.Enum(list(VIEWS), default_value="two").tag(sync=True)
    (mu_p, sigma_p, mu_q, sigma_q, gap, share, width, mu_1, sigma_1, mu_2, sigma_2, rho) = (
        traitlets.Float(value, min=low, max=high).tag(sync=True)
        for low, high, value in PARAMETERS.values())

    def __init__(self, view: str = "two", **state: Any) -> None:
        super().__init__(**{"title": "Two Gaussians and their divergences", "view": view, **state})

    @traitlets.validate(*PARAMETERS)
    def _check(self, proposal: dict[str, Any]) -> float:
        if not math.isfinite(proposal["value"]):
            raise traitlets.TraitError(f"expected a finite {proposal['trait'].name}, "
                                       f"received {proposal['value']}")
        return proposal["value"]

    def look(self) -> Look:
        """Return both divergences of p and q, what they consist of, and Jensen–Shannon's.

        Where both are Gaussians, the two divergences are :func:`dlcheat.losses.gaussian_kl_between`.
        """
        x = torch.linspace(LOW, HIGH, POINTS, dtype=torch.double)
        two = self.view != "mixture"
        log_p = _log_normal(x, self.mu_p, self.sigma_p) if two \
            else _log_mixture(x, self.gap, self.share, self.width)
        found = costs(log_p, _log_normal(x, self.mu_q, self.sigma_q), (HIGH - LOW) / (POINTS - 1))
        if not two:
            return found
        p, q = (tuple(torch.tensor([[v]], dtype=torch.double) for v in (mu, 2 * math.log(sigma)))
                for mu, sigma in ((self.mu_p, self.sigma_p), (self.mu_q, self.sigma_q)))
        exact = []
        for sigma, pair in ((self.sigma_p, (*p, *q)), (self.sigma_q, (*q, *p))):
            entropy = math.log(2 * math.pi * math.e) / 2 + math.log(sigma)
            kl = gaussian_kl_between(*pair).item()
            exact.append(Cost(entropy + kl, entropy, kl))
        return Look(*exact, found.jensen_shannon)

    def best(self) -> tuple[Best, Best]:
        """Return the best q for the mixture, by KL(p ‖ q) and by KL(q ‖ p)."""
        return (best_forward(self.gap, self.share, self.width),
                best_reverse(self.gap, self.share, self.width))

    def terms(self) -> Terms:
        """Return what the q of two dimensions pays against the standard Gaussian."""
        place = self.mu_1 ** 2 / 2, self.mu_2 ** 2 / 2
        width = tuple((s ** 2 - 1) / 2 - math.log(s) for s in (self.sigma_1, self.sigma_2))
        mu = torch.tensor([[self.mu_1, self.mu_2]], dtype=torch.double)
        logvar = 2 * torch.tensor([[self.sigma_1, self.sigma_2]], dtype=torch.double).log()
        formula = gaussian_kl(mu, logvar).item()
        return Terms(place, width, formula, formula - math.log1p(-self.rho ** 2) / 2)
