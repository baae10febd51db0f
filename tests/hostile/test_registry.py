"""Registries and tables of checksums of wrong types, of paths that lead out, and of files that are each other's."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from hndesc.datasets.fetch.checksums import Checksums
from hndesc.datasets.fetch.registry import REGISTRY, read_registry
from hndesc.errors import HndescError
from tests.hostile.guard import outcome, refusal

WRONG = (5, -1, 0, 2.5, True, "", "text", [], [1], ["x"], {}, {"a": 1}, "2021-01-01", float("nan"), 10**30, [[]], [{}])
ADDRESSES = ("", "x", "ftp://h/f", "file:///etc/passwd", "http://", "http:///f", "http://h:x/f", "http://h:99999/f")
ADDRESSES += ("http://[/f", "http://h/a b", "http://h/\n", "http://ä/f", "javascript:x", "//h/f", "http://h:0/f")
PATHS = ("/etc", "..", "a/../..", "../a", "a/..", "a\0b", "a\nb")
NAMES = ("", ".", "..", ".x", "a/b", "a\\b", "a:b", "a\0", "a\n", "a" * 300, "a ", "a.", "*", "/etc/passwd")


def entry() -> dict:
    return {
        "title": "a title",
        "page": "https://page",
        "license": "free",
        "by_hand": "ask",
        "files": [{"addresses": ["https://host/a.zip"], "name": "mine.zip", "size": 5, "sha256": "0" * 64, "shards": 1,
                   "into": "jpg", "flatten": True, "strip": 1}],
        "move": {"a": "b"},
        "unpacked": 100,
        "layout": {"kind": "photos", "least": 1},
    }  # fmt: skip


def with_files(*files: dict) -> dict:
    return entry() | {"files": list(files)}


def write(path: Path, data: object) -> Path:
    path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    return path


def test_the_entry_is_right(tmp_path: Path) -> None:
    mine = read_registry(write(tmp_path / "r.yaml", {"datasets": {"mine": entry()}}))["mine"]
    assert mine.move == {"a": "b"} and mine.files[0].strip == 1


@pytest.mark.parametrize("key", [*entry(), *(f"files.{key}" for key in entry()["files"][0])])
def test_values_of_wrong_types_are_named(tmp_path: Path, key: str) -> None:
    outer, _, inner = key.partition(".")
    good = entry()["files"][0][inner] if inner else entry()[outer]
    refused = 0
    for value in WRONG:
        data = entry()
        if inner:
            data["files"][0][inner] = value
        else:
            data[outer] = value
        try:
            read_registry(write(tmp_path / "r.yaml", {"datasets": {"mine": data}}))
        except HndescError as error:
            assert str(error).startswith(f"{tmp_path / 'r.yaml'}: mine")
            assert (inner or outer) in str(error) or (inner, value) == ("shards", 5)
            assert "\n" not in str(error)
            refused += 1
        else:
            assert isinstance(value, type(good))
    assert refused >= 10


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_no_address_is_named(tmp_path: Path, address: str) -> None:
    for key in ("page", "files"):
        data = entry() | {key: address if key == "page" else [{"addresses": [address]}]}
        with pytest.raises(HndescError, match=r"mine.*http or https address"):
            read_registry(write(tmp_path / "r.yaml", {"datasets": {"mine": data}}))


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_lead_out_are_named(tmp_path: Path, path: str) -> None:
    for change in ({"move": {path: "a"}}, {"move": {"a": path}}, {"files": [entry()["files"][0] | {"into": path}]}):
        with pytest.raises(HndescError, match=r"mine.*sub-folder"):
            read_registry(write(tmp_path / "r.yaml", {"datasets": {"mine": entry() | change}}))


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_no_names_are_named(tmp_path: Path, name: str) -> None:
    for data in ({"datasets": {name: entry()}}, {"weights": {name: {"files": [{"addresses": ["http://h/f"]}]}}}):
        with pytest.raises(HndescError, match="cannot be the name"):
            read_registry(write(tmp_path / "r.yaml", data))
    if name:
        data = {"datasets": {"mine": entry() | {"files": [{"addresses": ["http://h/f"], "name": name}]}}}
        with pytest.raises(HndescError, match="cannot be the name"):
            read_registry(write(tmp_path / "r.yaml", data))


@pytest.mark.parametrize(
    ("datasets", "weights", "what"),
    [
        ({"a": entry(), "A": entry()}, {}, "same folder"),
        ({"weights": entry()}, {}, "weights: this name is reserved"),
        ({"downloads": entry()}, {}, "downloads: this name is reserved"),
        ({"a": entry()}, {"a": {"files": [{"addresses": ["http://h/f"]}]}}, "both datasets and weights"),
        ({"a": entry(), "b": with_files({"addresses": ["http://h/x"], "name": "mine.zip"})}, {}, "different files"),
        ({"a": entry()}, {"mine.zip": {"files": [{"addresses": ["http://h/f"]}]}}, "different files"),
        ({"a": with_files({"addresses": ["http://h/1/f"]}, {"addresses": ["http://h/2/F"]})}, {}, "same name"),
        ({"a": entry() | {"files": [{"addresses": ["http://h/f"], "shards": 3}]}}, {}, "same name"),
        ({"a": entry() | {"files": [{"addresses": ["http://h/paris_1-v1.tgz"]}]}}, {}, r"rparis6k.*different files"),
        ({}, {"w": {"files": [{"addresses": ["http://h/f"]}], "layout": {"kind": "photos"}}}, "unknown key"),
        ([], {}, None),
        ("text", {}, "datasets must map names to entries"),
        ([1], {}, "datasets must map names to entries"),
        ({5: entry()}, {}, "cannot be the name"),
        ({"a": None}, {}, "must have keys"),
        ({"a": [1]}, {}, "must have keys"),
        ({"a": {5: 6}}, {}, "unknown key 5"),
    ],
)  # fmt: skip
def test_entries_that_are_each_others(tmp_path: Path, datasets: object, weights: dict, what: str | None) -> None:
    path = write(tmp_path / "r.yaml", {"datasets": datasets, "weights": weights})
    if what is None:
        assert read_registry(path) == read_registry()
        return
    with pytest.raises(HndescError, match=what):
        read_registry(path)


TEXTS = {
    "aliases": "a0: &a0 [x]\n" + "".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 30)),
    "aliases in an entry": "datasets: {mine: {title: &a [&b [&c [x, x], *c, *c], *b, *b, *b], files: *a}}",
    "a part of itself": "datasets: &a {mine: *a}",
    "deep": "[" * 20_000,
    "deep tables": "{a: " * 20_000,
    "a date": "datasets: {mine: 2021-99-99}",
    "a tag": "datasets: !!python/object/apply:os.system [id]",
    "a list as a key": "? [1, 2]\n: x",
    "a table as a key": "{{a: 1}: 2}",
    "control characters": "datasets: \0",
    "long number": "datasets: " + "9" * 10_000,
    "merged": "<<: [1, 2]",
    "two documents": "a: 1\n---\nb: 2",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_that_are_no_registry(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(TEXTS[kind])
    message = refusal(read_registry, path, seconds=6)
    assert str(path) in message and len(message) < 1000


@pytest.mark.parametrize("body", [b"\xff\xfe", b"datasets: \xff", bytes(100)])
def test_bytes_that_are_no_registry(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "r.yaml").write_bytes(body)
    with pytest.raises(HndescError, match="not YAML"):
        read_registry(tmp_path / "r.yaml")


@pytest.mark.parametrize("place", ["/dev/zero", "", "absent.yaml"])
def test_what_is_no_file(tmp_path: Path, place: str) -> None:
    assert "registry" in refusal(read_registry, tmp_path / place)


def read_mutations(path: Path, seeds: range) -> int:
    whole = REGISTRY.read_bytes()[-3000:]
    whole = b"weights:\n" + whole[whole.index(b"\n\n  ") :]
    passed = 0
    for seed in seeds:
        chance, changed = np.random.default_rng(seed), bytearray(whole)
        for _ in range(chance.integers(1, 4)):
            first, second = sorted(chance.integers(0, len(changed), 2).tolist())
            match chance.integers(3):
                case 0:
                    changed[first] = chance.integers(256)
                case 1:
                    del changed[first : min(second, first + 30)]
                case _:
                    changed[first:first] = changed[first : min(second, first + 100)]
        path.write_bytes(changed)
        try:
            read_registry(path)
            passed += 1
        except HndescError as error:
            assert str(path) in str(error)
    return passed


def test_damaged_registries(tmp_path: Path) -> None:
    assert outcome(read_mutations, tmp_path / "r.yaml", range(60), seconds=20) < 60


HEAD = "name\tsize\tsha256\taddress\n"


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "a\tb\n", HEAD[:-1] + "\tmore\n", HEAD + "a\t1\n", HEAD + "a\t1\txyz\thttp://h\n"),
        *(HEAD + f"a\tx\t{'0' * 64}\th\n", HEAD + f"a\t1\t{'0' * 63}\th\n", HEAD + f"a\t1\t{'0' * 64}\th\n" * 2),
        *(HEAD + "\0\n", "\udcff"),
    ],
)
def test_tables_that_hold_no_checksums(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sums.tsv"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(HndescError, match=r"sums\.tsv"):
        Checksums(path).find("a")
