# Helpers: which photos of a benchmark are worked on, in how many shards, and what makes a shortlist.

# Descriptors of a benchmark's images are made in so many jobs.
SHARDS = {
    name: entry["shards"]
    for name, entry in BENCHMARKS.items()
    if entry.get("shards", 1) > 1
}


wildcard_constraints:
    part=r"\d+-of-\d+",


def entry_of(wildcards):
    return BENCHMARKS.get(wildcards.get("images") or wildcards.benchmark, {})


def sequence_layout(wildcards):
    """How a set of sequences is laid out, where the config tells; resized copies are always told by their table."""
    entry = entry_of(wildcards)
    return None if entry.get("name") in RESIZED else entry.get("layout")


def sequence_selection(wildcards):
    """Of homography sequences, the very large ones have no features unless they are scored."""
    entry = entry_of(wildcards)
    if entry.get("kind") != "hpatches":
        return {}
    large = entry.get("settings", {}).get("large_scenes", False)
    return {
        "layout": sequence_layout(wildcards),
        "leave_out": () if large else LARGE_SCENES,
    }


def hpatches_settings(wildcards):
    """The protocol stands beside the settings of scoring, since images and keypoints depend on it."""
    entry = BENCHMARKS[wildcards.benchmark]
    return {
        "protocol": entry.get("protocol", "full"),
        "layout": sequence_layout(wildcards),
        **benchmark_settings(wildcards),
    }


def photo_selection(wildcards):
    """Settings of hndesc.photos.select_photos, apart from files."""
    entry = entry_of(wildcards)
    return {
        "kind": entry.get("kind", "folder"),
        "top": entry.get("settings", {}).get("top", 100),
        "part": wildcards.get("part"),
        **sequence_selection(wildcards),
    }


def distractors(wildcards):
    """The folder of photos that enlarge the database of a retrieval set, if there is one."""
    entry = entry_of(wildcards)
    if "distractors" not in entry:
        return []
    return os.path.normpath(entry["distractors"])


def put_forward(wildcards):
    """The shortlist, where only what it puts forward gets local features."""
    entry = entry_of(wildcards)
    if not entry.get("candidates_only"):
        return []
    return f"results/shortlists/{entry['name']}.h5"


def precision(wildcards):
    return entry_of(wildcards).get("precision", "float32")


def shards_of(pattern):
    """An input function: the files of all parts of a benchmark, none where it is not shared out."""

    def files(wildcards):
        count = SHARDS.get(wildcards.benchmark, 0)
        parts = [f"{number}-of-{count}" for number in range(1, count + 1)]
        return [pattern.format(**dict(wildcards.items()), part=part) for part in parts]

    return files


def shortlist_settings(wildcards):
    """What ranks the database: the entry's own settings, over those for neighbours."""
    settings = {"descriptor": CONFIG["neighbours"]["descriptor"]}
    settings |= {
        key: CONFIG["neighbours"][key]
        for key in ("resize_max",)
        if key in CONFIG["neighbours"]
    }
    own = entry_of(wildcards).get("shortlist", {})
    return settings | {
        key: own[key] for key in ("descriptor", "resize_max") if key in own
    }


def shortlist_code(wildcards):
    descriptor = shortlist_settings(wildcards)["descriptor"]
    return fingerprint("hndesc.neighbours", GLOBAL_DESCRIPTORS.module(descriptor))


def shortlist_weights(wildcards):
    """The file of the global descriptor's weights: a file, or a checkpoint of this run by its name."""
    weights = entry_of(wildcards).get("shortlist", {}).get("weights")
    return MODEL_FILES.get(weights, os.path.normpath(weights) if weights else [])


def whitening(wildcards):
    if "whitening" not in entry_of(wildcards).get("shortlist", {}):
        return []
    return f"results/shortlists/{wildcards.benchmark}.whitening.h5"


def ranked_by_others():
    """Names of the benchmarks whose shortlist is a published ranking, as a regular expression."""
    names = [
        name
        for name, entry in BENCHMARKS.items()
        if "ranking" in entry.get("shortlist", {})
    ]
    return "|".join(names) or "(?!)"


def split_folders(wildcards):
    return [os.path.normpath(path) for path in SPLIT_PHOTOS]
