"""The workflow as a module of another, in a folder elsewhere, and what the catalog of workflows asks for."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from tests.fixtures.commands import commands, environment

from .conftest import LIBRARIES, ROOT, make_checkout

pytestmark = pytest.mark.workflow

SNAKEFILE = """
configfile: "config/config.yaml"

module hndesc:
    snakefile: {source}
    config: config
    {more}

use rule * from hndesc {name}
"""


LOCAL = repr(str(ROOT / "workflow" / "Snakefile"))


@pytest.fixture
def deployed(tmp_path: Path) -> Path:
    """A folder with the configuration and some photos, as `snakedeploy deploy-workflow` leaves it."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump(config | {"photos": "my photos"}))
    (tmp_path / "my photos").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "my photos" / "a.png"), noise)
    return tmp_path


def snakemake(
    folder: Path, *arguments: str, source: str = LOCAL, more: str = "", name: str = ""
) -> subprocess.CompletedProcess:
    (folder / "Snakefile").write_text(SNAKEFILE.format(source=source, more=more, name=name))
    arguments = ("--cores", "1", *arguments)
    if source == LOCAL:
        return commands(*LIBRARIES).run("snakemake", *arguments, folder=folder)
    # A module that is fetched takes the package that is installed.
    command, installed = [sys.executable, "-m", "snakemake", *arguments], environment() | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=installed, capture_output=True, text=True)


@pytest.mark.slow
def test_a_module_plans_all_and_makes_a_target(deployed: Path) -> None:
    plan = snakemake(deployed, "--dry-run")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    jobs = {line.split()[0] for line in plan.stdout.splitlines() if line.split()[1:] and line.split()[-1].isdigit()}
    assert {"all", "train", "score_hpatches", "score_retrieval", "build_map", "report"} <= jobs
    done = snakemake(deployed, "list_photos")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in deployed.rglob("results/photos/**/a.png")] == ["a.png"]


@pytest.mark.parametrize("change", [{"name": "as other_*"}, {"more": 'prefix: "elsewhere/"'}])
def test_names_and_paths_are_kept(deployed: Path, change: dict[str, str]) -> None:
    done = snakemake(deployed, "--dry-run", **change)
    assert (
        done.returncode == 1 and "use rule * from hndesc', without 'as', and no 'prefix'" in done.stdout + done.stderr
    )


@pytest.mark.slow
def test_a_module_is_fetched_from_a_repository(deployed: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    repository = make_checkout(tmp_path_factory.mktemp("repository") / "hndesc").folder
    author = ("-c", "user.name=hndesc", "-c", "user.email=hndesc@localhost")
    for arguments in (("init",), ("add", "."), (*author, "commit", "-m", "All"), ("tag", "v0")):
        subprocess.run(["git", "-C", repository, *arguments], check=True, capture_output=True)
    source = f"gitfile({str(repository)!r}, path='workflow/Snakefile', tag='v0')"
    done = snakemake(deployed, "list_photos", source=source)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in deployed.rglob("results/photos/**/a.png")] == ["a.png"]


def test_the_catalog_finds_what_it_asks_for() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["software-stack-deployment"]["conda"] is True
    assert (ROOT / "workflow" / "Snakefile").is_file()
    assert (ROOT / "envs" / "hndesc.yaml").is_file() and list((ROOT / "rules").glob("*.smk"))
    readme = (ROOT / "README.md").read_text().lower()
    assert "snakemake" in readme and "workflow" in readme
    text = (ROOT / "config" / "README.md").read_text()
    names = {path.name for path in (ROOT / "config").glob("*.yaml") if not path.name.startswith("hndesc-")}
    assert all(f"`{name}`" in text for name in names)
    sections = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    assert all(f"`{name}`" in text for name in sections.keys() - {"seed"})
