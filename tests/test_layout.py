"""The layout of the package: imports point down, without cycles, and the tests mirror it."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the bottom up: a module imports from its own line and from those above it.
LAYERS = (
    ("errors",),
    ("runtime", "io"),
    ("geometry",),
    ("matching",),
    ("datasets",),
    ("pretrained",),
    ("models",),
    ("detectors",),
    ("descriptors",),
    ("extraction",),
    ("retrieval",),
    ("localization",),
    ("reconstruction",),
    ("stylization",),
    ("training",),
    ("evaluation",),
    ("visualization",),
    ("workflow",),
    ("app",),
    ("cli",),
)
LEVELS = {package: level for level, packages in enumerate(LAYERS) for package in packages}
# Modules without a test module of their name, and why.
UNMIRRORED = {
    "hndesc.cli.reconstruction": "tests/reconstruction/test_photos.py and tests/localization/test_photos.py",
    "hndesc.datasets.photo_sets": "tests/evaluation/reconstruction/test_evaluate.py",
    "hndesc.reconstruction.build": "tests/reconstruction/test_photos.py",
    "hndesc.reconstruction.cameras": "tests/reconstruction/test_photos.py and tests/io/test_exif.py",
    "hndesc.reconstruction.mapping": "tests/reconstruction/test_photos.py",
    "hndesc.visualization.ground_plan": "tests/visualization/test_maps.py",
    "hndesc.visualization.similar_figures": "tests/retrieval/test_similar.py",
    "hndesc.cli.exports": "tests/reconstruction/test_export.py",
    "hndesc.cli.localization": "tests/localization/test_photos.py and tests/cli/test_scoring.py",
    "hndesc.cli.training": "tests/training/test_from_photos.py",
    "hndesc.cli.bench": "tests/evaluation/test_speed.py",
    "hndesc.cli.app": "tests/app/test_server.py",
    "hndesc.app.choices": "tests/app/test_server.py",
    "hndesc.app.matching": "tests/app/test_server.py",
    "hndesc.extraction.photo_pair": "tests/cli/test_matching.py",
    "hndesc.matching.report": "tests/cli/test_matching.py",
    "hndesc.cli.data": "tests/datasets/fetch/test_registry.py and tests/datasets/test_free_photos.py",
    "hndesc.cli.features": "tests/cli/test_main.py",
    "hndesc.cli.options": "tests/cli/test_main.py",
    "hndesc.cli.models": "tests/cli/test_main.py and tests/models/test_release.py run its commands",
    "hndesc.datasets.demo.aachen": "tests/datasets/demo/test_scene.py",
    "hndesc.datasets.fetch.responses": "tests/hostile/test_downloads.py",
    "hndesc.datasets.fetch.connection": "tests/hostile/test_downloads.py",
    "hndesc.datasets.fetch.contents": "tests/hostile/test_downloads.py",
    "hndesc.datasets.fetch.install": "tests/datasets/fetch/test_registry.py",
    "hndesc.datasets.fetch.tar_stream": "tests/hostile/test_archives.py",
    "hndesc.datasets.homography.types": "tests/datasets/homography/test_sequences.py",
    "hndesc.datasets.image_list": "tests/workflow/test_own_data.py",
    "hndesc.datasets.image_set": "tests/workflow/test_image_selection.py",
    "hndesc.datasets.kinds": "tests/workflow/test_benchmarks.py",
    "hndesc.datasets.listing": "tests/workflow/test_image_selection.py",
    "hndesc.datasets.localization.cameras": "tests/hostile/test_colmap_models.py",
    "hndesc.datasets.localization.colmap_files": "tests/hostile/test_colmap_models.py",
    "hndesc.datasets.localization.image_ids": "tests/hostile/test_colmap_models.py",
    "hndesc.datasets.localization.images": "tests/workflow/test_image_selection.py",
    "hndesc.datasets.localization.readers": "each reader's own test goes through it",
    "hndesc.datasets.tokyo247": "tests/evaluation/retrieval/test_tokyo247.py",
    "hndesc.descriptors.aliked": "tests/descriptors/test_pretrained.py",
    "hndesc.descriptors.disk": "tests/descriptors/test_pretrained.py",
    "hndesc.descriptors.r2d2": "tests/descriptors/test_pretrained.py",
    "hndesc.descriptors.xfeat": "tests/descriptors/test_pretrained.py",
    "hndesc.detectors.aliked": "tests/descriptors/test_pretrained.py",
    "hndesc.detectors.disk": "tests/descriptors/test_pretrained.py",
    "hndesc.detectors.pretrained": "tests/descriptors/test_pretrained.py",
    "hndesc.detectors.r2d2": "tests/descriptors/test_pretrained.py",
    "hndesc.detectors.xfeat": "tests/descriptors/test_pretrained.py",
    "hndesc.extraction.extractor": "tests/extraction/test_description.py",
    "hndesc.evaluation.hpatches.ranking": "tests/evaluation/hpatches/test_evaluate.py",
    "hndesc.evaluation.retrieval.reranked": "tests/evaluation/retrieval/test_revisited.py and test_tokyo247.py",
    "hndesc.extraction.detection": "tests/extraction/test_description.py",
    "hndesc.extraction.pair_network": "tests/extraction/test_pair_export.py and tests/extraction/test_local_feature.py",
    "hndesc.extraction.processing": "tests/extraction/test_description.py",
    "hndesc.geometry.epipolar": "tests/geometry/test_two_view.py",
    "hndesc.geometry.pose": "tests/geometry/test_homography.py",
    "hndesc.geometry.robust": "tests/matching/test_matcher.py",
    "hndesc.io.hdf5_output": "tests/hostile/test_hdf5.py",
    "hndesc.io.resumable_hdf5": "tests/io/test_hdf5.py",
    "hndesc.io.image_reading": "tests/io/test_images.py and tests/hostile/test_images.py",
    "hndesc.io.lists": "tests/hostile/test_lists.py",
    "hndesc.io.markers": "tests/hostile/test_deleting.py",
    "hndesc.io.matlab_files": "tests/hostile/test_rankings.py",
    "hndesc.io.owned_folders": "tests/hostile/test_deleting.py",
    "hndesc.io.pickle_scan": "tests/hostile/test_pickles.py",
    "hndesc.io.pickled_arrays": "tests/io/test_pickles.py and tests/hostile/test_pickles.py",
    "hndesc.io.pixel_values": "tests/io/test_images.py",
    "hndesc.io.tensor_files": "tests/hostile/test_weights.py",
    "hndesc.localization.pnp": "tests/evaluation/localization/test_evaluate.py",
    "hndesc.localization.queries": "tests/evaluation/localization/test_evaluate.py",
    "hndesc.localization.registration": "tests/evaluation/localization/test_evaluate.py",
    "hndesc.matching.screening": "tests/matching/test_nearest_neighbors.py",
    "hndesc.models.architectures": "tests/models/test_backbones.py",
    "hndesc.models.backbone": "tests/models/test_backbones.py",
    "hndesc.models.projected": "tests/models/test_reduction.py",
    "hndesc.models.pyramid": "tests/models/test_lite_pyramid.py and tests/models/test_r2d2_pyramid.py",
    "hndesc.pretrained.baselines": "a table; tests/descriptors/test_pretrained.py",
    "hndesc.pretrained.weights": "tests/descriptors/test_pretrained.py",
    "hndesc.retrieval.global_descriptors.color_gradient": "tests/retrieval/global_descriptors/test_descriptors.py",
    "hndesc.retrieval.global_descriptors.dense": "tests/retrieval/global_descriptors/test_descriptors.py",
    "hndesc.retrieval.global_descriptors.efficientnet": "tests/retrieval/global_descriptors/test_descriptors.py",
    "hndesc.retrieval.global_descriptors.pooling": "tests/retrieval/global_descriptors/test_descriptors.py",
    "hndesc.retrieval.global_descriptors.resnet": "tests/retrieval/global_descriptors/test_descriptors.py",
    "hndesc.stylization.methods": "tests/stylization/test_stylize.py",
    "hndesc.stylization.tables": "tests/stylization/test_stylize.py",
    "hndesc.training.batches": "tests/training/test_data.py and tests/training/detector/test_data.py",
    "hndesc.training.detector.settings": "tests/training/detector/test_train.py",
    "hndesc.visualization.style": "every figure's test goes through it",
    "hndesc.workflow.sections.benchmarks": "tests/workflow/test_config.py and tests/workflow/test_schema.py",
    "hndesc.workflow.sections.data": "tests/workflow/test_config.py and tests/workflow/test_schema.py",
    "hndesc.workflow.sections.descriptors": "tests/workflow/test_config.py and tests/workflow/test_schema.py",
    "hndesc.workflow.sections.keypoints": "tests/workflow/test_config.py and tests/workflow/test_schema.py",
    "hndesc.workflow.sections.stylization": "tests/workflow/test_config.py and tests/workflow/test_schema.py",
}


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Return the modules of the package below `root`, by their dotted names."""
    paths = {path.relative_to(root).with_suffix(""): path for path in (root / "hndesc").rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in paths.items()}


