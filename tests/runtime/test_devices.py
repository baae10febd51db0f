import pytest
import torch

from hndesc.errors import HndescError
from hndesc.runtime import devices
from hndesc.runtime.devices import choose_device


def test_auto_is_the_cpu_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"


def test_networks_on_the_cpu_keep_freed_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bool] = []
    monkeypatch.setattr(devices, "keep_freed_memory", lambda: kept.append(True))
    choose_device("cpu")
    assert kept == [True]


@pytest.mark.parametrize("name", ["gpu9", "cuda:99", "mps:9", "meta", None, ""])
def test_a_device_that_cannot_be_used_is_reported(name: str) -> None:
    with pytest.raises(HndescError, match=rf"device '{name}' cannot be used.*'cpu'") as found:
        choose_device(name)
    assert len(str(found.value)) < 250
