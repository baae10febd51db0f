"""The descriptors of a configuration: what each is made of, and which keypoints it describes."""

import os
from typing import Any

from hndesc.descriptors import class_file, descriptor_module, is_class
from hndesc.detectors import DETECTORS
from hndesc.errors import HndescError
from hndesc.models.architectures import MODELS
from hndesc.models.bundled import DETECTOR, bundled_models
from hndesc.pretrained.baselines import OWN_DETECTORS, WEIGHTS
from hndesc.runtime.provenance import file_hash, fingerprint
from hndesc.workflow.config import TRAINING, Config
from hndesc.workflow.image_sets import ImageSets
from hndesc.workflow.places import Places
from hndesc.workflow.sections.descriptors import DescriptorSettings
from hndesc.workflow.sections.keypoints import TRAINED_DETECTOR
from hndesc.workflow.training_runs import TrainingRuns


class Descriptors:
    """The entries of the configuration, and further descriptors evaluated at the shared keypoints.

    Attributes:
        entries: by name.
        keypoint_sets: sets of keypoints, each made once: what is added to the name of a file -> settings.
        keypoint_files: the names of their files, one for each set of images -> (set of images, set of keypoints).
    """

    def __init__(self, config: Config, runs: TrainingRuns, images: ImageSets, places: Places) -> None:
        self.config, self.runs, self.images, self.places = config, runs, images, places
        self.bundled = {name: str(path) for name, path in bundled_models().items()}
        given = [DescriptorSettings(name=one) if isinstance(one, str) else one for one in config.descriptors]
        self.entries = {entry.name: entry for entry in given}
        self.keypoint_sets = {"": config.keypoints.model_dump(exclude_unset=True)}
        for name, entry in self.entries.items():
            if entry.features is None and self.keypoints(name) not in self.keypoint_sets.values():
                self.keypoint_sets[f"@{name}"] = self.keypoints(name)
        for detector in runs.detectors:
            if self.trained_at(detector) not in self.keypoint_sets.values():
                self.keypoint_sets[f"@training-{detector}"] = self.trained_at(detector)
        pairs = [(name, points) for name in images.names for points in self.keypoint_sets]
        self.keypoint_files = {self._keypoint_name(*pair): pair for pair in pairs}

    @property
    def names(self) -> list[str]:
        """Names of the entries, in their order."""
        return list(self.entries)

    def evaluated(self, benchmark: str) -> list[str]:
        """Return the names of the entries that are evaluated on a benchmark, in their order."""
        left_out = self.images.entries[benchmark].without or []
        return [name for name in self.entries if name not in left_out]

    @property
    def known(self) -> list[str]:
        """Names of all that can be described: the entries, and the models of this configuration."""
        return list(dict.fromkeys([*self.entries, *self.runs.checkpoints]))

    @property
    def imported(self) -> list[str]:
        """Names of the entries that are existing features."""
        return [name for name, entry in self.entries.items() if entry.features is not None]

    @property
    def described(self) -> list[str]:
        """Names of those that keypoints are described for."""
        return [name for name in self.known if name not in self.imported]

    def kind(self, name: str) -> str:
        """Return what an entry describes with: a name, a checkpoint or a class."""
        return self.entries[name].kind if name in self.entries else name

    def keypoints(self, name: str) -> dict[str, Any]:
        """Return the settings of an entry's keypoints, in the form of the section keypoints.

        Raises:
            HndescError: its own keypoints are requested, and it has no detector.
        """
        shared = self.config.keypoints.model_dump(exclude_unset=True)
        entry = self.entries.get(name)
        if entry is None:
            return shared
        if entry.keypoints == "shared":
            settings = shared
        elif isinstance(entry.keypoints, str):  # "own"
            settings = self._own_keypoints(entry)
        else:
            settings = entry.keypoints.model_dump(exclude_unset=True)
        return settings | entry.model_dump(include={"max_keypoints"}, exclude_unset=True)

    def _own_keypoints(self, entry: DescriptorSettings) -> dict[str, Any]:
        if entry.kind not in OWN_DETECTORS:
            raise HndescError(
                f"config key descriptors ({entry.name}): '{entry.kind}' has no detector of its own; name one, as in "
                "keypoints: {detector: sift}"
            )
        weights = {} if entry.weights is None else {"weights": entry.weights}
        return {"detector": OWN_DETECTORS[entry.kind]} | weights

    def trained_at(self, detector: str) -> dict[str, Any]:
        """Return the settings of a detector whose keypoints are trained at: those of the section, or the defaults."""
        shared = self.config.keypoints
        return shared.model_dump(exclude_unset=True) if shared.detector == detector else {"detector": detector}

    def training_keypoints(self, run: str) -> list[str]:
        """Return the files of the keypoints that a training draws its pairs at."""
        detectors = self.runs.runs[run].settings.detectors or [self.config.keypoints.detector]
        return [self._file_of(TRAINING, self.trained_at(detector)) for detector in detectors]

    def keypoint_file(self, benchmark: str, name: str, part: str | None = None) -> str:
        """Return the keypoints that a descriptor describes: those of all images, or of a part of them."""
        return self._file_of(benchmark, self.keypoints(name), part)

    def _file_of(self, images: str, settings: dict[str, Any], part: str | None = None) -> str:
        points = next(points for points, known in self.keypoint_sets.items() if known == settings)
        return self.keypoints_of_images(images, points, part)

    def keypoints_of_images(self, images: str, points: str = "", part: str | None = None) -> str:
        """Return the file of a set of keypoints of a set of images."""
        name = self._keypoint_name(images, points)
        return f"{self.places.shared}/keypoints/{name}{f'.{part}' if part else ''}.h5"

    def _keypoint_name(self, images: str, points: str) -> str:
        chosen = {key: value for key, value in self.images.selection(images).items() if key != "top"}
        sources = [self.images.folder(images), self.images.distractors(images), chosen]
        made_by = [self.detector_settings(points, self.images.settings(images)), self.detector(points)]
        # What a shortlist of this run selects is of no use to others.
        own = self.places.results if self.images.shortlisted(images) else None
        weights, title = self.detector_weights(points), self.images.title(images)
        return self.places.label(f"{images}{points}", sources, made_by, weights, own, title=title)

    def detector(self, points: str) -> str:
        """Return the detector of a set of keypoints."""
        return self.keypoint_sets[points]["detector"]

    def detector_weights(self, points: str) -> str | list[str]:
        """Return the file of a detector's weights, if it has any."""
        detector, weights = self.detector(points), self.keypoint_sets[points].get("weights")
        if detector == "hndesc" and weights in (None, TRAINED_DETECTOR):
            return str(DETECTOR) if weights is None else f"{self.places.results}/detector/hndesc.safetensors"
        return _weights_file(weights, detector)

    def detector_settings(self, points: str, images: dict[str, Any]) -> dict[str, Any]:
        """Return the settings of detection: those of the images, under those of the set of keypoints."""
        own = self.keypoint_sets[points].items()
        return images | {key: value for key, value in own if key not in ("detector", "weights")}

    def detector_code(self, points: str, listing: str) -> str:
        """Return the fingerprint of what detects keypoints in the images that the module `listing` lists."""
        return fingerprint("hndesc.extraction.detection", listing, DETECTORS.module(self.detector(points)))

    def model(self, name: str) -> str | list[str]:
        """Return the checkpoint that a descriptor needs; none for others."""
        kind = self.kind(name)
        known = self.runs.checkpoints | self.bundled
        if kind in known:
            return known[kind]
        return os.path.normpath(kind) if kind.endswith(".safetensors") else []

    def weights(self, name: str) -> str | list[str]:
        """Return a descriptor's weights: the entry's, those of keypoints by the same method, or the published ones."""
        entry, points = self.entries.get(name), self.keypoints(name)
        path = entry.weights if entry else None
        if path is None and points["detector"] == self.kind(name):
            path = points.get("weights")
        return _weights_file(path, self.kind(name))

    def files(self, name: str) -> list[str]:
        """Return the files that make a descriptor: its weights, or a checkpoint with its card."""
        model, weights = self.model(name), self.weights(name)
        card = [model.removesuffix(".safetensors") + ".json"] if isinstance(model, str) else []
        return [path for path in (model, *card, weights) if isinstance(path, str)]

    def settings(self, name: str) -> dict[str, Any]:
        """Return further arguments of a descriptor's class."""
        return dict(self.entries[name].settings) if name in self.entries else {}

    def views(self, name: str) -> bool:
        """Return whether an entry's keypoints are described in further views of the images."""
        return name in self.entries and self.entries[name].views

    def code(self, name: str, listing: str) -> str:
        """Return the fingerprint of what describes keypoints: of a network its backbone, of a class its file, too.

        Args:
            name: of the descriptor.
            listing: the module that lists the images.
        """
        kind = self.kind(name)
        if kind in self.runs.of_descriptor:
            backbone = MODELS.module(self.runs.architecture(self.runs.of_descriptor[kind]))
            return fingerprint("hndesc.extraction.description", listing, "hndesc.descriptors.network", backbone)
        code = fingerprint("hndesc.extraction.description", listing, descriptor_module(kind))
        return f"{code} {file_hash(class_file(kind))}" if is_class(kind) else code

    def features(self, benchmark: str, name: str) -> str:
        """Return the existing file that an entry imports."""
        path = self.entries[name].features
        assert path is not None  # only those that are imported have such a file
        return os.path.normpath(path.replace("{benchmark}", benchmark))


def _weights_file(path: str | None, method: str) -> str | list[str]:
    """Return a file of weights: the one that is named, or the published one; none for what has none."""
    if path is None:
        return f"data/weights/{WEIGHTS[method]}" if method in WEIGHTS else []
    return os.path.normpath(path)
