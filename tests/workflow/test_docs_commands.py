"""The commands and the Python code of the documentation run, in a checkout with a finished run and some photographs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documentation import PAGES, Block, blocks, name
from tests.fixtures.commands import environment
from tests.workflow.conftest import ROOT, Checkout

# Commands that plan work of hours or change this machine only plan; what they plan is run by other tests.
PLANNED = {"snakemake": "--dry-run", "make": "--dry-run"}


def runnable(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.kind in ("sh", "python") and not block.reason and not block.file]


@pytest.fixture
def checkout(finished: Checkout, tmp_path: Path) -> Checkout:
    """A finished run, and what the pages name."""
    copy = finished.copy(tmp_path / "hndesc")
    for part in ("Makefile", "pyproject.toml", "benchmarks"):
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy2)(ROOT / part, copy.path(part))
    scene = copy.path("data/demo/scene/images/images_upright")
    photos = sorted((scene / "db").glob("*"))[:6]  # of one scene, so that they can be reconstructed
    for place in ("photos", "path/to/photos"):
        copy.path(place).mkdir(parents=True)
        for photo in photos:
            shutil.copy2(photo, copy.path(place))
    for place, photo in zip(("photo.jpg", "a.jpg", "b.jpg"), photos, strict=False):
        shutil.copy2(photo, copy.path(place))
    shutil.copy2(next((scene / "query" / "day").rglob("*.jpg")), copy.path("new.jpg"))
    for place in ("styles", "path/to/styles"):
        copy.path(place).symlink_to(copy.path("data/demo/styles"))
    copy.path("path/to/sequences").symlink_to(copy.path("data/demo/sequences"))
    for suffix in ("safetensors", "json"):
        shutil.copy2(copy.path(f"results/training/model.{suffix}"), copy.path(f"model.{suffix}"))
    return copy


def programs(folder: Path) -> Path:
    """Return a folder of the programs that the pages call."""
    folder.mkdir()
    python = sys.executable
    hndesc = f"{python} -c 'from hndesc.cli.main import main; main()'"
    make = shutil.which("make") or "make"
    real = {"hndesc": hndesc, "python": python, "snakemake": f"{python} -m snakemake", "make": make}
    for program, command in real.items():
        path = folder / program
        path.write_text(f'#!/bin/sh\nexec {command} {PLANNED.get(program, "")} "$@"\n')
        path.chmod(0o755)
    return folder


@pytest.mark.slow
@pytest.mark.workflow
@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=name)
def test_code_runs(page: Path, checkout: Checkout, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.file:
            checkout.path(block.file).write_text(block.code, encoding="utf-8")
    path = os.pathsep.join([str(programs(tmp_path / "bin")), os.environ["PATH"]])
    variables = environment() | {"PATH": path, "PYTHONPATH": str(checkout.folder)}
    code = ""
    for block in runnable(page):
        command = ["bash", "-euo", "pipefail", "-c", block.code]
        if block.kind == "python":
            code += block.code  # a later block uses the names of an earlier one
            # What the planned training of hours would have made.
            shutil.copytree(checkout.path("results/training"), checkout.path("results/my/training"), dirs_exist_ok=True)
            command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=checkout.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=variables
        )
        assert done.returncode == 0, f"{block.code}\n{done.stdout[-4000:]}"
