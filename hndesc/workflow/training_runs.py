"""Trainings: the configured one and the variants of an ablation, which differ from it by overrides."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hndesc.datasets.fetch.registry import Entry
from hndesc.errors import HndescError
from hndesc.runtime.settings import read_settings
from hndesc.stylization import methods_of, needs_styles
from hndesc.training.estimate import expect_training
from hndesc.training.settings import TrainingSettings
from hndesc.workflow.config import TRAINING, Config
from hndesc.workflow.places import Places
from hndesc.workflow.sections.descriptors import TRAINED, UNTRAINED

_STARTS = (None, "imagenet", "random")  # of a training, other than a file


def overlaid(base: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with others laid over them, section by section."""
    merged = dict(base)
    for key, value in overrides.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = overlaid(merged[key], value) if both else value
    return merged


def stylization_name(settings: Mapping[str, Any]) -> str:
    """Return the name of the folder of copies made with these settings: the method, and a hash of what else is set."""
    rest = {key: value for key, value in settings.items() if key not in ("method", "shards")}
    if not rest:
        return settings["method"]
    text = json.dumps(rest, sort_keys=True)
    return f"{settings['method']}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def describe_overrides(overrides: Mapping[str, Any], prefix: str = "") -> str:
    """Return what a run changes as text: loss.negatives = in_pair."""
    pieces = []
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            pieces.append(describe_overrides(value, f"{prefix}{key}."))
        else:
            pieces.append(f"{prefix}{key} = {value}")
    return ", ".join(pieces).replace("training.", "")


@dataclass(frozen=True)
class TrainingRun:
    """A training: its sections of the configuration, without the defaults."""

    training: Mapping[str, Any]
    stylization: Mapping[str, Any]
    seed: int

    @property
    def settings(self) -> TrainingSettings:
        """All settings, defaults included.

        Raises:
            HndescError: settings that do not go together.
        """
        return read_settings(TrainingSettings, {**self.training, "seed": self.seed}, "training setting")


