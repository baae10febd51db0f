import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hndesc.runtime.provenance import file_hash, file_identity, file_state, fingerprint, versions

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "from hndesc.runtime.provenance import fingerprint; print(fingerprint('{}'))"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the package whose code may be edited."""
    shutil.copytree(ROOT / "hndesc", tmp_path / "hndesc", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def fingerprint_in(checkout: Path, module: str) -> str:
    command = [sys.executable, "-c", PROGRAM.format(module)]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout.strip()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_copy_has_the_fingerprint_of_the_original(checkout: Path) -> None:
    assert fingerprint_in(checkout, "io.features") == fingerprint("io.features")


def test_comments_docstrings_and_layout_do_not_count(checkout: Path) -> None:
    before = fingerprint_in(checkout, "io.features")
    edit(checkout / "hndesc/io/files.py", '"""Write `text` atomically."""', '"""Something else."""')
    edit(checkout / "hndesc/io/features.py", "import json\n", "import json  # a comment\n\n\n")
    assert fingerprint_in(checkout, "io.features") == before


def test_code_of_the_module_and_of_what_it_imports_counts(checkout: Path) -> None:
    before = fingerprint_in(checkout, "io.features")
    edit(checkout / "hndesc/io/files.py", "indent=1", "indent=2")
    assert fingerprint_in(checkout, "io.features") != before


def test_code_that_is_not_imported_does_not_count(checkout: Path) -> None:
    before = fingerprint_in(checkout, "io.files")
    edit(checkout / "hndesc/io/features.py", "_OWN = (", "_OWN = ('more', ")
    assert fingerprint_in(checkout, "io.files") == before


def test_unknown_module_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        fingerprint("no_such_module")


def test_every_module_has_a_fingerprint_of_its_own() -> None:
    paths = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "hndesc").rglob("*.py")]
    names = [".".join(path.parts) for path in paths if path.name != "__init__"]
    modules = [name for name in names if not name.startswith("hndesc.datasets.demo.")]  # one step makes all of it
    assert len({fingerprint(module) for module in modules}) == len(modules) > 100


def test_file_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_hash(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("size", [0, 1, 4096, 12288, 12289, 1_000_000])
def test_state_of_a_file_whose_size_and_time_stay(size: int, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"

    def state(content: bytes) -> str:
        path.write_bytes(content)
        os.utime(path, ns=(0, 10**9))
        return file_state(path)

    before = state(bytes(size))
    assert before == state(bytes(size)) != ""
    for place in {0, size // 2, size - 1} if size else ():
        assert state(bytes(place) + b"x" + bytes(size - place - 1)) != before
    state(bytes(size))
    shutil.copy2(path, tmp_path / "copy")
    assert file_state(tmp_path / "copy") == before


def test_state_of_what_is_no_readable_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert file_state(tmp_path / "missing") == ""
    assert file_state(tmp_path / "fifo").endswith("\t")  # without waiting for a writer
    assert file_identity(tmp_path / "missing") == f"{tmp_path / 'missing'}\t"


def test_versions_name_what_figures_depend_on() -> None:
    assert {"python", "hndesc", "torch", "opencv-python-headless", "pycolmap"} <= versions().keys()
