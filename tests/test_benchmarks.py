"""The benchmark times what is equal, leaves nothing out, and prints its table."""

import inspect

import pytest
import torch

from benchmarks import run
from dlcheat import activations, losses, metrics
from dlcheat.layers import convolution, linear, normalization, pooling
from tests.compare import assert_near

# what neither torch nor scikit-learn has under any name, or what is no computation on tensors
ALONE = {"batch_hard", "dice_loss", "margin_loss", "squared_hinge_loss", "min_pool2d", "windows",
         "output_size", "receptive_field", "as_pair", "expect_image",
         "binary_ratios", "roc_auc_by_ranks", "expected_calibration_error", "fit_temperature",
         "recall_at_k", "mean_reciprocal_rank", "perplexity", "bleu", "mask_iou", "mask_dice", "box_iou",
         "box_dice", "least_squares_log_likelihood", "aic", "bic", "bootstrap_interval", "mcnemar_test"}
CASES = run.cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_both_give_the_same(case):
    assert_near(*(run.as_tensor(f(*case.inputs)) for f in (case.mine, case.reference)))
    assert case.why


def test_every_function_is_timed():
    timed = {case.name.split(" ")[0] for case in CASES}
    for module in (activations, losses, metrics, convolution, linear, normalization, pooling):
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
