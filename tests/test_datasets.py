"""The shipped digits are what their documentation says."""

from pathlib import Path

import torch

import dlcheat.datasets
from dlcheat.datasets import Mnist, mnist

HERE = Path(dlcheat.datasets.__file__).parent


def test_mnist_shapes_types_and_range():
    digits = mnist()
    assert isinstance(digits, Mnist)
    assert digits.train_images.shape == (6000, 1, 28, 28)
    assert digits.test_images.shape == (1000, 1, 28, 28)
    for images in (digits.train_images, digits.test_images):
        assert images.dtype == torch.float32
        assert images.min() == 0
        assert images.max() == 1
        assert torch.equal((images * 255).round() / 255, images)             # from 256 grey levels
    for labels in (digits.train_labels, digits.test_labels):
        assert labels.dtype == torch.int64


def test_mnist_is_balanced():
    digits = mnist()
    assert digits.train_labels.bincount().tolist() == [600] * 10
    assert digits.test_labels.bincount().tolist() == [100] * 10


def test_every_digit_has_ink_on_a_dark_ground():
    for images in (mnist().train_images, mnist().test_images):
        ink = images.flatten(1).mean(1)
        assert ink.min() > 0.01
        assert ink.max() < 0.5
        assert images[..., 0].max() < 0.9                        # the frame is (almost) empty


def test_no_test_digit_is_in_the_training_set():
    digits = mnist()
    seen = {image.numpy().tobytes() for image in digits.train_images}
    assert len(seen) == 6000                                     # and none is there twice
    assert not seen & {image.numpy().tobytes() for image in digits.test_images}


def test_labels_are_the_images_labels():
    """The nearest class mean is right about 80 times in 100, and could not be by chance."""
    digits = mnist()
    x, y = digits.train_images.flatten(1), digits.train_labels
    means = torch.stack([x[y == k].mean(0) for k in range(10)])  # (10, 784)
    nearest = torch.cdist(digits.test_images.flatten(1), means).argmin(1)
    assert (nearest == digits.test_labels).float().mean() > 0.75


def test_every_call_returns_its_own_copy():
    mnist().train_images.zero_()
    mnist().train_labels.zero_()
    assert mnist().train_images.max() == 1
    assert mnist().train_labels.max() == 9


def test_the_digits_are_small_and_name_their_source():
    assert (HERE / "mnist.npz").stat().st_size < 3_000_000
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    for file in HERE.glob("*.npz"):
        assert file.name in readme, f"{file.name} is shipped without a source in README.md"
    for licence in HERE.glob("LICENSE-*.txt"):
        assert licence.name in readme
    for name in ("jdecked/twemoji", "v2.048", "Cal Henderson", "ML Illustrated"):
        assert name in readme
    for name in ("Yann LeCun", "Corinna Cortes", "CC BY-SA 3.0"):
        assert name in readme
        assert name in mnist.__doc__
