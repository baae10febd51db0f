# Helpers and input functions of all rules.
import os
import re
import sys
from functools import cache

import yaml
from snakemake.exceptions import WorkflowError

# Jobs run this checkout's package, installed or not.
sys.path.insert(0, workflow.basedir)
os.environ.update(
    PYTHONPATH=os.pathsep.join(
        filter(None, [workflow.basedir, os.environ.get("PYTHONPATH")])
    )
)

if os.pathsep in workflow.basedir:
    raise WorkflowError(
        f"the checkout lies in '{workflow.basedir}', and Python's search path cannot hold a '{os.pathsep}'; move it"
    )

from hndesc.benchmarks.sequences import LARGE_SCENES
from hndesc.datasets.registry import read_registry
from hndesc.descriptors import class_file, descriptor_module, is_class
from hndesc.errors import HndescError
from hndesc.global_descriptors import GLOBAL_DESCRIPTORS
from hndesc.keypoints import DETECTORS
from hndesc.models import MODELS
from hndesc.peers import OWN_DETECTORS, WEIGHTS
from hndesc.provenance import file_hash, fingerprint
from hndesc.stylization import METHODS
from hndesc.workflow.config import read_config
from hndesc.workflow.content import folders_fingerprint
from hndesc.workflow.paths import check_classes, check_paths, named_paths


def registered_paths():
    try:
        entries = read_registry(CONFIG.get("datasets", {}).get("registry"))
    except HndescError as error:
        raise WorkflowError(f"config key datasets.registry: {error}") from None
    return {f"data/{entry.place}": name for name, entry in entries.items()}


def settings_of(config):
    """Read the configuration; what its own section `ablation` leaves out is taken from config/ablations.yaml."""
    path = os.path.join(workflow.basedir, "config", "ablations.yaml")
    with open(path, encoding="utf-8") as stream:
        ablation = yaml.safe_load(stream)["ablation"]
    try:
        read = read_config(config, ablation)
    except HndescError as error:
        raise WorkflowError(str(error)) from None
    # As it was written, without the defaults: they change no result that is there.
    return read, read.model_dump(exclude_unset=True)


SETTINGS, CONFIG = settings_of(config)

DEMO = "data/demo"
SPLIT = CONFIG.get("split") or {}
TRAINING = "training"  # the photos to train on, beside the benchmarks' image sets
PHOTOS = f"results/photos/{TRAINING}"  # links to those of them that can be used
# What the registry has, by its path in the data folder.
REGISTERED = registered_paths()
# What the published protocols do where an entry of the config is silent.
IMAGE_DEFAULTS = {
    "hpatches": {"max_keypoints": None, "resize_max": None},
    "retrieval": {"max_keypoints": 4096, "resize_max": 1024},
    "tokyo247": {"max_keypoints": 4096, "resize_max": 1024},
    "localization": {"max_keypoints": 4096, "resize_max": 1024},
}
# Benchmarks whose protocol wants images of one size and a number of keypoints.
RESIZED_KEYPOINTS = 1000
RESIZED = [
    entry["name"]
    for entry in CONFIG["benchmarks"]
    if entry.get("protocol") == "480x640"
]

NOTE = (
    "Demo: a small network trained for minutes and judged on data made from the photographs that Python packages "
    "bundle. Its numbers compare with no published ones."
    if CONFIG["photos"].startswith(f"{DEMO}/")
    and any(entry["dataset"].startswith(f"{DEMO}/") for entry in CONFIG["benchmarks"])
    else ""
)
BENCHMARKS = {entry["name"]: entry for entry in CONFIG["benchmarks"]}
DESCRIPTORS = [
    entry if isinstance(entry, str) else entry["name"]
    for entry in CONFIG["descriptors"]
]


def of_kind(*kinds):
    """Names of the benchmarks of some kinds, as a regular expression; matches nothing when there is none."""
    names = [name for name, entry in BENCHMARKS.items() if entry["kind"] in kinds]
    return "|".join(names) or "(?!)"


wildcard_constraints:
    benchmark="|".join(BENCHMARKS) or "(?!)",
    images="|".join([TRAINING, *BENCHMARKS]),


