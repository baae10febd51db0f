from collections.abc import Callable

import pytest
import torch

from hndesc.errors import HndescError
from hndesc.runtime import devices
from hndesc.runtime.devices import choose_device, choose_precision

CPU, GPU = torch.device("cpu"), torch.device("cuda:1")


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


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((8, 9), "bfloat16"), ((12, 0), "bfloat16")]
)
def test_auto_is_bfloat16_on_gpus_that_do_not_emulate_it(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str
) -> None:
    capabilities = {GPU: capability}
    monkeypatch.setattr(torch.cuda, "get_device_capability", capabilities.__getitem__)
    assert choose_precision("auto", GPU) == expected


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ({"amx_tile": True, "amx_bf16": True, "avx512_bf16": True}, "bfloat16"),
        ({"amx_tile": True, "amx_bf16": False, "avx512_bf16": True}, "float32"),
        ({"amx_tile": False, "amx_bf16": False, "avx512_bf16": True}, "float32"),
        ({"architecture": "aarch64", "bf16": True}, "float32"),
    ],
)
def test_auto_is_bfloat16_on_cpus_with_tiles(
    monkeypatch: pytest.MonkeyPatch, units: dict[str, object], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units)
    assert choose_precision("auto", CPU) == expected


def test_auto_is_float32_where_torch_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert choose_precision("auto", CPU) == "float32"
    assert choose_precision("auto", torch.device("mps")) == "float32"


def test_a_precision_that_is_named_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_tile": True, "amx_bf16": True})
    assert choose_precision("float32", CPU) == "float32"
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert choose_precision("bfloat16", CPU) == "bfloat16"


@pytest.mark.parametrize("name", ["float16", "bfloat", "BFLOAT16", "", None, 16, ["bfloat16"]])
def test_an_unknown_precision_is_reported(name: object) -> None:
    with pytest.raises(HndescError) as found:
        choose_precision(name, CPU)
    assert f"unknown compute_precision '{name}'" in str(found.value)
    assert str(found.value).endswith("choose one of: auto, float32, bfloat16")


def _refuse(*_: object) -> torch.Tensor:
    raise RuntimeError("no such kernel")


@pytest.mark.parametrize("convolve", [_refuse, lambda image, _: image], ids=["refused", "ignored"])
def test_a_device_without_bfloat16_is_reported(
    monkeypatch: pytest.MonkeyPatch, convolve: Callable[..., torch.Tensor]
) -> None:
    monkeypatch.setattr(torch.nn.functional, "conv2d", convolve)
    with pytest.raises(HndescError, match=r"device 'cpu' does not compute in bfloat16; set .* auto or float32"):
        choose_precision("bfloat16", CPU)
