"""The chain on a real Slurm: everything comes out as on this machine, whatever happens to jobs and nodes."""

import json
import re
import shutil
from pathlib import Path

import pytest

from ..conftest import TINY, Checkout
from .cluster import SlurmCluster
from .conftest import ClusterRun, start

pytestmark = [pytest.mark.workflow, pytest.mark.slurm, pytest.mark.slow]

MODEL = "results/training/model.safetensors"
TARGETS = ("results/hpatches.txt", "results/scores/hpatches/sift.json")


@pytest.fixture(scope="module")
def disturbed(cluster: SlurmCluster, finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> ClusterRun:
    """A run in which a job is cancelled, the training outruns its time, and a node is drained and lost."""
    checkout = finished.copy(tmp_path_factory.mktemp("slurm") / "hndesc")
    shutil.rmtree(checkout.path("results"))
    run = start(cluster, checkout, *TARGETS)
    try:
        cancelled = run.job("rule_detect_keypoints")
        cluster.ask("scancel", str(cancelled.number))

        state = checkout.path("results/training/state/state.pt")
        training = run.job("rule_train", ready=state.exists)
        cluster.ask("scancel", "--signal=STOP", str(training.number))  # so slow that its time runs out
        cluster.ask("scontrol", "update", f"JobId={training.number}", "EndTime=now")

        lost = run.job("rule_describe_keypoints_wildcards_hpatches_trained")
        cluster.set_node(lost.node, "drain")
        cluster.set_node(lost.node, "down")
        run.wait()
        cluster.set_node(lost.node, "resume")
    finally:
        run.process.terminate()
    return run


def states(run: ClusterRun, comment: str) -> list[str]:
    return [job.state for job in run.cluster.jobs() if job.comment == comment]


def test_results_equal_those_of_this_machine(disturbed: ClusterRun, finished: Checkout) -> None:
    for name in (MODEL, "results/hpatches.txt"):
        assert disturbed.checkout.path(name).read_bytes() == finished.path(name).read_bytes(), name
    for name in ("results/hpatches.json", TARGETS[1]):
        assert json.loads(disturbed.checkout.path(name).read_text()) == json.loads(finished.path(name).read_text())


def test_cancelled_job_was_submitted_again(disturbed: ClusterRun) -> None:
    of_detection = {job.comment for job in disturbed.cluster.jobs() if job.comment.startswith("rule_detect_keypoints")}
    found = [states(disturbed, comment) for comment in of_detection]
    assert ["CANCELLED", "COMPLETED"] in found
    assert all(one[-1] == "COMPLETED" for one in found)


def test_training_that_outran_its_time_went_on(disturbed: ClusterRun) -> None:
    assert states(disturbed, "rule_train_wildcards_training") == ["TIMEOUT", "COMPLETED"]
    log = disturbed.checkout.path("results/logs/train/training.log").read_text()
    assert re.search(r"training resumes from step \d+,", log), log


def test_job_of_a_lost_node_ran_on_another(disturbed: ClusterRun) -> None:
    comment = "rule_describe_keypoints_wildcards_hpatches_trained"
    first, second = (job for job in disturbed.cluster.jobs() if job.comment == comment)
    assert (first.state, second.state) == ("NODE_FAIL", "COMPLETED")
    assert first.node != second.node


def test_jobs_that_can_use_a_gpu_ran_where_there_are_some(disturbed: ClusterRun) -> None:
    partitions = {job.comment: job.partition for job in disturbed.cluster.jobs()}
    of_networks = {"rule_train_wildcards_training", "rule_describe_keypoints_wildcards_hpatches_trained"}
    assert {comment for comment, partition in partitions.items() if partition == "gpu"} == of_networks
    assert {"cpu", "gpu"} == set(partitions.values())


PICTURES = ("results/figures/training.png", "results/figures/stylization.png")


def test_several_gpus_for_training_and_one_job_for_images(
    cluster: SlurmCluster, finished: Checkout, tmp_path: Path
) -> None:
    checkout = finished.copy(tmp_path / "hndesc")
    for name in PICTURES:
        checkout.path(name).unlink()
    overlay = tmp_path / "pairs.yaml"
    overlay.write_text(TINY.read_text().replace("steps: 24", "steps: 4").replace("batch_size: 3", "batch_size: 4"))
    run = start(cluster, checkout, *PICTURES, "--set-resources", "train:gpu=2", configfile=overlay)
    try:
        training = run.job("rule_train")
        granted = cluster.ask("scontrol", "show", "job", str(training.number))
        run.wait()
    finally:
        run.process.terminate()
    assert re.search(r"NumNodes=1 NumCPUs=2 NumTasks=1 CPUs/Task=2 ", granted), granted
    assert "TresPerJob=gres:gpu:2" in granted
    assert "training in 2 processes" in checkout.path("results/logs/train/training.log").read_text()
    figures = [job.comment for job in cluster.jobs() if job.comment.startswith("rule_figure")]
    assert figures == ["rule_figure_plot_stylization_plot_training"]
    assert all(checkout.path(name).stat().st_size > 10_000 for name in PICTURES)
