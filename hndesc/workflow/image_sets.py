"""The image sets: which folder holds their images, which images are worked on and how, and in how many shards."""

import os
from typing import Any

from hndesc.datasets.homography.sequences import LARGE_SCENES
from hndesc.datasets.kinds import KINDS
from hndesc.runtime.plugins import module_of
from hndesc.workflow.config import TRAINING, Config
from hndesc.workflow.places import Places
from hndesc.workflow.sections.benchmarks import BenchmarkSettings, HpatchesBenchmark, ShortlistedBenchmark

RESIZED_KEYPOINTS = 1000  # of the protocol that resizes images


class ImageSets:
    """The images of the benchmarks, by their names, and those to train on.

    Attributes:
        entries: the benchmarks by name.
        photos: folder of links to those of the training photos that can be used.
        prepared: sets whose images a rule makes of the dataset, by the name of the folder that it writes.
    """

    def __init__(self, config: Config, places: Places) -> None:
        self.config, self.places = config, places
        self.entries: dict[str, BenchmarkSettings] = {entry.name: entry for entry in config.benchmarks}
        self.photos = f"{places.shared}/photos/{places.label(TRAINING, config.photos)}"
        self.prepared = {self._prepared(name): name for name in (*self.resized, *self.made_of_places)}

    @property
    def names(self) -> list[str]:
        """Names of all sets."""
        return [TRAINING, *self.entries]

    @property
    def resized(self) -> list[str]:
        """Names of the sets whose protocol needs images of one size."""
        return [name for name, entry in self.entries.items() if getattr(entry, "protocol", "full") == "480x640"]

    @property
    def made_of_places(self) -> list[str]:
        """Names of the retrieval sets that are made of folders of places."""
        return [name for name, entry in self.entries.items() if getattr(entry, "layout", None) == "places"]

    def _prepared(self, name: str) -> str:
        layout = getattr(self.entries[name], "layout", None)
        return self.places.label(name, self.dataset(name), layout, title=self.title(name))

    def title(self, name: str) -> str:
        """Return what a set is called where other runs share it: the name of its dataset's folder."""
        return TRAINING if name == TRAINING else os.path.basename(self.dataset(name))

    @property
    def sharded(self) -> list[str]:
        """Names of the sets whose images are divided among several jobs."""
        return [name for name, entry in self.entries.items() if entry.shards > 1]

    @property
    def ranked_by_others(self) -> list[str]:
        """Names of the sets whose shortlist is a published ranking."""
        return [name for name, entry in self.entries.items() if self._shortlist(name).get("ranking") is not None]

    @property
    def with_shortlist(self) -> list[str]:
        """Names of the benchmarks that re-rank a shortlist."""
        return [name for name, entry in self.entries.items() if isinstance(entry, ShortlistedBenchmark)]

    def of_kind(self, *kinds: str) -> list[str]:
        """Return the names of the benchmarks of some kinds."""
        return [name for name, entry in self.entries.items() if entry.kind in kinds]

    def dataset(self, name: str) -> str:
        """Return the folder of a benchmark's dataset as the user has it."""
        return os.path.normpath(self.entries[name].dataset)

    def folder(self, name: str) -> str:
        """Return the folder of the images to work on: the dataset, or what a rule makes of it."""
        if name == TRAINING:
            return self.photos
        if name in self.made_of_places:
            return f"{self.places.shared}/places/{self._prepared(name)}"
        return f"{self.places.shared}/resized/{self._prepared(name)}" if name in self.resized else self.dataset(name)

    def settings(self, name: str) -> dict[str, Any]:
        """Return longest side and number of keypoints: the entry's, or those of its kind's protocol."""
        if name == TRAINING:
            return {"max_keypoints": None, "resize_max": None}
        entry = self.entries[name]
        count = entry.max_keypoints
        if name in self.resized and "max_keypoints" not in entry.model_fields_set:
            count = RESIZED_KEYPOINTS
        return {"max_keypoints": count, "resize_max": entry.resize_max}

    def scoring(self, name: str) -> dict[str, Any]:
        """Return the entry's own settings of scoring, without the defaults."""
        return self.entries[name].settings.model_dump(exclude_unset=True)

    def layout(self, name: str) -> str | None:
        """Return how a set of sequences is laid out, where it is configured; resized copies have their own table."""
        return None if name in self.resized else getattr(self.entries[name], "layout", None)

    def selection(self, name: str, part: str | None = None) -> dict[str, Any]:
        """Return the settings of hndesc.workflow.image_selection.select_images, apart from files."""
        if name == TRAINING:
            return {"kind": "folder", "top": 100, "part": part}
        entry = self.entries[name]
        chosen = {"kind": entry.kind, "top": getattr(entry.settings, "top", 100), "part": part}
        if isinstance(entry, HpatchesBenchmark):  # the very large ones have no features unless they are scored
            chosen |= {"layout": self.layout(name), "leave_out": () if entry.settings.large_scenes else LARGE_SCENES}
        return chosen

    def listing(self, name: str) -> str:
        """Return the module that lists the images of a set, for fingerprints."""
        return "hndesc.datasets.image_set" if name == TRAINING else module_of(KINDS[self.entries[name].kind].images)

    def scorer(self, name: str) -> str:
        """Return the place of the function that scores features of a benchmark."""
        return KINDS[self.entries[name].kind].score

    def hpatches(self, name: str) -> dict[str, Any]:
        """Return the settings of scoring sequences; the protocol is one of the entry, since images depend on it."""
        entry = self.entries[name]
        assert isinstance(entry, HpatchesBenchmark)
        return {"protocol": entry.protocol, "layout": self.layout(name), **self.scoring(name)}

    def registration(self, name: str) -> dict[str, Any]:
        """Return the settings of registering queries and scoring their poses."""
        scoring = self.scoring(name)
        return {key: scoring[key] for key in ("thresholds",) if key in scoring} | scoring.get("registration", {})

    def counting(self, name: str) -> dict[str, Any]:
        """Return the settings of counting the inliers of a shortlist's candidates."""
        return {key: value for key, value in self.scoring(name).items() if key != "min_inliers"}

    def matching(self, name: str) -> dict[str, Any]:
        """Return the settings of matching the pairs of a dataset."""
        return self.entries[name].settings.model_dump(include={"ratio"}, exclude_none=True)

    def pairs(self, name: str) -> dict[str, Any]:
        """Return the settings of pairs of images, without the files of lists."""
        return {key: value for key, value in self.scoring(name).get("pairs", {}).items() if key != "lists"}

    def pair_lists(self, name: str) -> list[str]:
        """Return the files that list pairs of images."""
        return [os.path.normpath(path) for path in self.scoring(name).get("pairs", {}).get("lists", ())]

    def reconstruction(self, name: str) -> dict[str, Any]:
        """Return the settings of verification and mapping."""
        scoring = self.scoring(name)
        return {key: scoring[key] for key in ("share_cameras",) if key in scoring} | scoring.get("mapping", {})

    def distractors(self, name: str) -> str | list[str]:
        """Return the folder of images that enlarge the database of a retrieval set, if there is one."""
        folder = getattr(self.entries.get(name), "distractors", None)
        return os.path.normpath(folder) if folder else []

    def shortlisted(self, name: str) -> str | list[str]:
        """Return the shortlist, where nothing but its images gets local features."""
        wanted = getattr(self.entries.get(name), "candidates_only", False)
        return f"{self.places.results}/shortlists/{name}.h5" if wanted else []

    def shards(self, pattern: str, name: str, **others: str) -> list[str]:
        """Return the files of all parts of a set, none where it is not divided.

        Args:
            pattern: of their names, with {benchmark}, {part} and what `others` has.
            name: of the set.
            **others: further wildcards.
        """
        count = self.entries[name].shards if name in self.sharded else 0
        parts = [f"{number}-of-{count}" for number in range(1, count + 1)]
        return [pattern.format(benchmark=name, part=part, **others) for part in parts]

    def _shortlist(self, name: str) -> dict[str, Any]:
        section = getattr(self.entries[name], "shortlist", None)
        return section.model_dump(exclude_unset=True) if section else {}

    def ranking(self, name: str) -> str:
        """Return the file of a published ranking."""
        return os.path.normpath(self._shortlist(name)["ranking"])

    def shortlist(self, name: str) -> dict[str, Any]:
        """Return what ranks the database: the entry's own settings, over those for neighbors."""
        shared = self.config.neighbors.model_dump(include={"resize_max"}, exclude_unset=True)
        own = {key: value for key, value in self._shortlist(name).items() if key in ("descriptor", "resize_max")}
        return {"descriptor": self.config.neighbors.descriptor} | shared | own

    def shortlist_weights(self, name: str, checkpoints: dict[str, str]) -> str | list[str]:
        """Return the weights of the global descriptor: a file, or a checkpoint of this run by its name."""
        weights = self._shortlist(name).get("weights")
        if weights is None:
            return []
        return checkpoints.get(weights) or os.path.normpath(weights)

    def whitening(self, name: str) -> str | list[str]:
        """Return the file of the whitening of a shortlist, where it has one."""
        return f"{self.places.results}/shortlists/{name}.whitening.h5" if "whitening" in self._shortlist(name) else []

    def whitening_dimensions(self, name: str) -> int | None:
        """Return how many dimensions whitening leaves; None for as many as the photos allow."""
        return self._shortlist(name)["whitening"]
