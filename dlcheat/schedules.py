r"""Learning-rate schedules: functions of the step that return what multiplies the peak rate.

Each maps the number t of updates taken so far to a factor s(t), and an update uses the rate
η(t) = η · s(t). ``torch.optim.lr_scheduler.LambdaLR(optimizer, factor)`` takes such a function.
"""

from __future__ import annotations

import math

from dlcheat.validation import expect, expect_count


def constant(step: int) -> float:
    """Return 1 at every step.

    Args:
        step: t, updates taken so far.

    Raises:
        ValueError: If ``step`` is not an integer of at least 0.

    >>> constant(7)
    1.0
    """
    expect_count("step", step, least=0)
    return 1.0


def step_decay(step: int, step_size: int, gamma: float = 0.1) -> float:
    r"""Multiply by γ after every ``step_size`` updates, as ``StepLR`` does.

    .. math:: s(t) = \gamma^{\lfloor t / S \rfloor}

    Args:
        step: t, updates taken so far.
        step_size: S, the length of a tread, at least 1.
        gamma: γ, above 0.

    Raises:
        ValueError: If a number is out of range.

    >>> [step_decay(t, step_size=2, gamma=0.5) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    expect_count("step", step, least=0)
    expect_count("step_size", step_size)
    expect(gamma > 0, "gamma above 0", gamma)
    return float(gamma ** (step // step_size))


def exponential_decay(step: int, gamma: float) -> float:
    r"""Multiply by γ after every update, as ``ExponentialLR`` does.

    .. math:: s(t) = \gamma^t

    Args:
        step: t, updates taken so far.
        gamma: γ, above 0; 0.01 ** (1 / T) ends at a hundredth after T updates.

    Raises:
        ValueError: If a number is out of range.

    >>> exponential_decay(3, gamma=0.5)
    0.125
    """
    expect_count("step", step, least=0)
    expect(gamma > 0, "gamma above 0", gamma)
    return float(gamma ** step)


def cosine(step: int, total: int, floor: float = 0.0) -> float:
    r"""Go from 1 to ``floor`` along half a cosine, as ``CosineAnnealingLR`` does.

    .. math:: s(t) = f + (1 - f)\,\tfrac12 \left(1 + \cos \frac{\pi t}{T}\right)

    After T updates it stays at the floor.

    Source: Loshchilov and Hutter, 2017.

    Args:
        step: t, updates taken so far.
        total: T, at least 1.
        floor: f, from 0 to 1.

    Raises:
        ValueError: If a number is out of range.

    >>> [round(cosine(t, total=4), 4) for t in range(5)]
    [1.0, 0.8536, 0.5, 0.1464, 0.0]
    """
    expect_count("step", step, least=0)
    expect_count("total", total)
    expect(0 <= floor <= 1, "floor from 0 to 1", floor)
    return floor + (1 - floor) * (1 + math.cos(math.pi * min(step / total, 1.0))) / 2


def linear_warmup(step: int, warmup: int, start: float = 0.01) -> float:
    r"""Rise in equal steps from ``start`` to 1, then stay there, as ``LinearLR`` does.

    .. math:: s(t) = f_0 + (1 - f_0) \min(t / M, 1)

    Args:
        step: t, updates taken so far.
        warmup: M, updates until 1 is reached; 0 is no warm-up.
        start: f₀, the first factor, above 0 and at most 1.

    Raises:
        ValueError: If a number is out of range.

    >>> [round(linear_warmup(t, warmup=4, start=0.2), 4) for t in range(5)]
    [0.2, 0.4, 0.6, 0.8, 1.0]
    """
    expect_count("step", step, least=0)
    expect_count("warmup", warmup, least=0)
    expect(0 < start <= 1, "start above 0 and at most 1", start)
    if step >= warmup:
        return 1.0
    return start + (1 - start) * step / warmup


def warmup_cosine(step: int, warmup: int, total: int, start: float = 0.01,
                  floor: float = 0.0) -> float:
    r"""Rise linearly for M updates, then fall along half a cosine until T.

    .. math:: s(t) = \begin{cases} f_0 + (1 - f_0)\, t / M & t < M \\
       f + (1 - f)\,\tfrac12 \left(1 + \cos \pi \frac{t - M}{T - M}\right) & M \le t \le T
       \end{cases}

    It is ``SequentialLR`` of ``LinearLR`` and ``CosineAnnealingLR``.

    Source: Goyal et al., 2017 (the warm-up); Loshchilov and Hutter, 2017 (the cosine).

    Args:
        step: t, updates taken so far.
        warmup: M, from 0 to ``total`` - 1.
        total: T, updates in all.
        start: f₀, the first factor, above 0 and at most 1.
        floor: f, the last factor, from 0 to 1.

    Raises:
        ValueError: If a number is out of range.

    >>> [round(warmup_cosine(t, warmup=2, total=6, start=0.5), 4) for t in range(7)]
    [0.5, 0.75, 1.0, 0.8536, 0.5, 0.1464, 0.0]
    """
    expect_count("total", total)
    expect_count("warmup", warmup, least=0)
    expect(warmup < total, f"warmup below total, {total}", warmup)
    if step < warmup:
        return linear_warmup(step, warmup, start)
    expect_count("step", step, least=0)
    return cosine(step - warmup, total - warmup, floor)


def one_cycle(step: int, total: int, pct_start: float = 0.3, div_factor: float = 25.0,
              final_div_factor: float = 1e4) -> float:
    r"""Rise to 1 and fall far below the start, both along half cosines, as ``OneCycleLR`` does.

    .. math:: s(t) = \begin{cases} a + (1 - a)\, c(t / u) & t \le u \\
       e + (1 - e)\, \bigl(1 - c(\tfrac{t - u}{T - 1 - u})\bigr) & t > u \end{cases}
       \qquad c(p) = \tfrac12 (1 - \cos \pi p)

    with a = 1/``div_factor``, e = a/``final_div_factor`` and u = ``pct_start`` · T − 1. Torch's
    also moves the momentum the opposite way, unless ``cycle_momentum=False``. The two phases
    along cosines are torch's default, after fastai; the paper rises and falls in straight lines
    and ends with a third phase, which torch's ``three_phase=True`` comes nearer to.

    Source: Smith and Topin, 2019, for the idea; torch.optim.lr_scheduler.OneCycleLR.

    Args:
        step: t, updates taken so far, below ``total``.
        total: T, updates in all.
        pct_start: Share of the updates in which the rate rises, from 0 to 1.
        div_factor: By what the peak is divided at the start, at least 1.
        final_div_factor: By what the start is divided at the end, at least 1.

    Raises:
        ValueError: If a number is out of range, or the rise or the fall has no step.

    >>> [round(one_cycle(t, total=10), 3) for t in (0, 1, 2, 5, 9)]
    [0.04, 0.52, 1.0, 0.611, 0.0]
    """
    expect_count("step", step, least=0)
    expect_count("total", total)
    expect(step < total, f"step below total, {total}", step)
    expect(div_factor >= 1 and final_div_factor >= 1, "factors of at least 1",
           (div_factor, final_div_factor))
    top = pct_start * total - 1
    both = 0 < top < total - 1
    expect(both, "pct_start such that both parts have a step", pct_start)
    low = 1 / div_factor
    if step <= top:
        return low + (1 - low) * _ease(step / top)
    end = low / final_div_factor
    return 1 + (end - 1) * _ease((step - top) / (total - 1 - top))


def _ease(share: float) -> float:
    return (1 - math.cos(math.pi * share)) / 2