def registered(folder):
    """Names of what is yet to be fetched to a folder, as a regular expression.

    What is there has no rule: neither --forceall nor a new mirror deletes it to fetch it again.
    """
    names = [
        re.escape(name)
        for path, name in REGISTERED.items()
        if path == folder + name and not os.path.exists(path)
    ]
    return "|".join(names) or "(?!)"


@cache
def makers(path):
    """Names of the rules that make or fetch a file or folder."""
    return {rule.name for rule in workflow.rules if rule.is_producer(path)}


def check_config_paths():
    """Refuse a configuration that names what neither exists nor is made, whatever an older run has left."""
    try:
        check_paths(named_paths(SETTINGS, MODEL_FILES), REGISTERED, makers)
        check_classes(SETTINGS)
    except HndescError as error:
        raise WorkflowError(str(error)) from None


def content(*folders):
    """A params function: a fingerprint of what lies below users' folders, which input functions return.

    It takes wildcards alone, since Snakemake compares no params that are made from input. A folder that a rule makes is
    covered by its own time, but for a dataset that is fetched: once it is there, no rule makes it any more. Only the
    main process compares and records; jobs need not read the folders again.
    """

    def fingerprint_of(wildcards):
        if not workflow.is_main_process:
            return ""
        found = [folder(wildcards) for folder in folders]
        paths = [
            path for one in found for path in ([one] if isinstance(one, str) else one)
        ]
        return folders_fingerprint(
            path for path in paths if makers(path) <= {"get_dataset"}
        )

    return fingerprint_of


def photos_folder(wildcards):
    """The folder of training photos as the user has it."""
    return os.path.normpath(CONFIG["photos"])


def dataset_folder(wildcards):
    """The dataset of a benchmark as it came."""
    name = wildcards.get("images") or wildcards.benchmark
    return os.path.normpath(BENCHMARKS[name]["dataset"])


def images_folder(wildcards):
    """The photos to work on: the dataset, or what a rule makes of it."""
    name = wildcards.get("images") or wildcards.benchmark
    if name == TRAINING:
        return PHOTOS
    if BENCHMARKS[name].get("layout") == "places":
        return f"results/places/{name}"
    if name in RESIZED:
        return f"results/resized/{name}"
    return dataset_folder(wildcards)


def image_settings(wildcards):
    """Longest side and number of keypoints: the entry's, or those of its kind's protocol."""
    name = wildcards.get("images") or wildcards.benchmark
    if name == TRAINING:
        return {"max_keypoints": None, "resize_max": None}
    entry = BENCHMARKS[name]
    defaults = IMAGE_DEFAULTS[entry["kind"]]
    if name in RESIZED:
        defaults = defaults | {"max_keypoints": RESIZED_KEYPOINTS}
    return {key: entry.get(key, default) for key, default in defaults.items()}


def benchmark_settings(wildcards):
    return BENCHMARKS[wildcards.benchmark].get("settings", {})


def pair_settings(wildcards):
    return benchmark_settings(wildcards).get("pairs", {})


def figures(wildcards):
    """What the report shows."""
    of = {
        kind: [name for name, entry in BENCHMARKS.items() if entry["kind"] == kind]
        for kind in IMAGE_DEFAULTS
    }
    pieces = (
        [
            "results/tables/scores.html",
            "results/tables/scores.csv",
            "results/summary.txt",
        ]
        if BENCHMARKS
        else []
    )
    pieces += expand(
        "results/figures/{benchmark}_{what}",
        benchmark=of["hpatches"],
        what=["mma.png", "matches"],
    )
    pieces += expand(
        "results/figures/{benchmark}_localization", benchmark=of["localization"]
    )
    if any(name in MODEL_FILES for name in DESCRIPTORS):
        pieces += [
            "results/figures/training.png",
            "results/figures/training_matches.png",
            "results/figures/training_similarities.png",
        ]
        if CONFIG["training"]["stylized_probability"] > 0:
            pieces.append("results/figures/stylization.png")
    return pieces
