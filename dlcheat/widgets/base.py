"""What every widget of the book shares."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import anywidget
import numpy as np
import torch
from traitlets import Unicode

from dlcheat.validation import expect_count

HERE = Path(__file__).parent


def module_source(*names: str) -> str:
    """Return the front end of a widget: the shared helpers, then each ``name.js``, the widget's last.

    >>> "export" in module_source("explore")
    True
    """
    return "\n".join((HERE / f"{part}.js").read_text(encoding="utf-8") for part in ("common", *names))


def style_source(name: str) -> str:
    """Return the style of a widget: the shared rules, then ``name.css`` where it exists.

    >>> ".dlw" in style_source("explore")
    True
    """
    parts = [HERE / "common.css", HERE / f"{name}.css"]
    return "\n".join(part.read_text(encoding="utf-8") for part in parts if part.exists())


class BookWidget(anywidget.AnyWidget):
    """A widget whose front end computes.

    A subclass names its pair of files and declares its state as traits::

        class Stepper(BookWidget, front="stepper"):
            step = traitlets.Int(0).tag(sync=True)

    What it shares with some other widgets stands in a module of its own, ``needs="name"``, with
    a ``name.js`` beside it. The attribute ``title`` names the widget to a screen reader.
    """

    title = Unicode("").tag(sync=True)

    def __init_subclass__(cls, front: str | None = None, needs: str | None = None,
                          **kwargs: object) -> None:
        if front is not None:
            cls._esm = module_source(*([needs] if needs else []), front)
            cls._css = style_source(front)
        super().__init_subclass__(**kwargs)

    def __repr__(self) -> str:
        """Return a text without addresses: it stands in tested outputs."""
        return f"<{type(self).__name__}: {self.title}>" if self.title else f"<{type(self).__name__}>"


def pack_float32(tensor: torch.Tensor | np.ndarray) -> bytes:
    """Return the values as little-endian float32 bytes, row after row.

    >>> pack_float32(torch.tensor([1.0]))
    b'\\x00\\x00\\x80?'
    """
    array = tensor.detach().cpu().numpy() if isinstance(tensor, torch.Tensor) else tensor
    return np.ascontiguousarray(array, dtype="<f4").tobytes()


def pack_int8(tensor: torch.Tensor | np.ndarray) -> tuple[bytes, float]:
    """Return the values as int8 bytes and the scale that gives them back.

    .. math:: x \\approx s\\,q, \\quad s = \\max|x| / 127

    The error is at most half a scale.

    >>> pack_int8(torch.tensor([127.0, -1.0]))
    (b'\\x7f\\xff', 1.0)
    """
    array = tensor.detach().cpu().numpy() if isinstance(tensor, torch.Tensor) else tensor
    scale = float(np.abs(array).max()) / 127 or 1.0
    return np.round(array / scale).astype(np.int8).tobytes(), scale


def uniforms(seed: int) -> Iterator[float]:
    """Yield numbers in [0, 1), the same ones here and in the page.

    The generator is mulberry32: 32 bits of state, made for exactly this, not for cryptography.

    Args:
        seed: Any integer; its low 32 bits count.

    Source: Tommy Ettinger (2017), mulberry32, public domain.

    >>> [round(next(uniforms(s)), 6) for s in (0, 1)]
    [0.266429, 0.627074]
    """
    state = seed & 0xFFFFFFFF
    while True:
        state = (state + 0x6D2B79F5) & 0xFFFFFFFF
        t = (state ^ state >> 15) * (1 | state) & 0xFFFFFFFF
        t = (t + ((t ^ t >> 7) * (61 | t) & 0xFFFFFFFF)) & 0xFFFFFFFF ^ t
        yield (t ^ t >> 14) / 2 ** 32


def normals(seed: int, count: int) -> torch.Tensor:
    r"""Return standard normal numbers, the same ones here and in the page.

    .. math:: n_{2k} = \sqrt{-2 \log u_{2k}} \cos 2 \pi u_{2k+1}, \qquad
       n_{2k+1} = \sqrt{-2 \log u_{2k}} \sin 2 \pi u_{2k+1}

    Args:
        seed: Any integer; its low 32 bits count.
        count: How many.

    Returns:
        Shape (count,), float64.

    Raises:
        ValueError: If ``count`` is below 1.

    Source: Box and Muller, 1958.

    >>> normals(1, 3).shape
    torch.Size([3])
    """
    expect_count("count", count)
    u = _many_uniforms(seed, count + count % 2).reshape(-1, 2)
    radius, angle = np.sqrt(-2 * np.log(1 - u[:, 0])), 2 * math.pi * u[:, 1]
    found = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
    return torch.from_numpy(found.ravel()[:count].copy())


def _many_uniforms(seed: int, count: int) -> np.ndarray:
    """Return the first numbers of :func:`uniforms` at once: the state only counts."""
    places = np.arange(1, count + 1, dtype=np.uint32)
    state = np.uint32(seed & 0xFFFFFFFF) + places * np.uint32(0x6D2B79F5)
    t = (state ^ state >> np.uint32(15)) * (np.uint32(1) | state)
    t = (t + (t ^ t >> np.uint32(7)) * (np.uint32(61) | t)) ^ t
    return (t ^ t >> np.uint32(14)) / 2 ** 32
