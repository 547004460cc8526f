"""Losses in half precision, where torch has them on the CPU: as near as the type's rounding."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Normal
from torch.distributions import kl_divergence as torch_kl

from dlcheat import losses

G = torch.Generator().manual_seed(0)
SCORES, OTHER, THIRD = (3 * torch.randn(64, 5, generator=G) for _ in range(3))
LABELS, SIGNS = torch.arange(64) % 5, torch.randn(64, 5, generator=G).sign()
P, Q = (SCORES / 2).softmax(1), (OTHER / 2).softmax(1)
EITHER = torch.arange(64) % 2
TWO, THREE = (SCORES, OTHER), (SCORES, OTHER, THIRD)

#: name: (the inputs that get a gradient, dlcheat's function of them, torch's)
CASES = {
    "cross_entropy": ((SCORES,), lambda x: losses.cross_entropy(x, LABELS),
                      lambda x: F.cross_entropy(x, LABELS)),
    "cross_entropy of probabilities": ((SCORES,), lambda x: losses.cross_entropy(x, Q.to(x.dtype)),
                                       lambda x: F.cross_entropy(x, Q.to(x.dtype))),
    "binary_cross_entropy": ((P,), lambda p: losses.binary_cross_entropy(p, Q.to(p.dtype)),
                             lambda p: F.binary_cross_entropy(p, Q.to(p.dtype))),
    "binary_cross_entropy_with_logits": (
        (SCORES,), lambda x: losses.binary_cross_entropy_with_logits(x, Q.to(x.dtype)),
        lambda x: F.binary_cross_entropy_with_logits(x, Q.to(x.dtype))),
    "mse_loss": (TWO, losses.mse_loss, F.mse_loss),
    "l1_loss": (TWO, losses.l1_loss, F.l1_loss),
    "huber_loss": (TWO, losses.huber_loss, F.huber_loss),
    "smooth_l1_loss": (TWO, losses.smooth_l1_loss, F.smooth_l1_loss),
    "kl_div": ((P.log(), Q), lambda x, t: losses.kl_div(x, t, "batchmean"),
               lambda x, t: F.kl_div(x, t, reduction="batchmean")),
    "kl_divergence": ((P, Q), losses.kl_divergence,
                      lambda p, q: F.kl_div(q.log(), p, reduction="batchmean")),
    "gaussian_kl_between": (
        (OTHER, OTHER / 9, THIRD, THIRD / 9), losses.gaussian_kl_between,
        lambda m, v, n, w: torch_kl(Normal(m, (v / 2).exp()), Normal(n, (w / 2).exp())).sum(1).mean()),
    "triplet_margin_loss": (THREE, losses.triplet_margin_loss, F.triplet_margin_loss),
    "squared_triplet_loss": (
        THREE, losses.squared_triplet_loss,
        lambda a, p, n: F.relu((a - p).square().sum(1) - (a - n).square().sum(1) + 0.2).mean()),
    "contrastive_loss": (
        TWO, lambda a, b: losses.contrastive_loss(a, b, EITHER, 9.0),
        lambda a, b: torch.where(EITHER == 1, (a - b).norm(dim=1),
                                 F.relu(9 - (a - b).norm(dim=1))).square().mean() / 2),
    "hinge_embedding_loss": ((SCORES,), lambda x: losses.hinge_embedding_loss(x, SIGNS),
                             lambda x: F.hinge_embedding_loss(x, SIGNS.to(x.dtype))),
    "hinge_loss": ((SCORES,), lambda x: losses.hinge_loss(x, SIGNS.long()),
                   lambda x: F.relu(1 - x * SIGNS.to(x.dtype)).mean()),
    "soft_margin_loss": ((SCORES,), lambda x: losses.soft_margin_loss(x, SIGNS.long()),
                         lambda x: F.soft_margin_loss(x, SIGNS.to(x.dtype))),
    "focal_loss": ((SCORES,), lambda x: losses.focal_loss(x, LABELS),
                   lambda x: losses.focal_loss(x.double(), LABELS).to(x.dtype)),
    "sigmoid_focal_loss": (
        (SCORES,), lambda x: losses.sigmoid_focal_loss(x, (SIGNS > 0).long()),
        lambda x: losses.sigmoid_focal_loss(x.double(), (SIGNS > 0).long()).to(x.dtype)),
    "info_nce": (TWO, lambda a, b: losses.info_nce(a, b, 0.5),
                 lambda a, b: F.cross_entropy(F.normalize(a) @ F.normalize(b).T / 0.5,
                                              torch.arange(64))),
    "dice_loss": ((P,), lambda p: losses.dice_loss(p, Q.to(p.dtype)),
                  lambda p: losses.dice_loss(p.double(), Q.double()).to(p.dtype)),
    "multi_margin_loss": ((SCORES,), lambda x: losses.multi_margin_loss(x, LABELS),
                          lambda x: F.multi_margin_loss(x.double(), LABELS).to(x.dtype)),
}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", CASES)
def test_half_precision(name, dtype):
    inputs, mine, reference = CASES[name]
    ours = [x.to(dtype).requires_grad_() for x in inputs]
    theirs = [x.to(dtype).requires_grad_() for x in inputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value, expected = mine(*ours), reference(*theirs)
    assert value.dtype == dtype
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(value, expected, rtol=8 * eps, atol=0)
    value.sum().backward()
    expected.sum().backward()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=16 * eps,
                                   atol=16 * eps * b.grad.abs().max().item())
