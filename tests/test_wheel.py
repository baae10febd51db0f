"""What `pip install` gives: everything of the package, models included, usable from any folder."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hndesc.io.features import FeatureReader
from hndesc.io.images import write_image
from hndesc.models.bundled import bundled_models

ROOT = Path(__file__).resolve().parents[1]
# What a checkout holds beside the project, and what serves those who work on it there alone.
OTHER = {"build", "data", "dist", "results", "hndesc.egg-info"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout to build in."""
    copy = tmp_path_factory.mktemp("source") / "hndesc"

    def ignored(folder: str, names: list[str]) -> set[str]:
        top = {name for name in names if name[0] == "." or name in OTHER} if Path(folder) == ROOT else set()
        return top | {"__pycache__"}

    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; it finds other packages where this one has them."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    run(*PIP, "--python", python, "install", "--no-deps", "--no-index", "--no-compile", wheel)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    Path(packages, "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def run(*command: str | Path, folder: Path | None = None) -> str:
    """Run a command, without this checkout on Python's path, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_every_file_of_the_package_and_no_other(source: Path, wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == {f"hndesc/{name}" for name in files(source / "hndesc")}
    assert {f"hndesc/models/bundled/{path.name}" for path in bundled_models().values()} <= held


def test_the_sdist_holds_every_file_of_the_project(source: Path, tmp_path: Path) -> None:
    build = f"from setuptools import build_meta; print(build_meta.build_sdist({str(tmp_path)!r}))"
    archive = tmp_path / run(sys.executable, "-c", build, folder=source).splitlines()[-1]
    with tarfile.open(archive) as tar:
        held = {member.name.partition("/")[2] for member in tar if member.isfile()}
    assert {name for name in files(source) if name.partition("/")[0] not in OTHER} - held == set()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder elsewhere with a folder of photos."""
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    write_image(tmp_path / "photos" / "a.png", np.repeat(np.repeat(noise, 2, axis=0), 2, axis=1))
    return tmp_path


def check_use(environment: Path, work: Path) -> None:
    """Use the command and the package of an environment in a folder elsewhere."""
    hndesc, python = environment / "bin" / "hndesc", environment / "bin" / "python"
    listed = run(hndesc, "models", folder=work)
    names = [line.partition(":")[0] for line in listed.splitlines() if line[0] != " "]
    assert names == [*sorted(bundled_models()), "detector hndesc"]
    run(hndesc, "extract", "photos", "features.h5", folder=work)
    with FeatureReader(work / "features.h5") as reader:
        stored = reader.read("a.png")
    use = "import hndesc; print(hndesc.__file__, *hndesc.load('hndesc-lite').extract('photos/a.png')[1].shape)"
    place, *shape = run(python, "-c", use, folder=work).split()
    assert Path(place).is_relative_to(environment)
    assert [len(stored), 192] == list(map(int, shape)) and len(stored) > 0


@pytest.mark.slow
def test_the_installed_command_and_package_work_from_another_folder(environment: Path, work: Path) -> None:
    check_use(environment, work)


@pytest.mark.slow
def test_an_environment_with_the_core_alone_is_enough(wheel: Path, work: Path, tmp_path_factory) -> None:
    environment = tmp_path_factory.mktemp("core")
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    run(*PIP, "--python", python, "install", "--no-compile", "--constraint", ROOT / "envs" / "lock.txt", wheel)
    listed = "from importlib.metadata import distributions; print(*(one.name for one in distributions()))"
    assert not {"snakemake", "pydantic", "pandas", "matplotlib"} & set(run(python, "-c", listed).lower().split())
    check_use(environment, work)
