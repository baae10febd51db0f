# The plan of the run, which knows nothing of Snakemake, and what ties the rules to it.
import atexit
import os
import sys
from functools import cache

from snakemake.exceptions import WorkflowError

if os.pathsep in workflow.basedir:
    raise WorkflowError(
        f"the checkout lies in '{workflow.basedir}', and Python's search path cannot hold a '{os.pathsep}'; move it"
    )
# Jobs run this checkout's package, installed or not.
sys.path.insert(0, workflow.basedir)
os.environ.update(
    PYTHONPATH=os.pathsep.join(
        filter(None, [workflow.basedir, os.environ.get("PYTHONPATH")])
    )
)

from hndesc.errors import HndescError
from hndesc.detectors import DETECTORS
from hndesc.runtime.provenance import fingerprint
from hndesc.workflow.config import TRAINING, read_files
from hndesc.workflow.plan import DEMO, Plan, pattern


def read_plan():
    try:
        if (
            workflow.is_main_process
        ):  # Snakemake has read them, but of a key that is there twice it took the last
            read_files(workflow.configfiles)
        return Plan.read(config, workflow.basedir)
    except HndescError as error:
        raise WorkflowError(str(error)) from None


PLAN = read_plan()
BENCHMARKS = list(PLAN.images.entries)
DESCRIPTORS = PLAN.descriptors.names


pathvars:
    results=PLAN.places.results,
    shared=PLAN.places.shared,


wildcard_constraints:
    benchmark=pattern(BENCHMARKS),
    keypoints=pattern(PLAN.descriptors.keypoint_files),
    prepared=pattern(PLAN.images.prepared),
    run=pattern(PLAN.runs.runs),
    stylization=pattern(PLAN.runs.stylizations),
    descriptor=pattern(PLAN.descriptors.known),
    part=r"\d+-of-\d+",


@cache
def makers(path):
    """Names of the rules that make or fetch a file or folder."""
    return {rule.name for rule in workflow.rules if rule.is_producer(path)}


def check_config_paths():
    """Refuse a configuration that names what neither exists nor is made, whatever an older run has left."""
    try:
        PLAN.check_paths(makers)
    except HndescError as error:
        raise WorkflowError(str(error)) from None


def content(*paths):
    """A params function: a fingerprint of users' files and of what lies below their folders, which input functions
    return. Snakemake alone sees neither what changes below a folder, nor a file that an older one has replaced.

    It takes wildcards alone, since Snakemake compares no params that are made from input. A dataset that is fetched has
    no rule any more once it is there. Only the main process compares and records; jobs need not read the folders again.
    """

    def fingerprint_of(wildcards):
        if not workflow.is_main_process:
            return ""
        return PLAN.content(
            [path(wildcards) for path in paths],
            lambda path: not makers(path) <= {"get_dataset", "get_weights"},
        )

    return fingerprint_of


def image_set(wildcards):
    """The set of images that a job works on, by whichever wildcard its rule has."""
    if "keypoints" in wildcards.keys():
        return PLAN.descriptors.keypoint_files[wildcards.keypoints][0]
    if "prepared" in wildcards.keys():
        return PLAN.images.prepared[wildcards.prepared]
    return wildcards.benchmark


def keypoint_set(wildcards):
    return PLAN.descriptors.keypoint_files[wildcards.keypoints][1]


def images_folder(wildcards):
    return PLAN.images.folder(image_set(wildcards))


def dataset_folder(wildcards):
    return PLAN.images.dataset(image_set(wildcards))


def distractors(wildcards):
    return PLAN.images.distractors(image_set(wildcards))


def shortlisted(wildcards):
    return PLAN.images.shortlisted(image_set(wildcards))


def photo_selection(wildcards):
    return PLAN.images.selection(image_set(wildcards), wildcards.get("part"))


def shards_of(template):
    """An input function: the files of all parts of a benchmark, none where it is not divided."""

    def files(wildcards):
        others = {key: value for key, value in wildcards.items() if key != "benchmark"}
        return PLAN.images.shards(template, wildcards.benchmark, **others)

    return files


def announce_training():
    """Say at the end of a dry run what its trainings will take."""
    dag = workflow.dag
    if dag is None or not (workflow.is_main_process and workflow.dryrun):
        return
    needed = dag.needrun_jobs(exclude_finished=False)
    runs = [job.wildcards.run for job in needed if job.rule.name == "train"]
    if runs:
        print(PLAN.expectation(runs), file=sys.stderr)


atexit.register(announce_training)


def described_keypoints(wildcards):
    return PLAN.descriptors.keypoint_file(
        wildcards.benchmark, wildcards.descriptor, wildcards.get("part")
    )
