"""What every test may use."""

from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
