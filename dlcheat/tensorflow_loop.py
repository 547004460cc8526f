"""The cheat sheet's training loop in TensorFlow, for those who have it installed.

TensorFlow is large and talks while it starts, so :func:`run` gives it a process of its own and
reads back what it trained.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np


class LoopResult(NamedTuple):
    """What the process reports.

    Attributes:
        version: TensorFlow's.
        losses: Mean loss of each epoch.
        last_losses: Loss of each epoch's last batch, which the sheet prints.
    """

    version: str
    losses: list[float]
    last_losses: list[float]


def installed() -> bool:
    """Return whether TensorFlow can be imported here; it is not imported.

    >>> installed() in (True, False)
    True
    """
    return importlib.util.find_spec("tensorflow") is not None


def loop(x: np.ndarray, y: np.ndarray, weights: list[np.ndarray],
         orders: list[list[np.ndarray]],
         lr: float = 1e-3) -> tuple[list[float], list[float]]:
    """Train the sheet's model by the sheet's loop, from given weights over given batches.

    Args:
        x: Inputs, shape (N, I).
        y: Classes, shape (N,).
        weights: Kernel (I, H), bias (H), kernel (H, C), bias (C), as Keras orders them.
        orders: For each epoch its batches, each an array of rows.
        lr: Adam's rate.

    Returns:
        The mean loss and the last batch's loss of each epoch.

    >>> import inspect
    >>> "GradientTape" in inspect.getsource(loop)
    True
    """
    import tensorflow as tf

    model = tf.keras.Sequential([
        tf.keras.layers.Dense(len(weights[1]), activation="relu"),
        tf.keras.layers.Dense(len(weights[3]), activation="softmax")])
    model.build((None, x.shape[1]))
    model.set_weights(weights)
    optimizer = tf.keras.optimizers.Adam(lr)
    loss_fn = tf.keras.losses.SparseCategoricalCrossentropy()
    means, lasts = [], []
    for order in orders:
        total = 0.0
        for rows in order:
            with tf.GradientTape() as tape:
                predictions = model(x[rows], training=True)
                loss = loss_fn(y[rows], predictions)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables))
            total += float(loss) * len(rows)
        means.append(total / sum(map(len, order)))
        lasts.append(float(loss))
    return means, lasts


def run(x: np.ndarray, y: np.ndarray, weights: list[np.ndarray], orders: list[list[np.ndarray]],
        lr: float = 1e-3) -> LoopResult:
    """Call :func:`loop` in a process of its own.

    Args:
        x: Inputs, shape (N, I).
        y: Classes, shape (N,).
        weights: Kernel, bias, kernel, bias, as Keras orders them.
        orders: For each epoch its batches, each an array of rows.
        lr: Adam's rate.

    Raises:
        ValueError: If the kernels are not of shapes (I, H) and (H, C).
        RuntimeError: If TensorFlow is not installed, or the process fails.

    >>> run(np.zeros((2, 3)), np.zeros(2), [np.zeros((4, 5))] * 4, [])
    Traceback (most recent call last):
        ...
    ValueError: expected four weights, the first of 3 rows, received list [(4, 5), (4, 5), (4, 5), (4, 5)]
    """
    from dlcheat.validation import expect  # it loads torch: not in the process

    shapes = [np.shape(w) for w in weights]
    expect(len(shapes) == 4 and shapes[0][0] == x.shape[1],
           f"four weights, the first of {x.shape[1]} rows", shapes)
    if not installed():
        raise RuntimeError("expected TensorFlow: pip install -r requirements-extra.txt")
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3",
                                "CUDA_VISIBLE_DEVICES": "-1"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "task.npz"
        arrays = {f"w{i}": w for i, w in enumerate(weights)}
        arrays |= {f"b{e}_{i}": rows for e, order in enumerate(orders)
                   for i, rows in enumerate(order)}
        np.savez(file, x=x, y=y, lr=lr, batches=[len(order) for order in orders], **arrays)
        # -P: the folder of this file, whose modules have common names, stays off the path
        done = subprocess.run([sys.executable, "-P", str(Path(__file__).resolve()), str(file)],
                              capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"expected the TensorFlow loop to run, received\n{done.stderr[-2000:]}")
    return LoopResult(**json.loads(done.stdout.splitlines()[-1]))


def main(file: str) -> None:
    """Read a task that :func:`run` wrote, train, and print the result as one line of JSON.

    Args:
        file: The task's name.

    >>> main("nowhere.npz")
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] No such file or directory: 'nowhere.npz'
    """
    with np.load(file) as task:
        orders = [[task[f"b{e}_{i}"] for i in range(n)] for e, n in enumerate(task["batches"])]
        means, lasts = loop(task["x"], task["y"], [task[f"w{i}"] for i in range(4)], orders,
                            float(task["lr"]))
    import tensorflow as tf

    print(json.dumps({"version": tf.__version__, "losses": means, "last_losses": lasts}))


if __name__ == "__main__":
    for unused in ("matplotlib", "sklearn", "torch"):            # Keras would load them: seconds
        sys.modules[unused] = None
    main(sys.argv[1])
