"""Files of weights of every format that are broken, hostile or no use: refused by name when they are loaded."""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import hndesc
from hndesc.descriptors import load_descriptor
from hndesc.detectors.superpoint import SuperPoint, load_superpoint
from hndesc.errors import HndescError
from hndesc.models.architectures import MODELS
from hndesc.models.checkpoint import load_checkpoint, read_card, save_checkpoint
from hndesc.models.initial_weights import build_model
from hndesc.models.projected import Projected
from hndesc.training.state import StateFolder
from tests.hostile.guard import outcome, refusal

Tensors = dict[str, torch.Tensor]

LIMITS = {"seconds": 8, "megabytes": 500}


def each(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors], Tensors]:
    """Change all tensors of numbers with a point."""
    return lambda tensors: {key: change(v).contiguous() if v.is_floating_point() else v for key, v in tensors.items()}


def one(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Tensors], Tensors]:
    """Change one kernel in the middle of a network."""

    def changed(tensors: Tensors) -> Tensors:
        kernels = [name for name, values in tensors.items() if values.dim() == 4]
        name = kernels[len(kernels) // 2]
        return tensors | {name: change(tensors[name]).contiguous()}

    return changed


def without_one(tensors: Tensors) -> Tensors:
    return dict(list(tensors.items())[1:])


USELESS = {
    "zero": each(torch.zeros_like),
    "infinite": each(lambda values: values * torch.inf),
    "not a number": each(lambda values: values * torch.nan),
    "one infinite": one(lambda values: values.index_fill(0, torch.tensor([0]), -torch.inf)),
    "huge": each(lambda values: values.sign() * 1e37),
    "huge in double precision": each(lambda values: values.double() * 1e200),
    "int32": each(lambda values: (100 * values).to(torch.int32)),
    "one int8": one(lambda values: (100 * values).to(torch.int8)),
    "bool": each(lambda values: values > 0),
    "another shape": one(lambda values: values[..., None]),
    "transposed": one(lambda values: values.flatten(1).T),
    "a number": one(lambda values: values.sum()),
    "empty": one(lambda values: values[:0]),
    "missing": without_one,
    "none": lambda tensors: {"a": torch.zeros(2)},
}


@pytest.fixture(scope="module")
def lite() -> tuple[Tensors, dict]:
    """Weights and card of a model."""
    model = build_model("lite", seed=3)
    return dict(model.state_dict()), {"architecture": "lite", "dim": 64, "stride": 4, "version": "0.1.0", "seed": 3}


@pytest.fixture(scope="module")
def superpoint() -> Tensors:
    """Weights of SuperPoint's network."""
    generator = torch.Generator().manual_seed(0)
    shapes = {name: value.shape for name, value in SuperPoint().state_dict().items()}
    return {
        name: torch.randn(shape, generator=generator) / max(1, shape[1:].numel()) ** 0.5
        for name, shape in shapes.items()
    }


def write(path: Path, tensors: Tensors, card: dict | str) -> Path:
    text = card if isinstance(card, str) else json.dumps(card)
    save_file(tensors, path, {"hndesc": text})
    return path


def names(load: Callable, path: Path, *args: object) -> None:
    """Load a file that is no use: the message names it."""
    assert path.name in refusal(load, path, *args, **LIMITS)


# What uses a checkpoint; functions of a module, as the guard wants them.


def start_training(path: Path) -> str:
    return build_model("lite", path).name


def open_model(path: Path) -> int:
    return hndesc.load(path, device="cpu").dim


def describe_globally(path: Path) -> dict:
    from hndesc.retrieval.global_descriptors import load_global_descriptor

    return load_global_descriptor("dense", path).settings


USES = [start_training, open_model, describe_globally]


@pytest.mark.parametrize("kind", USELESS)
def test_weights_of_a_checkpoint_that_are_no_use(lite, tmp_path: Path, kind: str) -> None:
    tensors, card = lite
    path = write(tmp_path / "bad.safetensors", USELESS[kind](tensors), card)
    names(USES[len(kind) % len(USES)], path)


CARDS = {
    "dim": {"dim": 128},
    "dim as text": {"dim": "64"},
    "dim not a number": {"dim": float("nan")},
    "stride": {"stride": 8},
    "architecture": {"architecture": "r2d2"},
    "architecture of others": {"architecture": "../../x"},
    "architecture as list": {"architecture": ["lite"]},
    "settings as list": {"settings": [1]},
    "settings as null": {"settings": None},
    "settings of another architecture": {"settings": {"architecture": "caps"}},
    "seed": {"seed": "x"},
    "version": {"version": 3},
    "metrics": {"metrics": "good"},
    "scores": {"scores": {}},
    "projection": {"projection": {"from": 64}},
    "projection as number": {"projection": 64},
    "steerer": {"steerer": {"photos": 9}},
    "steerer as list": {"steerer": [0.5, 0.9]},
}


@pytest.mark.parametrize("kind", CARDS)
def test_a_card_that_lies(lite, tmp_path: Path, kind: str) -> None:
    tensors, card = lite
    names(open_model, write(tmp_path / "bad.safetensors", tensors, card | CARDS[kind]))


@pytest.mark.parametrize("text", ["", "null", "[]", '"x"', "[" * 100_000, '{"a":' * 50_000, "1" * 10_000, "{" + "}"])
def test_a_card_that_is_none(lite, tmp_path: Path, text: str) -> None:
    names(open_model, write(tmp_path / "bad.safetensors", lite[0], text))


PROJECTIONS = {
    "no dimension": torch.tensor(1.0),
    "one dimension": torch.ones(64),
    "three dimensions": torch.ones(8, 64, 1),
    "no rows": torch.ones(0, 64),
    "more rows than columns": torch.ones(65, 64),
    "other columns": torch.ones(8, 32),
    "zero": torch.zeros(8, 64),
    "infinite": torch.full((8, 64), torch.inf),
    "whole numbers": torch.ones(8, 64, dtype=torch.int32),
}


@pytest.mark.parametrize("kind", [*PROJECTIONS, "without a word in the card"])
def test_a_projection_that_is_none(lite, tmp_path: Path, kind: str) -> None:
    tensors, card = lite
    network = {f"network.{name}": values for name, values in tensors.items()}
    card = card | {"dim": 8} | ({} if kind.startswith("without") else {"projection": {"from": 64}})
    projection = PROJECTIONS.get(kind, torch.eye(64)[:8])
    names(open_model, write(tmp_path / "bad.safetensors", network | {"projection": projection.contiguous()}, card))


STEERERS = {
    "one dimension": torch.ones(64),
    "three dimensions": torch.eye(64)[..., None],
    "fewer rows": torch.eye(64)[:8],
    "more": torch.eye(65),
    "zero": torch.zeros(64, 64),
    "twice as long": 2 * torch.eye(64),
    "not orthogonal": torch.eye(64) + torch.ones(64, 64) / 9,
    "infinite": torch.full((64, 64), torch.inf),
    "not a number": torch.full((64, 64), torch.nan),
    "whole numbers": torch.eye(64, dtype=torch.int32),
}


@pytest.mark.parametrize("kind", [*STEERERS, "without a word in the card"])
def test_a_steerer_that_is_none(lite, tmp_path: Path, kind: str) -> None:
    tensors, card = lite
    card = card | ({} if kind.startswith("without") else {"steerer": {"photos": 9}})
    steerer = STEERERS.get(kind, torch.eye(64))
    names(open_model, write(tmp_path / "bad.safetensors", tensors | {"steerer": steerer.contiguous()}, card))


def header(fields: object, length: int | None = None, data: bytes = b"") -> bytes:
    text = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


FLOATS = {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}
HEADERS = {
    "length beyond the file": header({}, 2**62),
    "length of a gigabyte": header({}, 2**30),
    "shape beyond the data": header({"a": FLOATS}),
    "overlap": header({name: {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]} for name in "ab"}, data=b"1234"),
    "negative": header({"a": {"dtype": "U8", "shape": [-1], "data_offsets": [0, -1]}}),
    "overflow": header({"a": {"dtype": "F64", "shape": [2**32, 2**32], "data_offsets": [0, 0]}}),
    "deep": header(b"[" * 200_000),
    "not JSON": header(b"{{{{"),
    "not UTF-8": header(b"\xff\xfe" * 20),
    "metadata of another type": header({"__metadata__": {"hndesc": 3}}),
    "empty": b"",
    "text": b"<html>quota exceeded</html>",
    "zip": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_a_header_of_safetensors_that_lies(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(HEADERS[kind])
    names(open_model, path)
    names(load_superpoint, path)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "link to a folder", "missing", "link to nothing"])
