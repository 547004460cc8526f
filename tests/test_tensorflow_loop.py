"""What the TensorFlow loop says without TensorFlow; with it: tests/extras."""

import numpy as np
import pytest

from dlcheat import tensorflow_loop

WEIGHTS = [np.zeros((3, 4)), np.zeros(4), np.zeros((4, 2)), np.zeros(2)]


def test_without_tensorflow_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(tensorflow_loop, "installed", lambda: False)
    with pytest.raises(RuntimeError, match=r"requirements-extra\.txt"):
        tensorflow_loop.run(np.zeros((2, 3)), np.zeros(2), WEIGHTS, [])


@pytest.mark.parametrize("weights", [WEIGHTS[:2], [np.zeros((4, 4)), *WEIGHTS[1:]]])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(ValueError, match="expected four weights, the first of 3 rows"):
        tensorflow_loop.run(np.zeros((2, 3)), np.zeros(2), weights, [])
