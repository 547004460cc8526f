"""Recurrent layers: one step as a formula, and a loop over time.

The cells are :func:`rnn_step`, :func:`gru_step` and :func:`lstm_step`; the modules hold the
weights under torch's names and run a cell along the sequence, for the whole batch at once.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from dlcheat.layers.linear import linear
from dlcheat.validation import expect, expect_count, expect_float

State = Tensor | tuple[Tensor, Tensor]
"""h of an RNN or GRU, (h, c) of an LSTM."""


def _expect_state(name: str, value: object, shape: tuple[int, ...], like: Tensor) -> None:
    state = expect_float(name, value)
    expect(state.shape == shape and state.dtype == like.dtype,
           f"{name} of shape {shape} and type {like.dtype}", state)


def _products(input: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor | None,
              bias_hh: Tensor | None, gates: int) -> tuple[Tensor, Tensor]:
    """Return W_ih x + b_ih and W_hh h + b_hh, both of shape (…, gates · H)."""
    expect_float("weight_hh", weight_hh)
    expect(weight_hh.ndim == 2 and weight_hh.shape[0] == gates * weight_hh.shape[1],
           f"weight_hh of shape ({gates} · H, H)", weight_hh)
    expect_float("input", input)
    _expect_state("the hidden state", h, (*input.shape[:-1], weight_hh.shape[1]), input)
    from_input, from_state = linear(input, weight_ih, bias_ih), linear(h, weight_hh, bias_hh)
    expect(from_input.shape == from_state.shape,
           f"weight_ih of shape ({weight_hh.shape[0]}, I)", weight_ih)
    return from_input, from_state


def rnn_step(input: Tensor, hx: Tensor, weight_ih: Tensor, weight_hh: Tensor,
             bias_ih: Tensor | None = None, bias_hh: Tensor | None = None,
             nonlinearity: str = "tanh") -> Tensor:
    r"""Take one step of a simple recurrent network.

    .. math:: h' = \tanh(W_{ih}\, x + b_{ih} + W_{hh}\, h + b_{hh})

    Source: Elman (1990), "Finding structure in time".

    Args:
        input: x, shape (…, I).
        hx: h, shape (…, H).
        weight_ih: Shape (H, I).
        weight_hh: Shape (H, H).
        bias_ih: Shape (H,), or None.
        bias_hh: Shape (H,), or None.
        nonlinearity: ``"tanh"`` or ``"relu"``.

    Returns:
        h', shape (…, H).

    Raises:
        ValueError: If shapes or types do not match, or the nonlinearity is another.

    >>> one = torch.ones(1, 1)
    >>> rnn_step(one, 2 * one, one, one, nonlinearity="relu")
    tensor([[3.]])
    """
    expect(nonlinearity in ("tanh", "relu"), 'nonlinearity "tanh" or "relu"', nonlinearity)
    from_input, from_state = _products(input, hx, weight_ih, weight_hh, bias_ih, bias_hh, 1)
    total = from_input + from_state
    return total.tanh() if nonlinearity == "tanh" else total.relu()


def gru_step(input: Tensor, hx: Tensor, weight_ih: Tensor, weight_hh: Tensor,
             bias_ih: Tensor | None = None, bias_hh: Tensor | None = None) -> Tensor:
    r"""Take one step of a gated recurrent unit.

    .. math::
       r &= \sigma(W_{ir}\, x + b_{ir} + W_{hr}\, h + b_{hr}) \\
       z &= \sigma(W_{iz}\, x + b_{iz} + W_{hz}\, h + b_{hz}) \\
       n &= \tanh(W_{in}\, x + b_{in} + r \odot (W_{hn}\, h + b_{hn})) \\
       h' &= (1 - z) \odot n + z \odot h

    This is torch's variant: the reset gate r multiplies the product with the state,
    :math:`W_{hn} h + b_{hn}`; the paper multiplies h before the product.

    Source: Cho et al. (2014), "Learning phrase representations using RNN encoder–decoder".

    Args:
        input: x, shape (…, I).
        hx: h, shape (…, H).
        weight_ih: The rows of r, z and n, shape (3 H, I).
        weight_hh: Likewise, shape (3 H, H).
        bias_ih: Shape (3 H,), or None.
        bias_hh: Shape (3 H,), or None.

    Returns:
        h', shape (…, H).

    Raises:
        ValueError: If shapes or types do not match.

    >>> gru_step(torch.zeros(1, 1), torch.ones(1, 1), torch.zeros(3, 1), torch.zeros(3, 1))
    tensor([[0.5000]])
    """
    from_input, from_state = _products(input, hx, weight_ih, weight_hh, bias_ih, bias_hh, 3)
    (ir, iz, i_n), (hr, hz, hn) = from_input.chunk(3, -1), from_state.chunk(3, -1)
    r = (ir + hr).sigmoid()                                      # reset: how much n hears of h
    z = (iz + hz).sigmoid()                                      # update: how much of h stays
    n = (i_n + r * hn).tanh()
    return (1 - z) * n + z * hx


def lstm_step(input: Tensor, hx: tuple[Tensor, Tensor], weight_ih: Tensor, weight_hh: Tensor,
              bias_ih: Tensor | None = None, bias_hh: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""Take one step of a long short-term memory.

    .. math::
       i &= \sigma(W_{ii}\, x + b_{ii} + W_{hi}\, h + b_{hi}) \\
       f &= \sigma(W_{if}\, x + b_{if} + W_{hf}\, h + b_{hf}) \\
       g &= \tanh(W_{ig}\, x + b_{ig} + W_{hg}\, h + b_{hg}) \\
       o &= \sigma(W_{io}\, x + b_{io} + W_{ho}\, h + b_{ho}) \\
       c' &= f \odot c + i \odot g, \qquad h' = o \odot \tanh(c')

    Source: Hochreiter and Schmidhuber (1997), "Long short-term memory"; the forget gate f is of
    Gers, Schmidhuber and Cummins (2000), "Learning to forget".

    Args:
        input: x, shape (…, I).
        hx: (h, c), both of shape (…, H).
        weight_ih: The rows of i, f, g and o, shape (4 H, I).
        weight_hh: Likewise, shape (4 H, H).
        bias_ih: Shape (4 H,), or None.
        bias_hh: Shape (4 H,), or None.

    Returns:
        (h', c'), both of shape (…, H).

    Raises:
        ValueError: If shapes or types do not match, or the state is no pair.

    >>> zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    >>> lstm_step(zero, (zero, one), torch.zeros(4, 1), torch.zeros(4, 1))[1]
    tensor([[0.5000]])
    """
    expect(isinstance(hx, tuple) and len(hx) == 2, "the state (h, c)", hx)
    h, c = hx
    from_input, from_state = _products(input, h, weight_ih, weight_hh, bias_ih, bias_hh, 4)
    _expect_state("the cell state", c, tuple(h.shape), h)
    i, f, g, o = (from_input + from_state).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()                 # forget, then write
    return o.sigmoid() * c.tanh(), c


