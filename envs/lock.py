"""Write the versions that are installed here into envs/lock.txt and envs/hndesc.yaml: `make lock`.

`pip install --constraint envs/lock.txt` then takes exactly these. What pyproject.toml asks for is followed through the
requirements of what is installed, so that nothing else that lies in the environment gets into the files.
"""

import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
LOCK = HERE / "lock.txt"
CONDA = HERE / "hndesc.yaml"
# What the rules of the workflow run.
WORKFLOW = ("workflow", "localization")
_HEAD = "# Written by `make lock`: all that hndesc's extras install, as it is tested.\n"
_CONDA_HEAD = """# Written by `make lock`: the same versions for `snakemake --sdm conda`.
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python =3.11
  - pip
  - pip:
"""


def requirements(name: str, extras: frozenset[str]) -> list[Requirement]:
    """Return what a package requires here, with some of its extras; those of hndesc are in pyproject.toml."""
    if name == "hndesc":
        lines = [*PROJECT["dependencies"], *(line for e in extras for line in PROJECT["optional-dependencies"][e])]
    else:
        lines = metadata.requires(name) or []
    environments = [{"extra": extra} for extra in (*extras, "")]
    found = map(Requirement, lines)
    return [one for one in found if one.marker is None or any(map(one.marker.evaluate, environments))]


def closure(*extras: str) -> dict[str, str]:
    """Return the packages, and their versions, that hndesc and all below it need; without local labels as +cpu."""
    waiting = [("hndesc", frozenset(extras))]
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        package = waiting.pop()
        if package not in done:
            done.add(package)
            waiting += [(canonicalize_name(one.name), frozenset(one.extras)) for one in requirements(*package)]
    names = {name for name, _ in done} - {"hndesc"}
    return {name: metadata.version(name).partition("+")[0] for name in sorted(names)}


def read(text: str) -> dict[str, str]:
    """Return the packages and versions of lines name==version."""
    lines = (line.strip("- ") for line in text.splitlines())
    return dict(line.split("==") for line in lines if "==" in line and line[0] != "#")


if __name__ == "__main__":
    LOCK.write_text(_HEAD + "".join(f"{name}=={version}\n" for name, version in closure("dev").items()))
    pins = "".join(f"      - {name}=={version}\n" for name, version in closure(*WORKFLOW).items())
    CONDA.write_text(_CONDA_HEAD + pins)
