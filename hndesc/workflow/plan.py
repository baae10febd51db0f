"""The plan of a run: what the configuration asks for, and what each rule needs for it."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from hndesc.datasets.fetch.registry import Entry, read_registry
from hndesc.datasets.kinds import KINDS, Drawing
from hndesc.errors import HndescError
from hndesc.models.architectures import MODELS
from hndesc.retrieval.global_descriptors import GLOBAL_DESCRIPTORS
from hndesc.runtime.plugins import module_of
from hndesc.runtime.provenance import PACKAGE, file_hash, fingerprint
from hndesc.stylization import METHODS
from hndesc.training.settings import STEERER_FIT
from hndesc.workflow.config import TRAINING, Config, read_config, read_files
from hndesc.workflow.content import content_fingerprint
from hndesc.workflow.descriptors import Descriptors
from hndesc.workflow.image_sets import ImageSets
from hndesc.workflow.paths import check_descriptors, check_paths, named_paths
from hndesc.workflow.places import Places
from hndesc.workflow.training_runs import TrainingRuns

DEMO = "data/demo"
_DEMO_NOTE = (
    "Demo: a small network trained for minutes and evaluated on data made from the photographs that Python packages "
    "bundle. Its scores are not comparable with published ones."
)
_TRAINING_FIGURES = (
    Drawing(
        "training.png", "Loss on training and held-out photos, matching accuracy on held-out pairs, and learning rate"
    ),
    Drawing("training_matches.png", "Held-out pairs before and after training, correct matches green, false ones red"),
    Drawing("training_similarities.png", "Similarity to the correct match and to the most similar false one"),
)
_STYLIZATION_FIGURES = (Drawing("stylization.png", "Photos, their style photos, and the stylized copies"),)


def pattern(names: Iterable[str]) -> str:
    """Return names as a regular expression; it matches nothing when there is none."""
    return "|".join(map(re.escape, names)) or "(?!)"


class Plan:
    """What the rules need, as a function of the configuration and of the existing files.

    Attributes:
        config: the configuration.
        registry: what the registry of datasets has, by name.
        registered: its path below the working directory -> its name there.
        places: the folders of the run.
        runs: the trainings.
        descriptors: what is evaluated.
        images: on what.
    """

    def __init__(self, config: Config, registry: Mapping[str, Entry]) -> None:
        self.config = config
        self.registry = registry
        self.registered = {f"data/{entry.place}": name for name, entry in registry.items()}
        self.places = Places(config)
        self.runs = TrainingRuns(config, self.places)
        self.images = ImageSets(config, self.places)
        self.descriptors = Descriptors(config, self.runs, self.images, self.places)
        if config.split is not None and f"data/{config.split.name}" in self.registered:
            name = config.split.name
            raise HndescError(f"config key split.name: '{name}' is the name of a registered dataset; choose another")

    @classmethod
    def read(cls, values: Mapping[str, Any], ablations: str | os.PathLike) -> "Plan":
        """Return the plan of a configuration.

        Args:
            values: config/config.yaml and what is laid over it.
            ablations: the file config/ablations.yaml of the workflow, which has what `values` leaves out of `ablation`.

        Raises:
            HndescError: a wrong key or value, or a broken registry; one line that names it.
        """
        (ablation,) = read_files([Path(ablations)])
        config = read_config(values, ablation.get("ablation", {}))
        try:
            registry = read_registry(config.datasets.registry)
        except HndescError as error:
            raise HndescError(f"config key datasets.registry: {error}") from None
        return cls(config, registry)

    def check_paths(self, is_made: Callable[[str], object]) -> None:
        """Make sure that all that the configuration names is there, or that a rule makes it.

        Args:
            is_made: whether a rule makes or fetches a file or folder of that path.

        Raises:
            HndescError: one line that names the key, the path and the cure.
        """
        check_paths(named_paths(self.config, {*self.runs.checkpoints, *self.runs.stages}), self.registered, is_made)
        check_descriptors(self.config)

    def content(self, paths: Iterable[str | list[str]], is_made: Callable[[str], bool]) -> str:
        """Return a fingerprint of users' files and of what lies below their folders.

        Args:
            paths: of input functions; what a rule makes is covered by its own time.
            is_made: whether a rule makes a file or folder, and will make it again.
        """
        listed = [path for one in paths for path in ([one] if isinstance(one, str) else one)]
        return content_fingerprint(path for path in listed if not is_made(path))

    def to_fetch(self, folder: str) -> list[str]:
        """Return the names of what is yet to be fetched to a folder.

        What is there has no rule: neither --forceall nor a new mirror deletes it to fetch it again.
        """
        return [name for path, name in self.registered.items() if path == folder + name and not os.path.exists(path)]

    @property
    def photos(self) -> str:
        """The folder of training photos as the user has it."""
        return os.path.normpath(self.config.photos)

    @property
    def photos_to_split(self) -> list[str]:
        """The folders of photos that are split."""
        photos = self.config.split.photos if self.config.split else []
        return [os.path.normpath(path) for path in ([photos] if isinstance(photos, str) else photos)]

    @property
    def split_name(self) -> list[str]:
        """The name of the folder of split photos, if there is one."""
        return [self.config.split.name] if self.config.split else []

    @property
    def split_settings(self) -> dict[str, Any]:
        """The settings of hndesc.datasets.splits."""
        split = self.config.split
        return split.model_dump(include={"share", "seed", "train_on"}, exclude_unset=True) if split else {}

    @property
    def sequence_settings(self) -> dict[str, Any]:
        """The settings of hndesc.datasets.synthetic_sequences."""
        split = self.config.split
        if split is None:
            return {}
        return split.model_dump(include={"seed"}, exclude_unset=True) | split.sequences.model_dump(exclude_unset=True)

    @property
    def dataset_settings(self) -> dict[str, Any]:
        """Where registered datasets come from."""
        return self.config.datasets.model_dump(exclude_unset=True)

    @property
    def neighbor_settings(self) -> dict[str, Any]:
        """The settings of hndesc.retrieval.ranking."""
        return self.config.neighbors.model_dump(exclude_unset=True)

    @property
    def note(self) -> str:
        """A note for readers of the tables."""
        datasets = [entry.dataset for entry in self.config.benchmarks]
        demo = any(path.startswith(f"{DEMO}/") for path in datasets) and self.config.photos.startswith(f"{DEMO}/")
        return _DEMO_NOTE if demo else ""

    def shortlist_weights(self, benchmark: str) -> str | list[str]:
        """Return the weights of the global descriptor that ranks a database."""
        return self.images.shortlist_weights(benchmark, self.runs.checkpoints)

    def shortlist_code(self, benchmark: str) -> str:
        """Return the fingerprint of what ranks a database."""
        modules = ("hndesc.retrieval.ranking", self.images.listing(benchmark))
        return self.ranking_code(self.images.shortlist(benchmark)["descriptor"], *modules)

    def training_code(self, run: str) -> str:
        """Return the fingerprint of a training, which covers its own backbone, and the fit of its steerer if any."""
        steerer = [module_of(STEERER_FIT)] if self.runs.runs[run].settings.steerer else []
        return fingerprint("hndesc.training.train", MODELS.module(self.runs.architecture(run)), *steerer)

    @property
    def detector_training(self) -> dict[str, Any]:
        """The settings of the training of the detector."""
        return {**self.config.detector_training.model_dump(exclude_unset=True), "seed": self.config.seed}

    @property
    def detector_training_code(self) -> str:
        """The fingerprint of the training of the detector."""
        return fingerprint("hndesc.training.detector.train")

    def stylization_code(self, stylization: str) -> str:
        """Return the fingerprint of what makes stylized copies, which covers the methods in use alone."""
        return fingerprint("hndesc.stylization.stylize", *map(METHODS.module, self.runs.methods(stylization)))

    def scoring_code(self, benchmark: str) -> str:
        """Return the fingerprint of what scores features of a benchmark."""
        return fingerprint(module_of(self.images.scorer(benchmark)))

    def ranking_code(self, descriptor: str, *modules: str) -> str:
        """Return the fingerprint of ranking by a global descriptor."""
        return fingerprint(*(modules or ("hndesc.retrieval.ranking",)), GLOBAL_DESCRIPTORS.module(descriptor))

    def expectation(self, runs: list[str]) -> str:
        """Return in two lines what to expect of trainings that will run."""
        return self.runs.expectation(runs, self.registry.get(self.registered.get(self.photos, "")))

    @property
    def evaluations(self) -> list[tuple[str, str]]:
        """Each benchmark with each descriptor that is evaluated on it."""
        return [(name, one) for name in self.images.entries for one in self.descriptors.evaluated(name)]

    @property
    def figures(self) -> list[str]:
        """The files that the report includes."""
        tables = ("tables/scores.html", "tables/scores.csv", "summary.txt") if self.images.entries else ()
        drawn = [path for section in self.sections for path, _ in section["figures"]]
        return [f"{self.places.results}/{path}" for path in tables] + drawn

    @property
    def sections(self) -> list[dict[str, Any]]:
        """The sections of the page of results (`hndesc.visualization.page.Section`)."""
        found = [
            self._section(f"{KINDS[entry.kind].title}: {name}", KINDS[entry.kind].drawings, name)
            for name, entry in self.images.entries.items()
        ]
        if any(name in self.runs.checkpoints for name in self.descriptors.names):
            found.append(self._section("Training", _TRAINING_FIGURES))
            if self.runs.copies(TRAINING):
                found.append(self._section("Stylized photos", _STYLIZATION_FIGURES))
        return found

    @property
    def ablation_sections(self) -> list[dict[str, Any]]:
        """The sections of the page of the ablation."""
        folder = f"{self.places.results}/ablation"
        figure = (f"{folder}/plot.png", "Matching accuracy of the variants; bars show the deviation over seeds")
        return [{"title": "Ablation", "figures": [figure], "text": f"{folder}/table.txt"}]

    def _section(self, title: str, drawings: Iterable[Drawing], benchmark: str = "") -> dict[str, Any]:
        folder = f"{self.places.results}/figures"
        figures = [(f"{folder}/{path.format(benchmark=benchmark)}", caption) for path, caption in drawings]
        return {"title": title, "figures": figures, "benchmark": benchmark}

    @property
    def title(self) -> str:
        """The heading of the page of results."""
        return f"Results: {self.config.run}" if self.places.named else "Results"

    @property
    def page_code(self) -> str:
        """The fingerprint of what writes the page of results."""
        return f"{fingerprint('hndesc.visualization.page')} {file_hash(PACKAGE / 'visualization' / 'page.html.jinja')}"