class _Recurrent(nn.Module):
    """What the three share: parameters, layers, directions, and the loop over time."""

    gates = 1
    states = 1

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
                 device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size),
                           ("num_layers", num_layers)):
            expect_count(name, size)
        is_rate = isinstance(dropout, int | float) and not isinstance(dropout, bool)
        expect(is_rate and 0 <= dropout <= 1, "dropout between 0 and 1", dropout)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional = bidirectional
        self._ends = ("", "_reverse") if bidirectional else ("",)
        rows = self.gates * hidden_size
        for layer in range(num_layers):
            width = hidden_size * len(self._ends) if layer else input_size
            shapes = [("weight_ih", (rows, width)), ("weight_hh", (rows, hidden_size))]
            shapes += [("bias_ih", (rows,)), ("bias_hh", (rows,))] if bias else []
            for end in self._ends:
                for name, shape in shapes:
                    empty = torch.empty(shape, device=device, dtype=dtype)
                    self.register_parameter(f"{name}_l{layer}{end}", nn.Parameter(empty))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw the parameters anew: uniform in ±1/√H."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            parameter.uniform_(-bound, bound)

    def _step(self, x: Tensor, state: tuple[Tensor, ...], *weights: Tensor) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _run(self, x: Tensor, state: tuple[Tensor, ...], name: str,
             inside: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run one layer in one direction over (T, N, I); past its end a sequence keeps its state."""
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")[:4 if self.bias else 2]
        weights = [getattr(self, f"{kind}_{name}") for kind in kinds]
        outputs: list[Tensor] = []
        times = range(len(x))
        for t in reversed(times) if name.endswith("_reverse") else times:
            new = self._step(x[t], state, *weights)
            if inside is not None:
                new = tuple(torch.where(inside[t], a, b) for a, b in zip(new, state))
            state = new
            outputs.append(state[0])
        if name.endswith("_reverse"):
            outputs.reverse()
        return torch.stack(outputs), state

    def forward(self, input: Tensor | PackedSequence,
                hx: State | None = None) -> tuple[Tensor | PackedSequence, State]:
        """Map (T, N, I), (N, T, I) if ``batch_first``, (T, I) or a packed sequence to outputs and state."""
        packed, inside, batched = input if isinstance(input, PackedSequence) else None, None, True
        if packed is not None:
            x, lengths = pad_packed_sequence(packed)
            inside = (torch.arange(len(x))[:, None] < lengths)[..., None].to(x.device)   # (T, N, 1)
        else:
            x, batched = expect_float("input", input), input.ndim == 3
            expect(x.ndim in (2, 3), f"input of shape (T, {self.input_size}) or a batch of it", x)
            x = x[:, None] if not batched else x.transpose(0, 1) if self.batch_first else x
        expect(x.shape[-1] == self.input_size, f"input with {self.input_size} features", x)
        deep = self.num_layers * len(self._ends)
        shape = (deep, x.shape[1], self.hidden_size) if batched else (deep, self.hidden_size)
        if hx is None:
            hx = (x.new_zeros(shape),) * self.states
        elif self.states == 1:
            hx = (hx,)
        expect(isinstance(hx, tuple) and len(hx) == self.states, "the state (h, c)", hx)
        for name, value in zip(("hx", "the cell state of hx"), hx):
            _expect_state(name, value, shape, x)
        first = [s if batched else s[:, None] for s in hx]
        last: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = dropout(x, self.dropout, self.training)
            outputs = []
            for end in self._ends:
                state = tuple(s[len(last)] for s in first)
                output, state = self._run(x, state, f"l{layer}{end}", inside)
                outputs.append(output)
                last.append(state)
            x = torch.cat(outputs, -1)                           # (T, N, directions · H)
        final = tuple(torch.stack(s) if batched else torch.stack(s)[:, 0] for s in zip(*last))
        if packed is not None:
            data = pack_padded_sequence(x, lengths, enforce_sorted=packed.sorted_indices is None).data
            x = PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        else:
            x = x[:, 0] if not batched else x.transpose(0, 1) if self.batch_first else x
        return x, final[0] if self.states == 1 else final

    def extra_repr(self) -> str:
        """Return what ``print`` shows between the brackets."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        parts += [f"{name}={getattr(self, name)}" for name, usual in (
            ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0.0),
            ("bidirectional", False)) if getattr(self, name) != usual]
        return ", ".join(parts)


