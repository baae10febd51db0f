"""The demo as a whole: what it consists of, that it is made the same each time, and how it treats its folder."""

import hashlib
import os
import subprocess
import sys

import pytest

from hndesc.datasets import demo as package
from hndesc.datasets.demo import make_demo, photographs, retrieval, scene, sequences
from hndesc.io.owned_folders import open_part_folder, replace_folder

AGAIN = """
import sys
from hndesc.datasets.demo import make_demo
make_demo(sys.argv[1], threads=2)
"""


def hashes(root):
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_making_it_again_gives_the_same_bytes(demo, tmp_path):
    # Other processes, other string hashes, other number of threads.
    environment = os.environ | {"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "3"}
    subprocess.run([sys.executable, "-c", AGAIN, str(tmp_path / "again")], check=True, env=environment)
    assert hashes(tmp_path / "again") == hashes(demo.root)


def test_layout_and_size(demo):
    assert sorted(path.name for path in demo.root.iterdir()) == sorted([*package.PARTS, "README.txt"])
    assert sum(path.stat().st_size for path in demo.root.rglob("*") if path.is_file()) < 60e6


def test_readme_says_what_figures_are_worth_and_names_every_source(demo):
    text = (demo.root / "README.txt").read_text()
    assert "not comparable with\npublished results" in text
    for source in photographs.SOURCES.values():
        assert source.file in text and source.license in text


@pytest.fixture
def quick(monkeypatch):
    """Replace the makers of the parts by ones that write a single file."""

    def maker(folder, seed=None):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "new").write_text(str(seed))

    for module, name in (
        (photographs, "make_photos"),
        (photographs, "make_styles"),
        (sequences, "make_sequences"),
        (retrieval, "make_retrieval"),
        (scene, "make_scene"),
    ):
        monkeypatch.setattr(module, name, maker)


def test_older_parts_are_replaced_and_other_files_kept(quick, tmp_path):
    with replace_folder(tmp_path / "photos", package.STEP) as part:
        (part / "old.jpg").touch()
    (open_part_folder(tmp_path / "scene", package.STEP) / "new").touch()
    (tmp_path / "mine.txt").touch()
    make_demo(tmp_path, seed=5)
    assert [path.name for path in (tmp_path / "photos").glob("[!.]*")] == ["new"]
    assert [path.name for path in (tmp_path / "scene").glob("[!.]*")] == ["new"]
    assert (tmp_path / "retrieval" / "new").read_text() == "5"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*package.PARTS, "README.txt", "mine.txt"])


def test_interrupted_part_is_not_seen(quick, monkeypatch, tmp_path):
    def interrupted(folder, seed):
        (folder / "half").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(retrieval, "make_retrieval", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path)
    assert (tmp_path / "scene").is_dir()
    assert not (tmp_path / "retrieval").exists()
