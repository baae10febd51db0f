"""The demo as a whole: what it consists of, that it is made the same each time, and how it treats its folder."""

import hashlib

import pytest

from hndesc.datasets import demo as package
from hndesc.datasets.demo import make_demo, photographs, retrieval, scene, sequences
from hndesc.io.owned_folders import open_part_folder, replace_folder
from tests.fixtures.demo import TIMESTAMP


def hashes(root):
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != TIMESTAMP)
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """The demo data made again in this process, and which photographs each of its modules loads."""
    folder, used, load = tmp_path_factory.mktemp("again") / "demo", {}, photographs.load
    with pytest.MonkeyPatch.context() as patch:
        for module in (photographs, sequences, retrieval, scene):
            names = used.setdefault(module, set())
            patch.setattr(module, "load", recorded(load, names))
        make_demo(folder)
    return folder, used


def recorded(load, names):
    """Return `load` that records the names of what it loads."""

    def load_recorded(name, use):
        names.add(name)
        return load(name, use)

    return load_recorded


@pytest.mark.slow
def test_making_it_again_gives_the_same_bytes(demo, again):
    # The rule made it in two other processes, with other string hashes.
    assert hashes(again[0]) == hashes(demo.root)


@pytest.mark.slow
def test_parts_are_made_of_disjoint_photographs(again):
    used = again[1]
    uses = {name: source.use for name, source in photographs.SOURCES.items()}
    assert used[photographs] == {name for name, use in uses.items() if use == photographs.TRAINING}
    benchmarks = used[sequences] | used[retrieval] | used[scene]
    assert benchmarks == {name for name, use in uses.items() if use == photographs.HELD_OUT}
    assert all(used[part] for part in (sequences, retrieval, scene))


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