class RNN(_Recurrent):
    """A simple recurrent network; see :func:`rnn_step` for the formula.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: Layers on top of one another.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: Whether there are biases.
        batch_first: Whether a batch is (N, T, I) and not (T, N, I).
        dropout: Share of the outputs dropped between layers.
        bidirectional: Whether a second network reads from the end.
        device: Where the parameters live.
        dtype: Their type.

    Raises:
        ValueError: If a number or the nonlinearity is out of range.

    >>> RNN(3, 5).load_state_dict(nn.RNN(3, 5).state_dict())
    <All keys matched successfully>
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1,
                 nonlinearity: str = "tanh", bias: bool = True, batch_first: bool = False,
                 dropout: float = 0.0, bidirectional: bool = False,
                 device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> None:
        expect(nonlinearity in ("tanh", "relu"), 'nonlinearity "tanh" or "relu"', nonlinearity)
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout,
                         bidirectional, device, dtype)
        self.nonlinearity = nonlinearity

    def _step(self, x: Tensor, state: tuple[Tensor, ...], *weights: Tensor) -> tuple[Tensor, ...]:
        biases = weights[2:] or (None, None)
        return (rnn_step(x, state[0], *weights[:2], *biases, self.nonlinearity),)


class GRU(_Recurrent):
    """Gated recurrent units; see :func:`gru_step` for the formula, :class:`RNN` for the arguments.

    Raises:
        ValueError: If a number is out of range.

    >>> GRU(3, 5, num_layers=2)(torch.zeros(7, 4, 3))[0].shape
    torch.Size([7, 4, 5])
    """

    gates = 3

    def _step(self, x: Tensor, state: tuple[Tensor, ...], *weights: Tensor) -> tuple[Tensor, ...]:
        return (gru_step(x, state[0], *weights),)


class LSTM(_Recurrent):
    """Long short-term memory; see :func:`lstm_step` for the formula, :class:`RNN` for the arguments.

    The state is (h, c). There is no ``proj_size``; ``device`` and ``dtype`` go by name.

    Raises:
        ValueError: If a number is out of range.

    >>> output, (h, c) = LSTM(3, 5, bidirectional=True)(torch.zeros(7, 4, 3))
    >>> output.shape, c.shape
    (torch.Size([7, 4, 10]), torch.Size([2, 4, 5]))
    """

    gates, states = 4, 2

    def _step(self, x: Tensor, state: tuple[Tensor, ...], *weights: Tensor) -> tuple[Tensor, ...]:
        return lstm_step(x, state, *weights)
