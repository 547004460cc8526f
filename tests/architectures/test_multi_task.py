"""One trunk, several heads: shapes, losses, costs, and that training works."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcheat.architectures.multi_task import (
    TASKS,
    MultiTaskNet,
    cost,
    digit_network,
    digit_targets,
    errors_of,
    fit_tasks,
    losses_of,
)
from dlcheat.datasets.mnist import mnist
from dlcheat.features import slant, thickness


def test_the_network_is_a_trunk_with_heads():
    net = digit_network(12, seed=3)
    x = torch.rand(5, 1, 28, 28)
    out = net(x)
    assert {name: tuple(y.shape) for name, y in out.items()} == {
        "class": (5, 10), "parity": (5, 1), "slant": (5, 1), "thickness": (5, 1)}
    linear = net.trunk[1]
    h = torch.tanh(F.linear(x.flatten(1), linear.weight, linear.bias))
    for name, head in net.heads.items():
        torch.testing.assert_close(out[name], F.linear(h, head.weight, head.bias))


def test_seeds_repeat_and_leave_torchs_own_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, second, third = (digit_network(4, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first.trunk[1].weight, second.trunk[1].weight)
    assert not torch.equal(first.trunk[1].weight, third.trunk[1].weight)


def test_targets_of_digits():
    digits = mnist()
    images, labels = digits.test_images[:50], digits.test_labels[:50]
    targets = digit_targets(images, labels)
    assert torch.equal(targets["class"], labels)
    assert torch.equal(targets["parity"], (labels % 2).float())
    assert torch.equal(targets["slant"], slant(images))
    assert torch.equal(targets["thickness"], thickness(images))


def test_losses_and_errors_are_torchs():
    net, x = digit_network(6), torch.rand(30, 1, 28, 28)
    targets = digit_targets(x, torch.arange(30) % 10)
    out = net(x)
    expected = [F.cross_entropy(out["class"], targets["class"]),
                F.binary_cross_entropy_with_logits(out["parity"][:, 0], targets["parity"]),
                F.mse_loss(out["slant"][:, 0], targets["slant"]),
                F.mse_loss(out["thickness"][:, 0], targets["thickness"])]
    for got, value in zip(losses_of(net, x, targets), expected, strict=True):
        torch.testing.assert_close(got, value)
    errors = errors_of(net, x, targets)
    wrong = (out["class"].argmax(1) != targets["class"]).double().mean().item()
    assert errors["class"] == wrong
    assert errors["parity"] == ((out["parity"][:, 0] > 0) != targets["parity"].bool()).double().mean()
    share = F.mse_loss(out["slant"][:, 0], targets["slant"]) / targets["slant"].var(correction=0)
    assert errors["slant"] == pytest.approx(share.item())


def test_cost_counts_the_weights():
    assert cost(digit_network(32)) == 784 * 32 + 32 * (10 + 1 + 1 + 1)
    four = sum(cost(digit_network(8, [t])) for t in TASKS)
    assert four == pytest.approx(cost(digit_network(32)), rel=0.02)


def test_training_one_head_equals_plain_adam():
    x, y = torch.rand(40, 784), {"slant": torch.randn(40)}
    mine, theirs = digit_network(5, ["slant"]), digit_network(5, ["slant"])
    fit_tasks(mine, x, y, lambda losses: losses[0].backward(), epochs=2, batch_size=40, lr=1e-2)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        F.mse_loss(theirs(x)["slant"][:, 0], y["slant"]).backward()
        optimizer.step()
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_extra_parameters_are_trained_and_the_hook_is_called():
    s, seen = nn.Parameter(torch.zeros(1)), []
    net, x = digit_network(4, ["parity"]), torch.rand(20, 784)
    fit_tasks(net, x, {"parity": torch.ones(20)}, lambda found: (found[0] + s.sum()).backward(),
              epochs=3, batch_size=10, lr=0.1, extra=[s], before_step=lambda: seen.append(s.grad.item()))
    assert seen == [1.0] * 6 and s.item() == pytest.approx(-0.6, abs=1e-4)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: MultiTaskNet(784, 8, {}), "expected at least one head"),
    (lambda: MultiTaskNet(784, 0, {"a": 1}), "expected widths of at least 1"),
    (lambda: MultiTaskNet(784, 8, {"a": 0}), "expected widths of at least 1"),
    (lambda: digit_network(8, ["colour"]), "expected tasks among"),
    (lambda: digit_targets(torch.ones(2, 1, 4, 4), torch.ones(3)), r"expected labels of shape \(2,\)"),
    (lambda: fit_tasks(digit_network(4, ["parity"]), torch.rand(3, 784),
                       {"parity": torch.ones(2)}, sum, epochs=1), "expected tensors of 3 rows"),
    (lambda: errors_of(digit_network(4, ["class"]), torch.rand(4, 784),
                       {"class": torch.ones(4, 1).long()}), r"expected targets of class of shape \(4,\)"),
    (lambda: losses_of(digit_network(4, ["slant"]), torch.rand(4, 784),
                       {"slant": torch.ones(4, 1)}), r"expected targets of slant of shape \(4,\)"),
    (lambda: losses_of(digit_network(4, ["slant"]), torch.rand(4, 784), {}), "expected targets for"),
    (lambda: errors_of(digit_network(4, ["slant"]), torch.rand(4, 784),
                       {"slant": torch.ones(4)}), "expected targets of slant that vary"),
])
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
