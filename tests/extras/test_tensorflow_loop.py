"""The sheet's TensorFlow loop, run, against the same loop in torch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlcheat import tensorflow_loop


@pytest.fixture(scope="module")
def trained():
    """Three epochs of both from the same weights, over the same batches."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(100, 6, generator=g)
    y = (x[:, :3].argmax(1)).long()
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    weights = [p.detach().numpy().T.copy() for p in model.parameters()]
    orders = [torch.randperm(100, generator=g).split(32) for _ in range(3)]
    result = tensorflow_loop.run(x.numpy(), y.numpy(), weights,
                                 [[rows.numpy() for rows in order] for order in orders], lr=0.01)
    adam, means, lasts = torch.optim.Adam(model.parameters(), lr=0.01, eps=1e-7), [], []
    for order in orders:
        total = 0.0
        for rows in order:
            loss = F.cross_entropy(model(x[rows]), y[rows])
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += loss.item() * len(rows)
        means.append(total / 100)
        lasts.append(loss.item())
    return result, means, lasts


def test_softmax_and_probabilities_are_one_softmax(trained):
    result, means, _ = trained
    np.testing.assert_allclose(result.losses, means, rtol=1e-3)
    assert means[-1] < means[0]


def test_what_the_sheet_prints_is_the_last_batch(trained):
    result, means, lasts = trained
    np.testing.assert_allclose(result.last_losses, lasts, rtol=1e-3)
    assert np.abs(np.array(lasts) - means).max() > 0.01


def test_tensorflow_says_its_version_and_stays_out_of_this_process(trained):
    import sys

    assert int(trained[0].version.split(".")[0]) >= 2
    assert "tensorflow" not in sys.modules and tensorflow_loop.installed()


def test_a_process_that_fails_is_told():
    weights = [np.zeros((6, 4)), np.zeros(4), np.zeros((5, 3)), np.zeros(3)]
    with pytest.raises(RuntimeError, match="expected the TensorFlow loop to run, received"):
        tensorflow_loop.run(np.zeros((2, 6)), np.zeros(2), weights, [[np.arange(2)]])
