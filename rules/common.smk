# The plan of the run, which is independent of Snakemake, and functions that connect the rules to it.
import atexit
import sys
from functools import cache

from snakemake.exceptions import WorkflowError

# The plan refers to rules and outputs by name.
PATHS = workflow.modifier.path_modifier
if (
    workflow.modifier.modify_rulename("all") != "all"
    or PATHS.prefix is not None
    or PATHS.modifies_prefixes
):
    raise WorkflowError(
        "as a module, hndesc keeps its rules' names and its paths: 'use rule * from hndesc', without 'as', and no 'prefix' "
        "(the key 'run' of the configuration gives a run a folder of its own)"
    )

ABLATIONS = workflow.source_path("../config/ablations.yaml")

from hndesc.detectors import DETECTORS
from hndesc.runtime.provenance import fingerprint
from hndesc.workflow.closing import closing_lines, failure_lines
from hndesc.workflow.config import TRAINING
from hndesc.workflow.plan import DEMO, Plan, pattern


def read_plan():
    try:
        return Plan.read(config, ABLATIONS)
    except HndescError as error:
        raise WorkflowError(str(error)) from None


check_config_files(workflow.configfiles)
PLAN = read_plan()
BENCHMARKS = list(PLAN.images.entries)


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
def producers(path):
    """Return the names of the rules that create a file or folder."""
    return {rule.name for rule in workflow.rules if rule.is_producer(path)}


def check_config_paths():
    """Raise an error if the configuration names a path that neither exists nor is created by a rule."""
    try:
        PLAN.check_paths(producers)
    except HndescError as error:
        raise WorkflowError(str(error)) from None


def content(*paths):
    """Return a params function: a fingerprint of users' files and folders, given by input functions.

    Snakemake alone notices neither changes within a folder, nor a file that is replaced by an older one.

    It takes only wildcards, since Snakemake does not compare params that depend on input. A downloaded dataset has no
    rule any more once it exists. Only the main process compares and records; jobs need not read the folders again.
    """

    def fingerprint_of(wildcards):
        if not workflow.is_main_process:
            return ""
        return PLAN.content(
            [path(wildcards) for path in paths],
            lambda path: not producers(path) <= {"get_dataset", "get_weights"},
        )

    return fingerprint_of


def image_set(wildcards):
    """Return the image set of a job from the wildcard of its rule."""
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


def image_selection(wildcards):
    return PLAN.images.selection(image_set(wildcards), wildcards.get("part"))


def shards_of(template):
    """Return an input function: the files of all shards of a benchmark, none if it is not sharded."""

    def files(wildcards):
        others = {key: value for key, value in wildcards.items() if key != "benchmark"}
        return PLAN.images.shards(template, wildcards.benchmark, **others)

    return files


def print_expected_training():
    """Print the expected duration of the planned trainings, if any."""
    needed = workflow.dag.needrun_jobs(exclude_finished=False)
    runs = [job.wildcards.run for job in needed if job.rule.name == "train"]
    if runs:
        print(PLAN.expectation(runs), file=sys.stderr, flush=True)


@atexit.register
def end_dry_run():
    if workflow.dag is not None and workflow.is_main_process and workflow.dryrun:
        print_expected_training()


def print_closing_lines():
    """Print the main scores and the path of the page if it is among the jobs."""
    if any(job.rule.name == "page" for job in workflow.dag.jobs):
        kinds = {name: entry.kind for name, entry in PLAN.images.entries.items()}
        print(*closing_lines(PLAN.places.results, kinds), sep="\n", flush=True)


def print_failures(logs):
    """Print the failed steps of a run, given Snakemake's logs of it: other steps may have printed much since."""
    for log in logs:
        with open(log, encoding="utf-8", errors="replace") as stream:
            lines = failure_lines(stream.read())
        print(*lines, sep="\n", file=sys.stderr, flush=True)


def scores(wildcards):
    """Return the scores of all descriptors on a benchmark."""
    return [
        f"<results>/scores/{wildcards.benchmark}/{descriptor}.json"
        for descriptor in evaluated(wildcards)
    ]


def evaluated(wildcards):
    return PLAN.descriptors.evaluated(wildcards.benchmark)


def of_first(path):
    """Return an input function for a file of the first descriptor on a benchmark."""
    return lambda wildcards: path.format(
        benchmark=wildcards.benchmark, descriptor=evaluated(wildcards)[0]
    )


def described_keypoints(wildcards):
    return PLAN.descriptors.keypoint_file(
        wildcards.benchmark, wildcards.descriptor, wildcards.get("part")
    )