class TrainingRuns:
    """All trainings of a configuration.

    Attributes:
        runs: by the folder below results.
        variants: of the ablation, (name, seed) -> that folder; the configured training is not trained twice.
        checkpoints: names of descriptors -> the checkpoints that trainings write.
        stylizations: by the name of the folder of copies, their settings.
    """

    def __init__(self, config: Config, places: Places) -> None:
        self.config, self.places = config, places
        written = config.model_dump(exclude_unset=True)
        base = TrainingRun(written["training"], written["stylization"], config.seed)
        self.runs = {TRAINING: base}
        self.variants: dict[tuple[str, int], str] = {}
        self.stages = {name: f"training_runs/{name}" for name in config.training_runs}
        # The next training starts from the network itself.
        start = {**base.training, "octaves": False, "steerer": False}
        for name, place in self.stages.items():
            own = config.training_runs[name].stylization
            self.runs[place] = TrainingRun(
                overlaid(start, self._laid_over(name)),
                own.model_dump(exclude_unset=True) if own else base.stylization,
                config.seed,
            )
        self.overrides = {n: run for n, run in written["ablation"]["runs"].items() if run is not None}
        for name, overrides in self.overrides.items():
            for seed in config.ablation.seeds or [config.seed]:
                run = TrainingRun(
                    overlaid(base.training, overrides.get("training", {})),
                    overrides.get("stylization") or base.stylization,
                    seed,
                )
                place = TRAINING if run == base else f"ablation/{name}/seed{seed}"
                self.runs[place] = run
                self.variants[name, seed] = place
        self.runs = {place: self._from_models(run) for place, run in self.runs.items()}
        for place, run in self.runs.items():
            run.settings  # noqa: B018 - settings that do not go together end it here
            self._check_order(place)
        self.of_descriptor = {TRAINED: TRAINING, UNTRAINED: TRAINING} | {
            self.descriptor(*variant): place for variant, place in self.variants.items()
        }
        self.checkpoints = {
            name: f"{places.results}/{place}/{'initial' if name == UNTRAINED else 'model'}.safetensors"
            for name, place in self.of_descriptor.items()
        }
        self.stylizations = {self.stylization(place): run.stylization for place, run in self.runs.items()}

    def _laid_over(self, name: str, inner: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return what a training run lays over the section training, with what it is like below it."""
        if name in inner:
            raise HndescError(f"config key 'training_runs.{name}.like' refers to itself; remove the cycle")
        run = self.config.training_runs[name]
        own = run.training.model_dump(exclude_unset=True)
        return own if run.like is None else overlaid(self._laid_over(run.like, (*inner, name)), own)

    def _from_models(self, run: TrainingRun) -> TrainingRun:
        """Return a training with the file of the model in place of the name of the run that it starts from."""
        place = self.stages.get(run.training.get("weights", ""))
        if place is None:
            return run
        weights = f"{self.places.results}/{place}/model.safetensors"
        return replace(run, training={**run.training, "weights": weights})

    def _check_order(self, place: str) -> None:
        files = {f"{self.places.results}/{place}/model.safetensors": place for place in self.stages.values()}
        passed = [place]
        while (start := files.get(self.runs[passed[-1]].training.get("weights", ""))) is not None:
            if start in passed:
                name = start.rpartition("/")[2]
                raise HndescError(f"config key 'training_runs': {name} starts from its own model; remove the cycle")
            passed.append(start)

    @staticmethod
    def descriptor(name: str, seed: int) -> str:
        """Return the descriptor that a variant's model is: described and evaluated by the rules for all."""
        return f"{name}.seed{seed}"

    def architecture(self, run: str) -> str:
        """Return the backbone that a training writes, which contains the one that it trains."""
        return self.runs[run].settings.written_architecture

    @property
    def detectors(self) -> list[str]:
        """Detectors whose keypoints the trainings name."""
        return list(dict.fromkeys(name for run in self.runs.values() for name in run.settings.detectors or ()))

    def weights(self, run: str) -> str | list[str]:
        """Return the file that a training starts from, if one is named."""
        weights = self.runs[run].settings.weights
        return [] if weights in _STARTS else os.path.normpath(weights)

    def copies(self, run: str) -> str | list[str]:
        """Return the folder of the stylized copies that a training cuts from, if it does."""
        if self.runs[run].settings.stylized_probability == 0:
            return []
        return f"{self.places.shared}/stylized/{self.stylization(run)}"

    def stylization(self, run: str) -> str:
        """Return the name of the set of copies that a training cuts from."""
        settings = self.runs[run].stylization
        sources = (self.config.photos, self.config.styles, self.config.seed)
        return self.places.label(stylization_name(settings), *sources)

    def neighbors(self, run: str) -> str | list[str]:
        """Return the table of neighbors, where a training takes its negatives from it."""
        wanted = self.runs[run].settings.loss.negatives == "in_batch_global"
        return f"{self.places.results}/neighbors/{TRAINING}.tsv" if wanted else []

    def methods(self, stylization: str) -> list[str]:
        """Return the names of the methods that make copies."""
        settings = self.stylizations[stylization]
        return methods_of(settings["method"], settings.get("methods"))

    def styles(self, stylization: str) -> str | list[str]:
        """Return the folder of style photographs, if a method takes its light from one."""
        settings = self.stylizations[stylization]
        needed = needs_styles(settings["method"], settings.get("methods"))
        return os.path.normpath(self.config.styles) if needed else []

    def stylization_weights(self, stylization: str) -> list[str]:
        """Return the folders of weights of those methods that need some."""
        settings = self.stylizations[stylization]
        sections = [settings, *settings.get("methods", {}).values()]
        return [os.path.normpath(section["weights"]) for section in sections if "weights" in (section or {})]

    def stylization_settings(self, stylization: str) -> dict[str, Any]:
        """Return the settings of hndesc.stylization, without what is the workflow's own."""
        return {key: value for key, value in self.stylizations[stylization].items() if key != "shards"}

    def stylization_shards(self, stylization: str) -> list[str]:
        """Return the folders of the shards of a set of copies."""
        count = self.stylizations[stylization]["shards"]
        return [f"{self.places.shared}/stylized/{stylization}.{number}-of-{count}" for number in range(1, count + 1)]

    @property
    def sharded_stylizations(self) -> list[str]:
        """Names of the sets of copies that several jobs share."""
        return [name for name, settings in self.stylizations.items() if settings.get("shards", 1) > 1]

    @property
    def configured_stylization(self) -> str:
        """Name of the set of copies of the configured training."""
        return self.stylization(TRAINING)

    @property
    def evaluated(self) -> list[tuple[str, str]]:
        """What the ablation evaluates, a line of the table each: (its name there, descriptor)."""
        return [(name, name) for name in self.config.ablation.references] + [
            (name, self.descriptor(name, seed)) for name, seed in self.variants
        ]

    @property
    def differences(self) -> dict[str, str]:
        """By what each variant differs from the configured training."""
        return {name: describe_overrides(changes) or "as configured" for name, changes in self.overrides.items()}

    @property
    def benchmarks(self) -> list[str]:
        """Names of the benchmarks that the ablation evaluates on."""
        known = [entry.name for entry in self.config.benchmarks if entry.kind == "hpatches"]
        return self.config.ablation.benchmarks or known

    def expectation(self, runs: list[str], photos: Entry | None) -> str:
        """Return in two lines what to expect of trainings.

        Args:
            runs: those that will run.
            photos: what the registry says of the photos, if anything.
        """
        trainings = [self.runs[run].training for run in runs]
        finished = [Path(self.places.results, run) for run in self.runs]
        return expect_training(Path(self.config.photos), photos.title if photos else "", trainings, finished)
