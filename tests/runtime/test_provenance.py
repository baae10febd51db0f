import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hndesc.runtime.provenance import file_hash, fingerprint, versions

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


def test_versions_name_what_figures_depend_on() -> None:
    assert {"python", "hndesc", "torch", "opencv-python-headless", "pycolmap"} <= versions().keys()