def import_graph(root: Path = ROOT) -> dict[str, set[str]]:
    """Return which modules of the package each module imports, at its top or within a function.

    The package's own `__init__` is left out: Python imports it before any module, and it imports others when called.
    """
    paths = modules(root)
    paths.pop("hndesc", None)
    graph: dict[str, set[str]] = {}
    for name, path in paths.items():
        graph[name] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [
                    full if (full := f"{node.module}.{alias.name}") in paths else node.module for alias in node.names
                ]
            else:
                continue
            graph[name].update(found for found in names if found in paths)
    return graph


def upward(graph: dict[str, set[str]]) -> list[str]:
    """Return the imports of a graph that point up."""

    def level(name: str) -> int:
        return LEVELS[name.split(".")[1]]

    return [f"{name} -> {found}" for name in graph for found in graph[name] if level(found) > level(name)]


def test_no_import_points_up() -> None:
    assert upward(import_graph()) == []


def test_no_import_cycle() -> None:
    TopologicalSorter(import_graph()).prepare()


def test_nothing_but_packages_and_errors_lies_at_the_root() -> None:
    assert {path.name for path in (ROOT / "hndesc").glob("*.py")} == {"__init__.py", "errors.py"}


def test_an_upward_import_and_a_cycle_are_found(tmp_path: Path) -> None:
    for name, text in {
        "io/files.py": "def f():\n    from hndesc.cli.main import main\n",
        "cli/main.py": "import hndesc.geometry.pose\n",
        "geometry/pose.py": "from hndesc.geometry import homography\n",
        "geometry/homography.py": "from hndesc.geometry.pose import angle\n",
    }.items():
        (tmp_path / "hndesc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "hndesc" / name).write_text(text)
        (tmp_path / "hndesc" / name).with_name("__init__.py").touch()
    graph = import_graph(tmp_path)
    assert upward(graph) == ["hndesc.io.files -> hndesc.cli.main"]
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()


def test_every_module_has_a_test_module_of_its_name() -> None:
    def has_test(name: str) -> bool:
        _, *folders, leaf = name.split(".")
        return (ROOT / "tests" / Path(*folders) / f"test_{leaf}.py").is_file()

    plain = {name for name, path in modules().items() if path.name != "__init__.py"}
    untested = {name for name in plain if not has_test(name)}
    assert sorted(untested - UNMIRRORED.keys()) == []
    assert sorted(UNMIRRORED.keys() - untested) == [], "tested by now, or gone: take it out of the list"
    assert all(UNMIRRORED.values())