def test_what_is_no_file(tmp_path: Path, suffix: str, kind: str) -> None:
    path = tmp_path / f"bad{suffix}"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a folder":
        path.symlink_to(tmp_path)
    elif kind == "link to nothing":
        path.symlink_to(tmp_path / "nothing")
    for load in (load_superpoint, start_training):
        names(load, path)


def save(path: Path, tensors: Tensors) -> Path:
    if path.suffix == ".npz":
        np.savez(path, **{name: values.numpy() for name, values in tensors.items()})
    elif path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=path.suffix == ".pth")
    return path


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth", ".pt"])
@pytest.mark.parametrize("kind", [kind for kind in USELESS if kind != "none"])
def test_published_weights_that_are_no_use(superpoint, tmp_path: Path, suffix: str, kind: str) -> None:
    names(load_superpoint, save(tmp_path / f"bad{suffix}", USELESS[kind](superpoint)))


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth", ".pt"])
def test_useful_ones_are_loaded(superpoint, tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"good{suffix}", superpoint)
    assert isinstance(outcome(describe_noise, path, **LIMITS), float)


def describe_noise(path: Path) -> float:
    return float(load_superpoint(path)[0].conv1a.weight.sum())


@pytest.mark.parametrize("dtype", ["O", "U3", "M8[s]", ">f4", "c16", "V4"])
def test_arrays_of_another_type(superpoint, tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **{name: np.zeros(values.shape, dtype) for name, values in superpoint.items()})
    names(load_superpoint, path)


