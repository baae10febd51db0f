"""Outputs that Snakemake would remove although the workflow did not make them."""

from pathlib import Path

import pytest

from hndesc.errors import HndescError
from hndesc.io.markers import write_marker
from hndesc.workflow.outputs import PlannedJob, check_kept_folders, check_known_files, check_planned_outputs


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made_by(folder: str, step: str) -> None:
    Path(folder).mkdir()
    Path(folder, "1.jpg").touch()
    write_marker(Path(folder), step, complete=True)


def job(rule: str = "split_photos", **outputs: tuple[str, ...]) -> PlannedJob:
    return PlannedJob(rule, **{"folders": (), "files": (), "inputs": ()} | outputs)


def test_outputs_that_are_new_or_of_the_same_step_are_fine() -> None:
    made_by("made", "split_photos")
    check_planned_outputs([job(folders=("made", "new"), files=("a.txt",), inputs=("photos",), further=("log",))])
    check_kept_folders([("split_photos", "made"), ("split_photos", "absent")])
    check_known_files([])


def test_shards_and_their_sum_are_of_one_step() -> None:
    made_by("stylized", "stylize_photos")
    for rule in ("stylize_shard", "gather_stylized", "stylize_photos"):
        check_planned_outputs([job(rule, folders=("stylized",))])
    with pytest.raises(HndescError, match="stylized: "):
        check_planned_outputs([job(folders=("stylized",))])


@pytest.mark.parametrize("kind", ["folders", "files"])
def test_links_are_refused(folder: Path, kind: str) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "link").symlink_to("elsewhere")
    with pytest.raises(HndescError, match="link: a link, which Snakemake would remove"):
        check_planned_outputs([job(**{kind: ("link",)})])


def test_folders_of_others_are_refused(folder: Path) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "letter.txt").write_text("dear")
    for check in (lambda: check_planned_outputs([job(folders=("mine",))]), lambda: check_kept_folders([("x", "mine")])):
        with pytest.raises(HndescError, match="mine: "):
            check()
    assert (folder / "mine" / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("kind", ["files", "further"])
def test_a_folder_in_the_place_of_a_file_is_refused(folder: Path, kind: str) -> None:
    (folder / "a.txt").mkdir()
    with pytest.raises(HndescError, match=r"a\.txt: "):
        check_planned_outputs([job(**{kind: ("a.txt",)})])


def test_files_that_no_run_has_made_are_refused() -> None:
    with pytest.raises(HndescError, match=r"b\.txt: exists, and no run here has made it"):
        check_planned_outputs([job(), job(files=("b.txt",), foreign=("b.txt",))])
