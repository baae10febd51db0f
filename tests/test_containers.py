"""Containers and conda environments, as far as they can be checked without an engine."""

import json
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PLACE = "/opt/hndesc"


def docker_steps() -> list[tuple[str, str]]:
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    return [(instruction, rest) for instruction, _, rest in (line.partition(" ") for line in lines)]


def apptainer_sections() -> dict[str, list[str]]:
    text = re.sub(r"^#.*\n", "", (ROOT / "hndesc.def").read_text(), flags=re.MULTILINE)
    head, *rest = re.split(r"^%", text, flags=re.MULTILINE)
    sections = {"head": head.split("\n")} | {part.partition("\n")[0]: part.split("\n")[1:] for part in rest}
    return {name: [line.strip() for line in lines if line.strip()] for name, lines in sections.items()}


def test_both_definitions_take_the_same_steps() -> None:
    steps, sections = docker_steps(), apptainer_sections()
    values = dict(steps)
    assert sections["head"] == ["Bootstrap: docker", f"From: {values['FROM']}"]
    assert sections["files"] == [values["COPY"]] == [f". {PLACE}"]
    assert sections["post"] == [rest for instruction, rest in steps if instruction == "RUN"]
    assert sections["environment"] == [f"export {values['ENV']}"]
    assert sections["runscript"] == [f'exec {" ".join(json.loads(values["ENTRYPOINT"]))} "$@"']


def test_steps_are_those_of_any_machine() -> None:
    """README: Python 3.11 or newer with pip and venv, and make; then make sets everything up."""
    values = dict(docker_steps())
    version = re.fullmatch(r"python:(3\.\d+)-slim", values["FROM"]).group(1)
    dependencies = yaml.safe_load((ROOT / "envs" / "hndesc.yaml").read_text())["dependencies"]
    assert f"python ={version}" in dependencies and int(version.split(".")[1]) >= 11
    assert "with pip and venv, `make`" in (ROOT / "README.md").read_text()
    packages, setup = [rest for instruction, rest in docker_steps() if instruction == "RUN"]
    assert re.search(r"install --yes --no-install-recommends make &&", packages)
    assert setup == f"make -C {PLACE} setup"
    assert re.search("^test: setup$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_demo_installs_no_tools_of_development(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "envs"):
        (tmp_path / name).symlink_to(ROOT / name)
    planned = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert '--editable ".[workflow,localization]"' in planned(["make", "-n", "all"]).stdout
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installed").touch()
    assert "--editable" not in planned(["make", "-n", "all"]).stdout
    assert '--editable ".[dev]"' in planned(["make", "-n", "test"]).stdout
    (tmp_path / ".venv" / ".installed-dev").touch()
    assert "--editable" not in planned(["make", "-n", "test"]).stdout


def test_make_finds_what_it_needs_in_what_is_copied(tmp_path: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    copied = tmp_path / "hndesc"
    shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns(*(name.removeprefix("**/") for name in ignored)))
    done = subprocess.run(["make", "-C", copied, "-n", "setup"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert ".venv/bin/python envs/install.py " in done.stdout
    assert ' --constraint envs/lock.txt --editable ".[dev]"' in done.stdout
    for path in (
        "workflow/Snakefile",
        "config/config.yaml",
        "profiles/default/config.yaml",
        "hndesc/__init__.py",
        "README.md",
    ):
        assert (copied / path).is_file()


@pytest.mark.parametrize("name", ["data", "results", ".venv", ".snakemake"])
def test_what_belongs_to_a_machine_stays_out(name: str) -> None:
    assert name in (ROOT / ".dockerignore").read_text().split()
