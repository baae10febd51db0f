# Helpers: the entries of the config's descriptors: what each is made of, and at which keypoints.

from hndesc.weights import shipped_models

SHIPPED = shipped_models()
ENTRIES = {
    name: {"name": name} if isinstance(entry, str) else entry
    for name, entry in zip(DESCRIPTORS, CONFIG["descriptors"])
}
if len(ENTRIES) < len(DESCRIPTORS):
    raise WorkflowError("config key descriptors: two entries have the same name")


def entry_named(name):
    """An entry; what is judged beside them is at the shared keypoints."""
    return ENTRIES.get(name, {"name": name})


def kind_of(entry):
    """What an entry describes with: a name, a checkpoint, or a class."""
    kind = entry.get("descriptor", entry["name"])
    known = (
        kind in DESCRIPTOR_KINDS
        or kind in MODEL_FILES
        or kind in SHIPPED
        or kind.endswith(".safetensors")
        or is_class(kind)
    )
    if not known:
        names = ["trained", "initial", *DESCRIPTOR_KINDS, *SHIPPED]
        raise WorkflowError(
            f"config key descriptors: '{kind}' is no descriptor; give the entry a key descriptor "
            f"({', '.join(names)}, a .safetensors file or module:Class) or features"
        )
    return kind


def keypoints_of(entry):
    """The settings of an entry's keypoints, in the form of the section keypoints."""
    chosen = entry.get("keypoints", "shared")
    if chosen == "shared":
        settings = CONFIG["keypoints"]
    elif chosen == "own":
        kind = kind_of(entry)
        if kind not in OWN_DETECTORS:
            raise WorkflowError(
                f"config key descriptors ({entry['name']}): '{kind}' has no detector of its own; name one, as in "
                "keypoints: {detector: sift}"
            )
        settings = {"detector": OWN_DETECTORS[kind]}
        if "weights" in entry:
            settings["weights"] = entry["weights"]
    else:
        settings = chosen
    return settings | {key: entry[key] for key in ("max_keypoints",) if key in entry}


def keypoint_sets():
    """Sets of keypoints, each made once: what is added to the name of a file -> settings."""
    sets = {"": CONFIG["keypoints"]}
    for name, entry in ENTRIES.items():
        if "features" in entry:
            continue
        kind_of(entry)  # a wrong one ends it here
        if keypoints_of(entry) not in sets.values():
            sets[f"@{name}"] = keypoints_of(entry)
    return sets


DESCRIPTOR_KINDS = sorted(OWN_DETECTORS)
KEYPOINT_SETS = keypoint_sets()


wildcard_constraints:
    points=f"({'|'.join(KEYPOINT_SETS)})",


def keypoint_file(wildcards):
    """The keypoints that a descriptor describes: those of all photos, or of a part of them."""
    settings = keypoints_of(entry_named(wildcards.descriptor))
    points = next(name for name, known in KEYPOINT_SETS.items() if known == settings)
    part = f".{wildcards.part}" if "part" in wildcards.keys() else ""
    return f"results/keypoints/{wildcards.benchmark}{points}{part}.h5"


def weights_file(path, method):
    """A file of weights: the one that the config names, or the published one; none for what has none."""
    if path is None:
        return f"data/weights/{WEIGHTS[method]}" if method in WEIGHTS else []
    return os.path.normpath(path)


def detected_by(wildcards):
    return KEYPOINT_SETS[wildcards.points]["detector"]


def detector_weights(wildcards):
    settings = KEYPOINT_SETS[wildcards.points]
    return weights_file(settings.get("weights"), settings["detector"])


def detector_settings(wildcards):
    """The settings of keypoints: the benchmark's, under those of the set."""
    own = KEYPOINT_SETS[wildcards.points].items()
    return image_settings(wildcards) | {
        key: value for key, value in own if key not in ("detector", "weights")
    }


def detector_code(wildcards):
    return fingerprint("hndesc.extraction", DETECTORS.module(detected_by(wildcards)))


def described_by(wildcards):
    return kind_of(entry_named(wildcards.descriptor))


def model_file(wildcards):
    """The checkpoint that a descriptor needs; none for others."""
    kind = described_by(wildcards)
    if kind in MODEL_FILES:
        return MODEL_FILES[kind]
    if kind in SHIPPED:
        return str(SHIPPED[kind])
    if not kind.endswith(".safetensors"):
        return []
    return os.path.normpath(kind)


def descriptor_weights(wildcards):
    """The file of a descriptor's weights: the entry's, that of keypoints by the same method, or the published one."""
    entry = entry_named(wildcards.descriptor)
    points = keypoints_of(entry)
    path = entry.get("weights")
    if path is None and points["detector"] == described_by(wildcards):
        path = points.get("weights")
    return weights_file(path, described_by(wildcards))


def descriptor_settings(wildcards):
    return entry_named(wildcards.descriptor).get("settings", {})


def descriptor_code(wildcards):
    """Fingerprint of what describes keypoints: for a network its backbone, for a class its file, too."""
    kind = described_by(wildcards)
    run = MODEL_RUNS.get(kind)
    if run is not None:
        architecture = RUNS[run]["training"]["architecture"]
        backbone = MODELS.module(architecture)
        return fingerprint("hndesc.extraction", "hndesc.descriptors.network", backbone)
    code = fingerprint("hndesc.extraction", descriptor_module(kind))
    return f"{code} {file_hash(class_file(kind))}" if is_class(kind) else code


def described():
    """Names of the entries that keypoints are described for, as a regular expression."""
    names = [name for name, entry in ENTRIES.items() if "features" not in entry]
    return "|".join(map(re.escape, [*names, *MODEL_FILES]))


def imported():
    """Names of the entries that are existing features, as a regular expression."""
    names = [name for name, entry in ENTRIES.items() if "features" in entry]
    return "|".join(names) or "(?!)"


def imported_features(wildcards):
    path = ENTRIES[wildcards.descriptor]["features"]
    return os.path.normpath(path.replace("{benchmark}", wildcards.benchmark))
