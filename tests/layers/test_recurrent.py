"""Recurrent layers against torch: outputs, states and gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from dlcheat.layers.recurrent import GRU, LSTM, RNN, gru_step, lstm_step, rnn_step
from tests.compare import assert_near

PAIRS = [(RNN, nn.RNN), (GRU, nn.GRU), (LSTM, nn.LSTM)]


def flat(result):
    output, state = result
    return [getattr(output, "data", output), *(state if isinstance(state, tuple) else (state,))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("pair", PAIRS)
@settings(max_examples=25)
@given(data=st.data())
def test_equals_torch(pair, dtype, data):
    torch.manual_seed(data.draw(st.integers(0, 2**31)))
    t, n, i, h, layers = (data.draw(st.integers(1, 4)) for _ in range(5))
    both = data.draw(st.booleans())
    options = {"num_layers": layers, "bidirectional": both, "bias": data.draw(st.booleans()),
               "batch_first": data.draw(st.booleans()), "dtype": dtype}
    if pair[0] is RNN:
        options["nonlinearity"] = data.draw(st.sampled_from(["tanh", "relu"]))
    mine, theirs = (kind(i, h, **options) for kind in pair)
    mine.load_state_dict(theirs.state_dict())
    theirs.load_state_dict(mine.state_dict())
    way = data.draw(st.sampled_from(["batch", "alone", "packed"]))
    batch = () if way == "alone" else (n,)
    shape = (n, t, i) if batch and options["batch_first"] else (t, *batch, i)
    x = torch.randn(shape, dtype=dtype)
    states = [torch.randn(layers * (1 + both), *batch, h, dtype=dtype)
              for _ in range(1 + (pair[0] is LSTM))]
    given_state = data.draw(st.booleans())
    lengths = torch.randint(1, t + 1, (n,))
    found = []
    for net in (mine, theirs):
        leaves = [v.clone().requires_grad_() for v in (x, *(states if given_state else []))]
        read = leaves[0]
        if way == "packed":
            read = pack_padded_sequence(read, lengths, options["batch_first"], enforce_sorted=False)
        hx = None if not given_state else tuple(leaves[1:]) if len(states) == 2 else leaves[1]
        values = flat(net(read, hx))
        generator = torch.Generator().manual_seed(0)
        total = sum((v * torch.randn(v.shape, dtype=dtype, generator=generator)).sum() for v in values)
        found.append(values + list(torch.autograd.grad(total, [*leaves, *net.parameters()])))
    for a, b in zip(*found, strict=True):
        assert_near(a, b, slack=20 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("pair", PAIRS)
def test_same_first_values_and_print(pair):
    nets = []
    for kind in pair:
        torch.manual_seed(0)
        nets.append(kind(3, 4, num_layers=2, bidirectional=True, dropout=0.5))
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert_near(a, b)
    assert repr(nets[0]) == repr(nets[1])
    x = torch.randn(5, 2, 3)
    assert_near(nets[0].eval()(x)[0], nets[1].eval()(x)[0])
    assert not torch.equal(nets[0].train()(x)[0], nets[0](x)[0])


@pytest.mark.parametrize(("call", "message"), [
    (lambda: RNN(0, 3), "input_size to be an integer"),
    (lambda: RNN(2, 3, nonlinearity="sigmoid"), "nonlinearity"),
    (lambda: GRU(2, 3, dropout=2), "dropout between 0 and 1"),
    (lambda: GRU(2, 3)(torch.zeros(4, 1, 5)), "input with 2 features"),
    (lambda: GRU(2, 3)(torch.zeros(2)), "input of shape"),
    (lambda: GRU(2, 3)(torch.zeros(4, 1, 2), torch.zeros(1, 2, 3)), r"hx of shape \(1, 1, 3\)"),
    (lambda: LSTM(2, 3)(torch.zeros(4, 1, 2), torch.zeros(1, 1, 3)), r"the state \(h, c\)"),
    (lambda: rnn_step(torch.zeros(1, 2), torch.zeros(2, 3), torch.zeros(3, 2), torch.zeros(3, 3)), "hidden"),
    (lambda: gru_step(torch.zeros(1, 2), torch.zeros(1, 3), torch.zeros(9, 2), torch.zeros(3, 3)), "3 · H"),
    (lambda: lstm_step(torch.zeros(1, 2), torch.zeros(1, 3), torch.zeros(12, 2), torch.zeros(12, 3)), "h, "),
])
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=f"expected .*{message}.*received"):
        call()
