"""Tensors with a card: what was written is read, and any change of either is noticed."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hndesc.errors import HndescError
from hndesc.io.carded_tensors import finite, load_carded, read_carded, write_carded
from hndesc.io.tensor_files import embedded_card

CARD = {"seed": 3, "metrics": {1: math.nan, "loss": np.float32(0.5)}, "sizes": (2, 3)}


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"weight": torch.randn(4, 3, generator=generator).half().T, "count": torch.tensor(7)}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write_carded(tmp_path / "a.safetensors", "own", CARD, tensors())
    return tmp_path / "a.safetensors"


def test_card_and_tensors_are_read_as_written(written: Path) -> None:
    card, checksum = read_carded(written, "own", "cure")
    assert card == {"seed": 3, "metrics": {"1": None, "loss": 0.5}, "sizes": [2, 3]} == finite(CARD)
    loaded = load_carded(written, card, checksum, "cure")
    assert loaded.keys() == tensors().keys()
    assert all(
        torch.equal(loaded[name], value) and loaded[name].dtype == value.dtype for name, value in tensors().items()
    )
    assert read_carded(written, "another", "cure") == (None, None)


@pytest.mark.parametrize("what", ["value", "name", "type", "card"])
def test_a_change_is_noticed(written: Path, what: str) -> None:
    card, checksum = read_carded(written, "own", "make it again")
    changed = load_file(written)
    if what == "value":
        changed["weight"][0, 0] += 0.25
    elif what == "name":
        changed["weights"] = changed.pop("weight")
    elif what == "type":
        changed["weight"] = changed["weight"].float()
    else:
        card["seed"] = 4
    save_file(changed, written)
    with pytest.raises(HndescError, match=r"a\.safetensors: damaged, .*checksum; make it again"):
        load_carded(written, card, checksum, "make it again")


def test_files_without_a_checksum_are_read(written: Path) -> None:
    save_file(load_file(written), written, {"own": '{"seed": 3}'})
    assert embedded_card(written, "own", "cure") == {"seed": 3}
    card, checksum = read_carded(written, "own", "cure")
    assert checksum is None and load_carded(written, card, checksum, "cure").keys() == tensors().keys()