@pytest.mark.slow
def test_a_compressed_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.npy", "w", force_zip64=True) as f,
    ):
        np.lib.format.write_array_header_1_0(f, {"descr": "<f4", "fortran_order": False, "shape": (2**28,)})
        for _ in range(1024):
            f.write(bytes(2**20))
    names(load_superpoint, path)


# Pickles that torch would read, although they take any time or memory.


def called(name: str, arguments: bytes) -> bytes:
    return b"\x80\x02c" + name.replace(" ", "\n").encode() + b"\n" + arguments + b"R."


LARGE = b"\x8a\x05" + (2**36).to_bytes(5, "little")  # LONG1
PICKLES = {
    "bytearray": called("builtins bytearray", LARGE + b"\x85"),
    "tensor of a size": called("torch Tensor", LARGE + b"\x85"),
    "new tensor of a size": b"\x80\x02ctorch\nTensor\n" + LARGE + b"\x85\x81.",
    "hex of hex": b"\x80\x02" + b"c_codecs\nencode\n" * 40 + b"C\x04abcd" + b"X\x03\x00\x00\x00hex\x86R" * 40 + b".",
    "keys of nested tuples": b"\x80\x02})" + b"q\x00h\x00\x86" * 60 + b"K\x01s.",
    "set of nested tuples": b"\x80\x02cbuiltins\nset\n])" + b"q\x00h\x00\x86" * 60 + b"a\x85R.",
    "a dictionary's items": b"\x80\x02ccollections\nOrderedDict\n]("
    + b")"
    + b"q\x00h\x00\x86" * 60
    + b"K\x01tea\x85R.",
    "a counter": called("collections Counter", b"\x85"),
    "code": pickle.dumps(os.system, 2),
    "empty stack": b"\x80\x02R.",
    "endless": b"\x80\x02" + b"(" * 200_000,
    "deep": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
}


@pytest.mark.parametrize("form", ["old", "zip"])
@pytest.mark.parametrize("kind", PICKLES)
def test_a_pickle_that_explodes(tmp_path: Path, kind: str, form: str) -> None:
    path = tmp_path / "bad.pth"
    if form == "zip":
        torch.save({"a": torch.zeros(2)}, path)
        with zipfile.ZipFile(path) as archive:
            content = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, PICKLES[kind] if name.endswith("data.pkl") else data)
    else:
        whole = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
        path.write_bytes(b"".join(whole) + PICKLES[kind] + pickle.dumps([], 2))
    names(load_superpoint, path)


@pytest.mark.parametrize("kind", ["compressed", "repeated", "expanded"])
def test_a_torch_file_that_is_larger_than_it_looks(superpoint, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "bad.pth"
    if kind == "expanded":
        torch.save({name: torch.zeros(1).expand(2**20, 2**20) for name in superpoint}, path)
    else:
        torch.save({"a": torch.zeros(2)}, path)
        with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for number in range(1 if kind == "compressed" else 50):
                archive.writestr(f"bad/data/{number + 7}", bytes(2**29 if kind == "compressed" else 2**22))
    names(load_superpoint, path)


# Damage: each changed byte is noticed, or changes nothing.

MUTATIONS = st.tuples(st.sampled_from(["flip", "cut", "double", "swap", "zero"]), st.floats(0, 1), st.integers(1, 255))


def mutate(data: bytes, mutation: tuple[str, float, int]) -> bytes:
    kind, place, value = mutation
    at = min(int(place * len(data)), len(data) - 1)
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]
    if kind == "cut":
        return data[:at]
    if kind == "double":
        return data[:at] + data[at : at + value] + data[at:]
    if kind == "zero":
        return data[:at] + bytes(len(data[at : at + value])) + data[at + value :]
    return data[:at] + data[at + value : at + 2 * value] + data[at : at + value] + data[at + 2 * value :]


def wrong_ones(load: Callable[[Path], bytes], path: Path, mutations: list[tuple[str, float, int]]) -> list:
    """Return the mutations of a file after which something else than before is loaded."""
    data, before = path.read_bytes(), load(path)
    wrong = []
    for mutation in mutations:
        path.write_bytes(mutate(data, mutation))
        try:
            if load(path) != before:
                wrong.append(mutation)
        except HndescError as error:
            if path.name not in str(error) or "\n" in str(error):
                wrong.append((mutation, str(error)))
    return wrong


