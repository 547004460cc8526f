"""The benchmark times what is equal, leaves nothing out, and prints its table."""

import inspect

import pytest
import torch

from benchmarks import run
from dlcheat import activations, losses
from dlcheat.layers import convolution, linear, normalization, pooling
from tests.compare import assert_near

# what torch does not have under any name, or what is no computation on tensors
ALONE = {"batch_hard", "dice_loss", "margin_loss", "squared_hinge_loss", "min_pool2d", "windows",
         "output_size", "receptive_field", "as_pair", "expect_image"}
CASES = run.cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_both_give_the_same(case):
    assert_near(case.mine(*case.inputs), case.reference(*case.inputs))
    assert case.why


def test_every_function_is_timed():
    timed = {case.name.split(" ")[0] for case in CASES}
    for module in (activations, losses, convolution, linear, normalization, pooling):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                assert name in timed | ALONE, f"{module.__name__}.{name} is not timed"


def test_the_table_is_printed(capsys):
    threads = torch.get_num_threads()
    try:
        run.main(["--only", "global_avg", "--repeats", "1", "--threads", "1"])
    finally:
        torch.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"torch {torch.__version__}, 1 thread(s)")
    assert lines[-1].startswith("global_avg_pool2d ")


@pytest.mark.parametrize(("arguments", "message"), [
    (["--repeats", "0"], "expected at least 1 repeat, received 0"),
    (["--threads", "0"], "expected at least 1 thread, received 0"),
    (["--only", "fft"], "expected a part of a function's name, received 'fft'"),
])
def test_the_command_refuses(arguments, message, capsys):
    with pytest.raises(SystemExit):
        run.main(arguments)
    assert message in capsys.readouterr().err


def test_no_repeat_is_refused():
    with pytest.raises(ValueError, match="expected at least 1 repeat, received 0"):
        run.compare(lambda: None, lambda: None, repeats=0)
