"""Running real Snakemake on a copy of the checkout, as a user would."""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import skimage.data

from hndesc.io.images import write_image
from tests.fixtures.commands import commands
from tests.fixtures.sharing import make_once

if TYPE_CHECKING:
    from tests.fixtures.demo import Demo

ROOT = Path(__file__).resolve().parents[2]

PARTS = ("Snakefile", "workflow", "config", "rules", "workflow_scripts", "envs", "profiles", "hndesc")
TINY = ROOT / "tests" / "workflow" / "tiny.yaml"
# What planning takes of other packages; each checkout has its own hndesc.
LIBRARIES = ("snakemake.cli", "filelock", "h5py", "numpy", "pandas", "PIL.Image", "pydantic", "yaml")


@dataclass(frozen=True)
class Checkout:
    """A copy of the workflow with its own results."""

    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]

    def run(self, *arguments: str, configfile: Path | None = TINY, check: bool = True) -> subprocess.CompletedProcess:
        """Run Snakemake; its output comes back as text, stdout and stderr together."""
        if configfile is not None:
            arguments = (*arguments, "--configfile", str(configfile))
        done = commands(*LIBRARIES).run(*self.command(*arguments)[2:], folder=self.folder, together=True)
        assert not check or done.returncode == 0, done.stdout[-6000:]
        return done

    def jobs(self, *arguments: str, configfile: Path | None = TINY) -> dict[str, int]:
        """Return what a dry run would do: rule -> number of jobs."""
        text = self.run("--dry-run", *arguments, configfile=configfile).stdout
        return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}

    def copy(self, folder: Path) -> "Checkout":
        """Return a copy that may be spoilt, file times and Snakemake's records included."""
        # Python may be writing bytecode for another worker's dry run.
        shutil.copytree(self.folder, folder, symlinks=True, ignore=shutil.ignore_patterns("*.pyc.*"))
        return Checkout(folder)

    def path(self, name: str) -> Path:
        return self.folder / name

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace `old`, which must be there, in a file."""
        text = self.path(name).read_text()
        assert old in text, f"{name} does not contain {old!r}"
        self.path(name).write_text(text.replace(old, new, 1))


PHOTOS = ("astronaut", "coffee", "chelsea", "rocket", "hubble_deep_field", "retina", "brick", "gravel", "grass")


def write_photos(folders: Sequence[Path]) -> None:
    """Write nine photographs of 640 x 480 pixels, in turn to each of the folders."""
    for number, name in enumerate(PHOTOS):
        image = np.atleast_3d(getattr(skimage.data, name)())
        image = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[..., :3]
        target = folders[number % len(folders)] / f"{name}.png"
        write_image(target, cv2.resize(image, (640, 480), interpolation=cv2.INTER_AREA))


def make_checkout(folder: Path) -> Checkout:
    folder.mkdir(parents=True)
    for part in PARTS:
        source, target = ROOT / part, folder / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    return Checkout(folder)


@pytest.fixture(scope="session")
def finished(demo: "Demo", tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The whole chain on the tiny configuration, run once; tests that change anything work on a copy."""
    # A path with spaces, quotes and a dollar sign, which no program may interpret.
    name = "my 'own' \"hndesc\" $HOME é"
    return Checkout(make_once(tmp_path_factory, name, lambda folder: demo.checkout.copy(folder).run("all")))
