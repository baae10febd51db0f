"""Training settings: one pydantic model per section, with types, defaults, bounds and help."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from hndesc.detectors import DETECTORS
from hndesc.models.architectures import MODELS, PYRAMIDS
from hndesc.runtime.settings import (
    LARGEST,
    Count,
    Distinct,
    Natural,
    NotNegative,
    PathOf,
    Positive,
    Settings,
    Share,
    Text,
    one_of,
    read_settings,
    within,
    wrong_key,
)

NEGATIVES = ("in_pair", "in_batch", "all", "random", "in_batch_global")

_Temperature = Annotated[float, *within(ge=0.001)]


class ViewSettings(Settings):
    """Which regions of a photo two crops show."""

    zoom: Annotated[float, *within(ge=0.1, le=1)] = Field(
        0.8, description="smallest side of the photo's region that fills a crop, in crop sides"
    )
    zoom_max: Annotated[float, *within(ge=1, le=4)] = Field(
        1.0, description="largest side of that region, in crop sides"
    )
    rotation: Annotated[float, *within(ge=0, le=180)] = Field(
        15.0, description="largest rotation of a crop, degrees to either side"
    )
    perspective: Annotated[float, *within(ge=0.1, le=1)] = Field(
        0.6, description="smallest factor for each of two opposite sides of the region; the largest is 1"
    )
    shift: Share = Field(
        0.1, description="distance of the second crop's center from the first's on each axis, in crop sides"
    )
    turns: Share = Field(
        0.0, description="share of the pairs whose second crop is turned further by any angle, uniform over the circle"
    )
    tries: Count = Field(
        10, description="maximum number of draws for a pair with keypoints and contrast; the last one is used"
    )
    contrast: Annotated[float, *within(ge=0, le=127.5)] = Field(
        20.0, description="smallest standard deviation of the first crop's gray levels (0 to 255)"
    )


class PairSettings(ViewSettings):
    """How two crops of one photo are drawn."""

    turns_from: Share = Field(
        0.7, description="share of the steps before the first such pair; validation has them always"
    )
    bends: Share = Field(
        0.0,
        description="share of the pairs whose second crop is bent by a thin-plate spline, like a curved surface",
    )
    bend: Annotated[float, *within(ge=0, le=0.1)] = Field(
        0.04, description="largest shift of its 4 x 4 control points on each axis, crop sides"
    )
    unmatched: Annotated[float, *within(ge=0, le=0.5)] = Field(
        0.0,
        description="share of the keypoints that are hidden from each crop of a pair, as if the detector had missed "
        "them; above 0, keypoints visible in only one crop count as negatives and as false matches",
    )
    curriculum: Share = Field(
        0.0,
        description="share of the steps during which zoom, rotation and perspective rise from none to the values "
        "above; validation pairs always use these values; 0: no curriculum",
    )


class ColorSettings(Settings):
    """Photometric augmentation of each crop; a weight or probability of 0 disables a term."""

    probability: Share = Field(
        0.6, description="share of crops that get one of the five color terms, drawn by their weights"
    )
    brightness_contrast: NotNegative = Field(
        0.7, description="weight of shifting brightness by up to `brightness` and scaling contrast by up to `contrast`"
    )
    hue_saturation: NotNegative = Field(
        0.7, description="weight of rotating the hue by up to `hue` and shifting the saturation by up to `saturation`"
    )
    clahe: NotNegative = Field(0.5, description="weight of local histogram equalization")
    gray: NotNegative = Field(0.5, description="weight of dropping the colors")
    shuffle: NotNegative = Field(0.1, description="weight of shuffling the channels")
    brightness: Share = Field(0.3, description="largest shift, share of the full range")
    contrast: Share = Field(0.2, description="largest change, share of the level")
    hue: Annotated[float, *within(ge=0, le=180)] = Field(10.0, description="largest rotation of the hue, degrees")
    saturation: Annotated[float, *within(ge=0, le=255)] = Field(30.0, description="largest shift, levels of 255")
    blur: Share = Field(0.3, description="share of crops that get a Gaussian or a box blur, 3 to 7 pixels wide")
    noise: Share = Field(
        0.1, description="share of crops that get Gaussian noise of a variance between 10 and 50 squared levels"
    )
    relight: Share = Field(
        0.0,
        description="share of crops that are relit: tones change their order, and illumination varies across the crop",
    )
    falloff: Annotated[float, *within(ge=0, le=6)] = Field(
        2.0, description="standard deviation of that variation, powers of 2"
    )
    darken: Share = Field(0.0, description="share of crops that are underexposed in a tinted light, with sensor noise")
    stops: Annotated[float, *within(ge=0, le=12)] = Field(
        5.0, description="largest reduction of the exposure of darkened crops, powers of 2"
    )
    local_light: Share = Field(
        0.0,
        description="share of crops a part of which, with sharp or soft edges, is in another light: exposure, tint and "
        "tone curve",
    )
    local_stops: Annotated[float, *within(ge=0, le=12)] = Field(
        3.0, description="largest change of the exposure of such a part, powers of 2"
    )
    jpeg: Share = Field(0.0, description="share of crops that are compressed, at a quality between 30 and 90")


_Distance = Annotated[float, *within(ge=0.1)]
_FarDistance = Annotated[float, *within(ge=0.1, le=1000)]
_RingWeight = Annotated[float, *within(ge=0.001, le=1000)]


class RingSettings(Settings):
    """Negatives of the contrastive loss at positions around a keypoint in the other crop."""

    number: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="negatives per keypoint; 0: none")
    radius: _Distance = Field(
        2.5, description="smallest distance from the keypoint, pixels of the crop; drawn log-uniformly"
    )
    radius_max: _FarDistance = Field(10.0, description="largest distance from the keypoint, pixels of the crop")
    weight: _RingWeight = Field(
        3.0, description="weight of each of these negatives in the softmax; the other negatives have weight 1"
    )


class LossSettings(Settings):
    """The loss."""

    kind: Annotated[str, *one_of("ap", "triplet", "contrastive")] = Field(
        "ap",
        description="ap (1 - quantized average precision), triplet, or contrastive (cross-entropy of a softmax)",
    )
    negatives: Annotated[str, *one_of(*NEGATIVES)] = Field(
        "in_batch", description="where negatives come from, see docs/training.md"
    )
    k: Count = Field(
        20,
        description="number of hardest negatives per keypoint; ignored by negatives `all` and by `contrastive` (all "
        "negatives) and by `triplet` (the hardest one)",
    )
    bins: Annotated[int, Field(ge=2, le=LARGEST)] = Field(20, description="bins of the quantized similarity")
    margin: NotNegative = Field(1.0, description="margin of the triplet loss")
    temperature: _Temperature = Field(0.07, description="divisor of the similarities in the contrastive loss")
    false_matches: NotNegative = Field(
        0.0, description="weight of the expected number of false mutual matches per keypoint (any loss)"
    )
    match_temperature: _Temperature = Field(0.03, description="divisor of the similarities for that expectation")
    ring: RingSettings = Field(RingSettings(), description="negatives around a keypoint (contrastive only)")

    @property
    def is_average_precision(self) -> bool:
        """Whether the loss is 1 - average precision, without further terms."""
        return self.kind == "ap" and self.false_matches == 0


class SchedulerSettings(Settings):
    """The learning rate schedule."""

    kind: Annotated[str, *one_of("constant", "step", "cosine")] = Field(
        "step", description="constant, step (times `factor` every `every` steps) or cosine (to 0 at the last step)"
    )
    every: Count = Field(50_000, description="steps between two reductions of the `step` schedule")
    factor: Share = Field(0.5, description="factor of each reduction of the `step` schedule")
    warmup: Natural = Field(0, description="steps of a linear warmup, for every kind")


class ValidationSettings(Settings):
    """Validation during training."""

    share: Annotated[float, *within(ge=0, le=0.9)] = Field(
        0.1,
        description="share of the photos that are held out; chosen by the hash of their names, at least as many as "
        "the loss needs",
    )
    every: Count = Field(6_000, description="steps between two validations; the last step is always validated")
    pairs: Count = Field(128, description="number of fixed pairs of held-out photos to evaluate")


class TrainingSection(Settings):
    """Architecture, data, loss and optimization of a training."""

    architecture: Annotated[str, *one_of(*MODELS.places)] = Field("lite", description="backbone")
    weights: Annotated[Text, PathOf("file", other=("imagenet", "random"))] | None = Field(
        None,
        description="initial weights: imagenet, random, a checkpoint file, or null for the default of the backbone",
    )
    steps: Count = Field(220_000, description="number of weight updates")
    batch_size: Count = Field(16, description="pairs per batch")
    accumulation: Count = Field(1, description="batches per weight update")
    crop_size: Annotated[int, Field(ge=32, le=LARGEST)] = Field(256, description="side of the square crops, pixels")
    max_keypoints: Annotated[int, Field(ge=2, le=LARGEST)] = Field(
        200, description="maximum number of keypoints per pair, drawn from those visible in both crops"
    )
    detectors: Annotated[list[Annotated[str, *one_of(*DETECTORS.places)]], *Distinct] | None = Field(
        None,
        description="detectors at whose keypoints pairs are drawn, one detector for each pair, with default settings "
        "except for that of the section keypoints; null: that one",
    )
    stylized_probability: Share = Field(0.7, description="share of pairs whose second crop is cut from a stylized copy")
    learning_rate: NotNegative = Field(1e-4, description="learning rate of Adam")
    gradient_clip: Positive | None = Field(None, description="largest norm of the gradient; null: no clipping")
    scheduler: SchedulerSettings = Field(SchedulerSettings(), description="learning rate schedule")
    loss: LossSettings = Field(LossSettings(), description="loss")
    pair: PairSettings = Field(PairSettings(), description="how two crops of one photo are drawn")
    color: ColorSettings = Field(ColorSettings(), description="photometric augmentation of each crop")
    validation: ValidationSettings = Field(ValidationSettings(), description="validation during training")
    precision: Annotated[str, *one_of("float32", "bfloat16")] = Field(
        "float32", description="float32, or bfloat16 (autocast; the loss stays in float32)"
    )
    initial_share: Share = Field(
        0.0,
        description="share of the initial weights in the written ones, which are interpolated: keeps more of what a "
        "model could do before it was trained on",
    )
    octaves: bool = Field(
        False,
        description="write the trained weights as all octaves of the pyramid of the backbone, "
        + ", ".join(f"{pyramid} of {name}" for name, pyramid in PYRAMIDS.items())
        + ": more accurate, slower to describe with, and no longer to train",
    )
    steerer: bool = Field(
        False,
        description="fit a steerer to the training photos after the last step and write it into the model: "
        "description in several views takes a third of the time",
    )
    half_weights: bool = Field(
        False, description="write the trained convolutions in float16, which halves the size of the file"
    )
    channels_last: bool = Field(True, description="memory format of the network")
    compile: bool = Field(False, description="compile the network with torch.compile")
    device: Annotated[str, *one_of("auto", "cpu", "cuda")] = Field(
        "auto", description="auto (the GPU if there is one), cpu or cuda"
    )
    workers: Natural = Field(1, description="processes that prepare pairs; 0: the training process does")
    cache_megabytes: Natural = Field(256, description="cache for decoded photos per process, megabytes")
    log_every: Count = Field(10, description="steps between two rows of the history, which contain mean losses")
    save_every: Count = Field(500, description="steps between two checkpoints of the state")
    keep_logs: bool = Field(True, description="keep the TensorBoard logs in the state folder when training is finished")


class TrainingSettings(TrainingSection):
    """The `training` section of a configuration, and the seed shared by all steps of a workflow."""

    seed: Natural = Field(0, description="seed of all random numbers")

    # Not in the sections themselves: they may be merged with others before they are complete.
    @model_validator(mode="after")
    def _ring_fits(self) -> Self:
        ring = self.loss.ring
        if ring.number and self.loss.kind != "contrastive":
            raise wrong_key("loss.ring.number", f"needs loss.kind contrastive, not {self.loss.kind}")
        if ring.radius > ring.radius_max:
            raise wrong_key("loss.ring.radius", f"is {ring.radius}; it must be at most radius_max, {ring.radius_max}")
        return self

    @model_validator(mode="after")
    def _pyramid_exists(self) -> Self:
        if self.octaves and self.architecture not in PYRAMIDS:
            known = ", ".join(PYRAMIDS)
            raise wrong_key("octaves", f"must be false for {self.architecture}; these have a pyramid to write: {known}")
        return self

    @model_validator(mode="after")
    def _share_is_of_trained_weights(self) -> Self:
        if self.weights == "random" and self.initial_share > 0:
            raise wrong_key("initial_share", "must be 0 with weights: random; it would mix noise into the trained ones")
        return self

    @property
    def written_architecture(self) -> str:
        """Architecture of the model that training writes."""
        return PYRAMIDS[self.architecture] if self.octaves else self.architecture


# What fits a steerer; loaded by trainings with one, so that a change of it does not repeat the others.
STEERER_FIT = "hndesc.extraction.steerer:fit_steerer"
# Settings that affect the speed, the device or the files that are kept, but not the trained weights.
_WITHOUT_EFFECT = {"device", "workers", "cache_megabytes", "save_every", "keep_logs", "compile", "steerer"}


def training_settings(values: Mapping[str, Any] | TrainingSettings) -> TrainingSettings:
    """Return the settings of the `training` section of a configuration; missing keys keep their defaults.

    Raises:
        HndescError: a key is unknown, or a value has the wrong type or is out of bounds; the message names the key.
    """
    return read_settings(TrainingSettings, values, "training setting")


def fingerprint(settings: TrainingSettings, data: Mapping[str, Any]) -> str:
    """Hash the settings that determine the weights, and a description of the training data."""
    text = json.dumps({"settings": settings.model_dump(exclude=_WITHOUT_EFFECT), "data": data}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
