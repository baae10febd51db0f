"""The configuration: every setting with its type, default, bounds and help; nothing else states them."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from hndesc.errors import HndescError, reason
from hndesc.io.yaml_files import parse_yaml
from hndesc.runtime.settings import (
    Count,
    Distinct,
    InputFolder,
    LongestSide,
    Name,
    Natural,
    Settings,
    one_of,
    read_settings,
    wrong_key,
)
from hndesc.runtime.spelling import suggest
from hndesc.training.detector.settings import DetectorSection
from hndesc.training.settings import TrainingSection
from hndesc.workflow.benchmarks import Benchmark
from hndesc.workflow.sections.data import DatasetSettings, SplitSettings
from hndesc.workflow.sections.descriptors import DescriptorName, DescriptorSettings, names_of_descriptors
from hndesc.workflow.sections.keypoints import Keypoints
from hndesc.workflow.sections.stylization import Stylization

# The training images, in addition to the benchmarks' image sets.
TRAINING = "training"
# Configurations with other descriptors keep the benchmarks of config/config.yaml, which leave out this entry.
_LEFT_OUT = "trained-views"
# Folders below results of the run without a name, and the one that all runs share.
_FOLDERS = (
    *("ablation", "detector", "features", "figures", "keypoints", "localization", "logs", "neighbors", "photos"),
    *("places", "reconstruction", "resized", "retrieval", "scores", "shared", "shortlists", "stylized", "tables"),
    *("timings", TRAINING, "training_runs"),
)


class NeighborSettings(Settings):
    """The global descriptor that finds photos that look alike: retrieval shortlists, hard negatives."""

    descriptor: Annotated[str, *one_of("efficientnet_lite0", "color_gradient")] = Field(
        "efficientnet_lite0", description="global descriptor"
    )
    count: Count = Field(20, description="neighbors of each training photo")
    resize_max: LongestSide = Field(480, description="longest side of the photos, pixels; null leaves it")


class AblationRun(Settings):
    """Differences of a training from the configured one."""

    training: TrainingSection = Field(TrainingSection(), description="laid over the section training, key by key")
    stylization: Stylization | None = Field(None, description="instead of the whole section stylization")


class TrainingRunSettings(Settings):
    """A training that others start from: name it as their `weights`."""

    like: Name | None = Field(None, description="training run whose settings these are laid over; null: the section")
    training: TrainingSection = Field(TrainingSection(), description="laid over the section training, key by key")
    stylization: Stylization | None = Field(None, description="instead of the whole section stylization")


class AblationSettings(Settings):
    """Trainings that differ from the configured one, and their evaluation."""

    seeds: Annotated[list[Natural], *Distinct] | None = Field(
        None, description="each run is trained once with each; null: the configuration's own seed"
    )
    benchmarks: Annotated[list[str], *Distinct] | None = Field(
        None, description="names of benchmarks of the kind hpatches; null: all of them"
    )
    references: list[Annotated[str, *one_of("trained", "untrained", "sift", "rootsift")]] = Field(
        [], description="further descriptors to evaluate"
    )
    runs: Annotated[dict[Name, AblationRun | None], Field(min_length=1)] = Field(
        description="by name; null takes one out"
    )


class Config(Settings):
    """A configuration: config/config.yaml, and what is laid over it."""

    run: Name | None = Field(
        None, description="name of the run: its results are below results/<run>; null: directly below results"
    )
    seed: Natural = Field(description="of everything random, but for the split")
    datasets: DatasetSettings = Field(DatasetSettings(), description="where registered datasets come from")
    split: SplitSettings | None = Field(None, description="photos that are split into those to train on and others")
    photos: InputFolder = Field(description="folder of training photos, searched with all its sub-folders")
    styles: InputFolder = Field(description="folder of style photographs, one sub-folder a class")
    keypoints: Keypoints = Field(description="the keypoints that all descriptors share")
    stylization: Stylization = Field(description="how copies of the training photos in another light are made")
    neighbors: NeighborSettings = Field(description="what finds photos that look alike")
    training: TrainingSection = Field(description="what is trained, and how")
    training_runs: dict[Name, TrainingRunSettings] = Field(
        {}, description="trainings before the configured one, by name; a name as `weights` is its model"
    )
    detector_training: DetectorSection = Field(
        DetectorSection(), description="training of the detector hndesc, for `keypoints.weights: trained`"
    )
    descriptors: Annotated[list[DescriptorName | DescriptorSettings], Field(min_length=1)] = Field(
        description="which descriptors are evaluated; results/<benchmark>.txt are the scores of the first"
    )
    benchmarks: list[Benchmark] = Field(description="on what they are evaluated")
    ablation: AblationSettings = Field(description="trainings that differ from the configured one")

    @model_validator(mode="after")
    def _names(self) -> Self:
        if self.run is not None and self.run.lower() in _FOLDERS:
            raise wrong_key("run", f"must not be '{self.run}', a folder of the run without a name; choose another")
        names = [entry.name for entry in self.benchmarks]
        _check_distinct("benchmarks", names)
        _check_distinct("descriptors", [entry if isinstance(entry, str) else entry.name for entry in self.descriptors])
        self._check_left_out()
        for name, why in ((TRAINING, "the name of the training photos"), ("summary", "whose file holds all scores")):
            if name in map(str.lower, names):
                raise wrong_key("benchmarks", f"must not have an entry named '{name}', {why}")
        for name, run in self.training_runs.items():
            if run.like is not None and run.like not in self.training_runs:
                key, known = f"training_runs.{name}.like", ", ".join(self.training_runs)
                raise wrong_key(
                    key, f"is '{run.like}'{suggest(run.like, self.training_runs)}; the training runs are: {known}"
                )
        for name in self.ablation.benchmarks or ():
            if name not in (sequences := [one.name for one in self.benchmarks if one.kind == "hpatches"]):
                raise wrong_key(
                    "ablation.benchmarks",
                    f"has '{name}', and no benchmark of the kind hpatches has that name{suggest(name, sequences)}",
                )
        return self

    def _check_left_out(self) -> None:
        names = [entry if isinstance(entry, str) else entry.name for entry in self.descriptors]
        known = list(dict.fromkeys([*names, *names_of_descriptors(), _LEFT_OUT]))
        for benchmark in self.benchmarks:
            key, left_out = f"benchmarks ({benchmark.name}).without", benchmark.without or []
            for name in left_out:
                if name not in known:
                    raise wrong_key(key, f"has '{name}', which is no descriptor{suggest(name, known)}")
            if set(names) <= set(left_out):
                raise wrong_key(key, "leaves no descriptor to evaluate; leave out fewer, or remove the benchmark")


def _check_distinct(key: str, names: list[str]) -> None:
    for name in names:
        if [one.lower() for one in names].count(name.lower()) > 1:  # files are named so; some systems ignore case
            raise wrong_key(key, f"has two entries named '{name}'; rename one")


def read_files(paths: Iterable[str | os.PathLike]) -> list[dict[str, Any]]:
    """Return the content of each configuration file.

    Raises:
        HndescError: a file that cannot be read, is no section in YAML or JSON, or has a key twice, of which Snakemake
            would silently take the last.
    """
    found = []
    for path in paths:
        try:
            values = parse_yaml(Path(path).read_text(encoding="utf-8-sig"), path)
        except OSError as error:
            raise HndescError(f"{path}: cannot be read as a configuration ({reason(error)})") from None
        except UnicodeDecodeError:
            raise HndescError(f"{path}: not UTF-8; save this configuration as UTF-8 text") from None
        if not isinstance(values, dict):
            raise HndescError(f"{path}: not a section of settings")
        found.append(values)
    return found


def read_config(values: Mapping[str, Any], ablation: Mapping[str, Any]) -> Config:
    """Return the configuration.

    Args:
        values: config/config.yaml and what is laid over it.
        ablation: the section `ablation` of config/ablations.yaml, for what the configuration leaves out of its own.

    Raises:
        HndescError: one line that names the key that is wrong, and what is known there.
    """
    own = values.get("ablation", {}) if isinstance(values, Mapping) else None
    if isinstance(own, Mapping):
        values = {**values, "ablation": {**ablation, **own}}
    return read_settings(Config, values, "config key")
