"""Which code the fingerprint of each step covers: all that the step runs, and no reader of another benchmark."""

from functools import cache

import pytest

from hndesc.datasets.kinds import KINDS
from hndesc.runtime.plugins import module_of
from hndesc.runtime.provenance import covered
from hndesc.workflow import descriptors, plan

from .planning import plan_of

# Beside hndesc.errors, hndesc.io and hndesc.runtime; a package stands for its __init__.
DETECTION = "datasets datasets.image_set detectors extraction extraction.detection extraction.processing"
DESCRIPTION = (
    f"{DETECTION} descriptors descriptors.views extraction.description extraction.extractor models models.bundled"
)
NETWORK = """
    models models.architectures models.backbone models.bundled models.checkpoint models.lite models.lite_pyramid
    models.projected models.pyramid
"""
MATCHING = """
    geometry geometry.ransac geometry.robust matching matching.matcher matching.nearest_neighbors matching.ratios
    matching.screening matching.views
"""
RERANKING = f"""
    {MATCHING}
    retrieval retrieval.inlier_counts retrieval.reranking retrieval.shortlist
"""
SEQUENCES = """
    datasets.homography datasets.homography.layouts datasets.homography.sequences datasets.homography.types
"""
SCENES = " ".join(
    f"datasets.localization{name}"
    for name in (
        *("", ".aachen", ".cameras", ".colmap", ".colmap_files", ".image_ids", ".kapture", ".posed", ".poses"),
        *(".readers", ".scene"),
    )
)
COVERED = {
    "detection in training images": f"{DETECTION} detectors.selection detectors.sift",
    "detection in hpatches": f"{DETECTION} detectors.selection detectors.sift {SEQUENCES}",
    "detection in retrieval": f"{DETECTION} detectors.selection detectors.sift datasets.revisited",
    "detection in tokyo247": f"{DETECTION} detectors.selection detectors.sift datasets.tokyo247",
    "detection in localization": f"""
        {DETECTION} detectors.selection detectors.sift datasets.localization datasets.localization.images
    """,
    "detection in reconstruction": f"{DETECTION} detectors.selection detectors.sift datasets.photo_sets",
    "description by a network": f"{DESCRIPTION} {NETWORK} descriptors.network models.inference models.sampling",
    "description by SIFT": f"{DESCRIPTION} descriptors.sift",
    "stylization": """
        geometry geometry.color stylization stylization.guided_filter stylization.methods
        stylization.monge_kantorovich stylization.styles stylization.stylize stylization.tables
    """,
    "training": f"""
        {NETWORK} datasets datasets.image_set detectors geometry geometry.homography models.initial_weights
        models.sampling retrieval
        retrieval.neighbor_table stylization stylization.tables training training.batches training.bending training.data
        training.distributed training.evaluation training.history training.losses training.negatives training.pairs
        training.photometric training.ring training.settings training.sources training.state training.train
        training.trainer training.validation_record
    """,
    "fit of a steerer after training": """
        descriptors descriptors.network descriptors.views detectors.selection detectors.sift
        extraction extraction.steerer models.inference models.keypoint_network models.release
    """,
    "scoring of hpatches": f"""
        {MATCHING} {SEQUENCES} datasets datasets.homography.resizing datasets.image_set evaluation evaluation.hpatches
        evaluation.hpatches.aggregation evaluation.hpatches.difficulty evaluation.hpatches.evaluate
        evaluation.hpatches.metrics evaluation.hpatches.pairs evaluation.hpatches.protocols
        evaluation.hpatches.ranking evaluation.hpatches.text evaluation.result geometry.homography
        geometry.repeatability
    """,
    "scoring of retrieval": f"""
        {RERANKING} datasets datasets.image_set datasets.revisited evaluation evaluation.result evaluation.retrieval
        evaluation.retrieval.average_precision evaluation.retrieval.reranked evaluation.retrieval.revisited
    """,
    "scoring of tokyo247": f"""
        {RERANKING} datasets datasets.image_set datasets.tokyo247 evaluation evaluation.result evaluation.retrieval
        evaluation.retrieval.reranked evaluation.retrieval.tokyo247
    """,
    "scoring of reconstruction": f"""
        {MATCHING} {SCENES} datasets datasets.image_set datasets.localization.pycolmap_border datasets.photo_sets
        evaluation evaluation.localization evaluation.localization.metrics evaluation.reconstruction
        evaluation.reconstruction.evaluate evaluation.reconstruction.metrics evaluation.result
        geometry.epipolar geometry.pose
        localization localization.database localization.matches reconstruction reconstruction.build
        reconstruction.cameras reconstruction.mapping
    """,
    "scoring of localization": f"""
        {MATCHING} {SCENES} datasets datasets.localization.pycolmap_border evaluation evaluation.localization
        evaluation.localization.evaluate evaluation.localization.metrics evaluation.result geometry.pose
        localization localization.database localization.mapping localization.matches localization.pnp
        localization.queries localization.registration
    """,
}
# The modules that read a benchmark's files, by its kind.
READERS = {kind: {module_of(entry.images), module_of(entry.score)} for kind, entry in KINDS.items()}


@cache
def coverage() -> dict[str, frozenset[str]]:
    """Return the modules that the fingerprint of each step covers, by the plan of a run with a benchmark a kind."""
    benchmarks = [{"name": kind, "kind": kind, "dataset": "data/any"} for kind in KINDS]
    with pytest.MonkeyPatch.context() as patch:
        for module in (plan, descriptors):
            patch.setattr(module, "fingerprint", lambda *names: frozenset(covered(*names)))
        made = plan_of(benchmarks=benchmarks, descriptors=["trained", "sift"], training={"steerer": False})
        images, keypoints = made.images, made.descriptors
        found = {"detection in training images": keypoints.detector_code("", images.listing("training"))}
        for kind in KINDS:
            found[f"detection in {kind}"] = keypoints.detector_code("", images.listing(kind))
            found[f"scoring of {kind}"] = made.scoring_code(kind)
        found["description by a network"] = keypoints.code("trained", images.listing("training"))
        found["description by SIFT"] = keypoints.code("sift", images.listing("training"))
        found["stylization"] = made.stylization_code(made.runs.configured_stylization)
        found["training"] = made.training_code("training")
        steered = plan_of(training={"steerer": True}).training_code("training")
        found["fit of a steerer after training"] = steered - found["training"]
    return found


def own(modules: frozenset[str]) -> set[str]:
    names = {name.removeprefix("hndesc.") for name in modules}
    return {name for name in names if name.split(".")[0] not in ("errors", "io", "runtime")}


@pytest.mark.parametrize("step", COVERED)
def test_a_fingerprint_covers_these_modules_and_no_others(step: str) -> None:
    assert own(coverage()[step]) == set(COVERED[step].split())


def test_every_step_of_the_plan_is_listed() -> None:
    assert coverage().keys() == COVERED.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_reader_of_a_benchmark_counts_in_the_steps_of_that_benchmark_alone(kind: str) -> None:
    others = {reader for other, readers in READERS.items() if other != kind for reader in readers}
    for step, modules in coverage().items():
        assert not modules & (others if step.endswith(kind) else READERS[kind]), step
    assert READERS[kind] <= coverage()[f"scoring of {kind}"] | coverage()[f"detection in {kind}"]
