"""`make clean` removes what the workflow made, and nothing else."""

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from hndesc.errors import HndescError
from hndesc.io.owned_folders import open_part_folder, replace_folder
from hndesc.workflow import cleaning
from hndesc.workflow.cleaning import find_made, main, remove_made

from .conftest import ROOT


class Project:
    """A folder with outputs that Snakemake has records of."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def file(self, name: str, rule: str | None = None) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        if rule:
            self.record(name, rule)

    def folder(self, name: str, rule: str) -> None:
        with replace_folder(self.root / name, rule) as part:
            (part / "file").touch()
        self.record(name, rule)

    def record(self, name: str, rule: str) -> None:
        record = self.root / ".snakemake" / "metadata" / urlsafe_b64encode(name.encode()).decode()
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text(json.dumps({"rule": rule, "log": [f"results/logs/{rule}.log"]}))

    def clean(self, everything: bool = False) -> tuple[set[str], list[str]]:
        """Return the files that are left, without records, and the lines about what is spared."""
        made, spared = find_made(self.root, everything)
        remove_made(self.root, made)
        left = [path.relative_to(self.root) for path in self.root.rglob("*") if not path.is_dir() or path.is_symlink()]
        return {str(path) for path in left if path.parts[0] != ".snakemake"}, spared


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.file("results/scores.txt", "score")
    made.file("results/logs/score.log")
    made.file("results/timings/score.tsv")
    made.folder("data/demo/photos", "demo_data")
    made.file("data/demo/README.txt")
    (tmp_path / "data/demo/README.txt").write_text("Demo data of hndesc\n")
    made.file("results/training/model.safetensors", "train")
    made.folder("data/set", "get_dataset")
    return made


MODELS = {"results/training/model.safetensors"}
FETCHED = {"data/set/file", "data/set/.made_by_hndesc.json"}


def test_what_the_workflow_made_is_removed_but_models_and_fetched_data(project: Project) -> None:
    left, spared = project.clean()
    assert left == MODELS | FETCHED
    assert len(spared) == 2 and all("make distclean removes it" in line for line in spared)
    assert not (project.root / "data" / "demo").exists()


def test_what_killed_writers_left_is_removed(project: Project) -> None:
    project.file("results/deep/.scores-hndesc-01234567-1-abcd_123.txt")
    project.file("results/deep/.scores-hndesc-01234567-2-abcd_123.txt")
    os.utime(project.root / "results/deep/.scores-hndesc-01234567-2-abcd_123.txt", (0, 0))
    left, _ = project.clean()
    assert left == MODELS | FETCHED | {"results/deep/.scores-hndesc-01234567-1-abcd_123.txt"}


def test_everything(project: Project) -> None:
    assert project.clean(everything=True) == (set(), [])
    assert list(project.root.iterdir()) == []


def test_what_users_put_there_stays(project: Project) -> None:
    names = ["results/mine.txt", "data/demo/mine.jpg", "data/mine/a.jpg", "data/demo/photos/added.jpg", ".venv/bin/x"]
    for name in names:
        project.file(name)
    project.record("../outside.txt", "score")
    project.record(str(project.root / "results" / "mine.txt"), "score")
    project.record("data/mine", "split_photos")
    left, spared = project.clean(everything=True)
    kept = {"data/demo/photos/file", "data/demo/photos/.made_by_hndesc.json"}
    assert left == {*names, *kept}
    assert [line for line in spared if "added.jpg" in line] and [line for line in spared if "data/mine" in line]


def test_links_stay_and_are_not_followed(project: Project, tmp_path_factory: pytest.TempPathFactory) -> None:
    far = tmp_path_factory.mktemp("far")
    (far / "precious").touch()
    (project.root / "results" / "linked").symlink_to(far)
    project.record("results/linked", "build_map")
    assert "results/linked" in project.clean(everything=True)[0]
    assert (far / "precious").exists()


def test_the_command_names_what_it_removes(project: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hndesc.workflow.cleaning"],
        cwd=project.root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "removes: results/scores.txt" in done.stdout.splitlines()
    assert not (project.root / "results" / "scores.txt").exists()


@pytest.fixture
def command(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The command in this process, in the project's folder."""

    def run(*options: str) -> None:
        monkeypatch.setattr(sys, "argv", ["cleaning", *options])
        main()

    monkeypatch.chdir(project.root)
    return run


def test_a_dry_run_removes_nothing(command, project: Project, capsys: pytest.CaptureFixture) -> None:
    before = sorted(project.root.rglob("*"))
    command("--dry-run")
    lines = capsys.readouterr().out.splitlines()
    assert "would remove: results/scores.txt" in lines
    assert any(line.startswith("spares: results/training/model.safetensors: ") for line in lines)
    assert sorted(project.root.rglob("*")) == before


def test_what_ends_the_command_is_one_line(command, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied", "results/a\nb.txt")

    with monkeypatch.context() as patch:
        patch.setattr(cleaning, "remove_made", refuse)
        with pytest.raises(
            SystemExit, match=r"^results/a.*b\.txt: cannot be removed \(Permission denied\); remove it by"
        ):
            command()
    project.file(".snakemake/locks/0.output.lock")
    with pytest.raises(SystemExit, match="a run is in progress"):
        command("--all")
    assert (project.root / "results" / "scores.txt").exists()


def test_results_that_are_a_link_are_emptied_and_the_link_stays(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    far = tmp_path_factory.mktemp("far") / "results"
    (project.root / "results").rename(far)
    (project.root / "results").symlink_to(far)
    assert project.clean()[0] == FETCHED | {"results"} and (far / "training" / "model.safetensors").exists()
    project.clean(everything=True)
    assert far.is_dir() and not list(far.iterdir()) and (project.root / "results").is_symlink()


def test_nothing_is_removed_while_a_run_may_be_in_progress(project: Project) -> None:
    lock = project.root / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir()
    lock.touch()
    before = sorted(project.root.rglob("*"))
    with pytest.raises(HndescError, match=r"a run is in progress, or one was killed; .*snakemake --unlock"):
        project.clean(everything=True)
    assert sorted(project.root.rglob("*")) == before


@pytest.mark.parametrize("kind", ["part", "interrupted", "interrupted-2"])
def test_what_an_interrupted_step_left_is_spared_if_it_holds_files(kind: str, project: Project) -> None:
    part = open_part_folder(project.root / "results" / "mine", "list_photos")
    folder = part.rename(part.with_suffix(f".{kind}"))
    (folder / "file").touch()
    _, spared = project.clean()
    assert (folder / "file").exists() and any("'file' first" in line for line in spared)
    (folder / "file").unlink()
    project.clean()
    assert not folder.exists()


def test_a_folder_that_is_being_filled_without_snakemake_is_spared(project: Project) -> None:
    target = project.root / "results" / "mine"
    with replace_folder(target, "list_photos") as part:
        _, spared = project.clean()
        assert part.is_dir() and any("another run is writing this" in line for line in spared)
        (part / "file").touch()
    assert (target / "file").exists()


def test_a_mistake_is_one_line(project: Project) -> None:
    lock = project.root / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir()
    lock.touch()
    done = subprocess.run(
        [sys.executable, "-m", "hndesc.workflow.cleaning"],
        cwd=project.root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and not done.stdout and done.stderr.count("\n") == 1
