"""CapsNet against the numbers of its paper."""

import pytest
import torch

from dlcheat.architectures.capsnet import CapsNet, Decoder, capsnet_loss, mask
from dlcheat.losses import margin_loss


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_papers_shapes():
    torch.manual_seed(0)
    net = CapsNet()
    images = torch.rand(2, 1, 28, 28)
    with torch.no_grad():
        assert net.conv(images).shape == (2, 256, 20, 20)
        assert net.primary.conv(net.conv(images)).shape == (2, 32 * 8, 6, 6)
        assert net.parts(images).shape == (2, 1152, 8)
        assert net(images).shape == (2, 10, 16)
        assert net.lengths(images).shape == (2, 10)
        assert net.reconstruct(net(images)).shape == (2, 28, 28)


def test_the_papers_parameters():
    net = CapsNet()
    assert count(net.conv) == 9 * 9 * 1 * 256 + 256 == 20_992
    assert count(net.primary) == 9 * 9 * 256 * 256 + 256 == 5_308_672
    assert count(net.digits) == 1152 * 10 * 16 * 8 == 1_474_560
    assert count(net.decoder) == 161 * 512 + 513 * 1024 + 1025 * 784 == 1_411_344
    assert count(net) == 8_215_568


def test_mask_keeps_the_target_or_the_longest():
    capsules = torch.tensor([[[3.0, 4.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 2.0]]])
    longest = mask(capsules)
    assert longest.tolist() == [[[3, 4], [0, 0]], [[0, 0], [0, 2]]]
    chosen = mask(capsules, torch.tensor([1, 0]))
    assert chosen.tolist() == [[[0, 0], [0, 1]], [[1, 0], [0, 0]]]


def test_the_loss_sums_squares_over_pixels_and_averages_over_samples():
    torch.manual_seed(0)
    net = CapsNet(channels=4, capsules=1)
    images, target = torch.rand(3, 1, 28, 28), torch.tensor([1, 2, 3])
    capsules = net(images)
    squares = (net.reconstruct(capsules, target) - images[:, 0]).square().sum((1, 2))
    expected = margin_loss(capsules.norm(dim=-1), target) + (0.0005 * squares).mean()
    torch.testing.assert_close(capsnet_loss(net, images, target), expected)
    torch.testing.assert_close(capsnet_loss(net, images, target, 0),
                               margin_loss(capsules.norm(dim=-1), target))


def test_it_learns_a_handful_of_digits():
    torch.manual_seed(0)
    net = CapsNet(channels=8, capsules=2, hidden=(32, 32))
    images, target = torch.rand(10, 1, 28, 28), torch.arange(10)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        capsnet_loss(net, images, target).backward()
        optimizer.step()
    assert (net.lengths(images).argmax(1) == target).all()


def test_every_weight_gets_a_gradient():
    torch.manual_seed(0)
    net = CapsNet(channels=8, capsules=2, hidden=(16, 16))
    capsnet_loss(net, torch.rand(4, 1, 28, 28), torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize(("call", "message"), [
    (lambda: CapsNet(image_size=16), "expected image_size of at least 17, received int 16"),
    (lambda: CapsNet(4, 1)(torch.zeros(1, 28, 28)), r"expected images of shape \(N, 1, 28, 28\)"),
    (lambda: CapsNet(4, 1)(torch.zeros(1, 1, 32, 32)), r"received a float32 tensor of shape"),
    (lambda: Decoder()(torch.zeros(2, 160)), r"expected input of shape \(N, 10, 16\), received"),
    (lambda: mask(torch.zeros(2, 3)), r"expected capsules of shape \(N, J, D\), received"),
    (lambda: mask(torch.zeros(2, 3, 4), torch.tensor([0])), r"expected target of int64 and shape"),
    (lambda: mask(torch.zeros(1, 3, 4), torch.tensor([3])), "expected class numbers from 0 to 2"),
    (lambda: mask(torch.zeros(1, 3, 4), torch.tensor([0.0])), "received a float32 tensor"),
])
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