def bytes_of(tensors: Tensors) -> bytes:
    return b"".join(values.numpy().tobytes() for _, values in sorted(tensors.items()))


def checkpoint_content(path: Path) -> bytes:
    model, card = load_checkpoint(path)
    return bytes_of(model.state_dict()) + json.dumps(card).encode()


def superpoint_content(path: Path) -> bytes:
    return bytes_of(load_superpoint(path)[0].state_dict())


@settings(max_examples=3, derandomize=True)
@given(mutations=st.lists(MUTATIONS, min_size=25, max_size=25))
def test_damage_to_a_checkpoint_is_noticed(tmp_path_factory: pytest.TempPathFactory, mutations: list) -> None:
    path = tmp_path_factory.mktemp("damage") / "m.safetensors"
    save_checkpoint(path, build_model("lite", seed=3), {"seed": 3})
    assert outcome(wrong_ones, checkpoint_content, path, mutations, seconds=30, megabytes=500) == []


@pytest.mark.parametrize("suffix", [".npz", ".pth"])
@settings(max_examples=2, derandomize=True)
@given(mutations=st.lists(MUTATIONS, min_size=15, max_size=15))
def test_damage_to_published_weights_is_noticed(superpoint, tmp_path_factory, suffix: str, mutations: list) -> None:
    path = save(tmp_path_factory.mktemp("damage") / f"m{suffix}", superpoint)
    assert outcome(wrong_ones, superpoint_content, path, mutations, seconds=60, megabytes=500) == []


def state_content(path: Path) -> bytes:
    return bytes_of(StateFolder(path.parent, "abc").load()["model"])


@settings(max_examples=4, derandomize=True)
@given(mutations=st.lists(MUTATIONS, min_size=50, max_size=50))
def test_damage_to_the_state_of_a_training_is_noticed(tmp_path_factory, mutations: list) -> None:
    folder = StateFolder(tmp_path_factory.mktemp("damage") / "state", "abc")
    model = build_model("lite", seed=3)
    optimizer = torch.optim.Adam(model.parameters())
    folder.save({"step": 3, "model": model.state_dict(), "optimizer": optimizer.state_dict(), "best": {"loss": 0.5}})
    assert outcome(wrong_ones, state_content, folder.file, mutations, seconds=30, megabytes=500) == []


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_state_that_is_no_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "state.pt"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    names(state_content, path)


def test_a_checkpoint_without_a_checksum_is_loaded(lite, tmp_path: Path) -> None:
    path = write(tmp_path / "old.safetensors", *lite)
    assert outcome(open_model, path, **LIMITS) == 64


def test_every_value_and_the_card_are_under_the_checksum(lite, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, build_model("lite", seed=3), {"seed": 3})
    text = path.read_bytes()
    path.write_bytes(text.replace(b'\\"seed\\": 3', b'\\"seed\\": 4'))
    assert path.read_bytes() != text and read_card(path)["seed"] == 4
    assert "checksum" in refusal(open_model, path, **LIMITS)
    path.write_bytes(text[: -len(text) // 2] + bytes([text[-len(text) // 2] ^ 1]) + text[-len(text) // 2 + 1 :])
    assert "checksum" in refusal(open_model, path, **LIMITS)


@pytest.mark.parametrize("name", sorted(hndesc.models.bundled.bundled_models()))
def test_damage_to_a_bundled_model_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    source = hndesc.models.bundled.bundled_models()[name]
    monkeypatch.setattr(hndesc.models.bundled, "FOLDER", tmp_path)
    (tmp_path / f"{name}.json").write_text(source.with_suffix(".json").read_text())
    data = bytearray(source.read_bytes())
    path = tmp_path / f"{name}.safetensors"
    path.write_bytes(data)
    assert load_checkpoint(path)[1]["name"] == name
    data[-1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(HndescError, match="damaged"):
        load_descriptor(path)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("architecture", sorted(set(MODELS.places) - {"caps"}))
def test_untrained_models_are_loaded(tmp_path: Path, architecture: str, seed: int) -> None:
    model = build_model(architecture, "random", seed=seed)
    save_checkpoint(tmp_path / "m.safetensors", model, {})
    assert load_checkpoint(tmp_path / "m.safetensors")[0].dim == model.dim
    smaller = Projected(model, 1)
    smaller.projection.copy_(torch.eye(model.dim)[:1])
    save_checkpoint(tmp_path / "p.safetensors", smaller, {"projection": {"from": model.dim}})
    assert load_checkpoint(tmp_path / "p.safetensors")[0].dim == 1
