"""All settings of training: one model a section, with types, defaults, bounds and help, checked when they come in."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from hndesc.models.architectures import MODELS
from hndesc.runtime.settings import (
    Count,
    Natural,
    NotNegative,
    PathOf,
    Positive,
    Settings,
    Share,
    Text,
    choice,
    number,
    read_settings,
    wrong_key,
)

NEGATIVES = ("in_pair", "in_batch", "all", "random", "in_batch_global")

_Temperature = number(ge=0.001)


class PairSettings(Settings):
    """How two crops of one photo are drawn."""

    zoom: number(ge=0.1, le=1) = Field(
        0.8, description="smallest side of the photo's region that fills a crop, in crop sides"
    )
    zoom_max: number(ge=1, le=4) = Field(1.0, description="largest side of that region, in crop sides")
    rotation: number(ge=0, le=180) = Field(15.0, description="largest rotation of a crop, degrees to either side")
    perspective: number(ge=0.1, le=1) = Field(
        0.6, description="smallest factor for each of two opposite sides of the region; the largest is 1"
    )
    shift: Share = Field(
        0.1, description="distance of the second crop's center from the first's on each axis, in crop sides"
    )
    unmatched: number(ge=0, le=0.5) = Field(
        0.0,
        description="share of the keypoints that each crop of a pair lacks, as if its detector had missed them; with "
        "any, those that only one crop shows count as negatives and as false matches, too; 0: neither",
    )
    curriculum: Share = Field(
        0.0,
        description="share of the steps in which zoom, rotation and perspective grow, from none, to the values above; "
        "pairs to validate with always have these; 0: all pairs do",
    )
    tries: Count = Field(10, description="draws before the last one is taken, good or bad")
    contrast: number(ge=0, le=127.5) = Field(
        20.0, description="smallest standard deviation of the first crop's gray levels (0 to 255)"
    )


class ColorSettings(Settings):
    """How the colors of each crop are changed; a weight or probability of 0 switches a term off."""

    probability: Share = Field(
        0.6, description="share of crops that get one of the five color terms, drawn by their weights"
    )
    brightness_contrast: NotNegative = Field(
        0.7, description="weight of shifting brightness by up to `brightness` and scaling contrast by up to `contrast`"
    )
    hue_saturation: NotNegative = Field(
        0.7, description="weight of turning the hue by up to `hue` and shifting the saturation by up to `saturation`"
    )
    clahe: NotNegative = Field(0.5, description="weight of local histogram equalization")
    gray: NotNegative = Field(0.5, description="weight of dropping the colors")
    shuffle: NotNegative = Field(0.1, description="weight of shuffling the channels")
    brightness: Share = Field(0.3, description="largest shift, share of the full range")
    contrast: Share = Field(0.2, description="largest change, share of the level")
    hue: number(ge=0, le=180) = Field(10.0, description="largest turn, degrees")
    saturation: number(ge=0, le=255) = Field(30.0, description="largest shift, levels of 255")
    blur: Share = Field(0.3, description="share of crops that get a Gaussian or a box blur, 3 to 7 pixels wide")
    noise: Share = Field(
        0.1, description="share of crops that get Gaussian noise of a variance between 10 and 50 squared levels"
    )
    relight: Share = Field(
        0.0, description="share of crops that are lit anew: tones change their order, and light falls off"
    )
    falloff: number(ge=0, le=6) = Field(2.0, description="standard deviation of that falloff, powers of 2")
    darken: Share = Field(
        0.0, description="share of crops that are underexposed in a tinted light, with the sensor's noise"
    )
    stops: number(ge=0, le=12) = Field(5.0, description="most that the exposure of these is lowered by, powers of 2")
    jpeg: Share = Field(0.0, description="share of crops that are compressed, at a quality between 30 and 90")


_Distance = number(ge=0.1)
_FarDistance = number(ge=0.1, le=1000)
_RingWeight = number(ge=0.001, le=1000)


class RingSettings(Settings):
    """Negatives of the contrastive loss that are read around a keypoint's own place in the other crop."""

    number: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="negatives a keypoint; 0: none")
    radius: _Distance = Field(
        2.5, description="smallest distance from the place, pixels of the crop; drawn log-uniformly"
    )
    radius_max: _FarDistance = Field(10.0, description="largest distance, pixels of the crop")
    weight: _RingWeight = Field(3.0, description="of each in the softmax, where the other negatives have 1")


class LossSettings(Settings):
    """What is minimized."""

    kind: choice("ap", "triplet", "contrastive") = Field(
        "ap",
        description="ap (1 - quantized average precision), triplet, or contrastive (cross-entropy of a softmax)",
    )
    negatives: choice(*NEGATIVES) = Field("in_batch", description="where negatives come from, see docs/training.md")
    k: Count = Field(
        20,
        description="negatives a keypoint, the hardest; negatives `all` takes every one, `triplet` the single hardest, "
        "`contrastive` every one of any kind",
    )
    bins: Annotated[int, Field(ge=2)] = Field(20, description="bins of the quantized similarity")
    margin: NotNegative = Field(1.0, description="margin of the triplet loss")
    temperature: _Temperature = Field(0.07, description="similarities are divided by it in the contrastive loss")
    false_matches: NotNegative = Field(
        0.0, description="weight of the expected number of false mutual matches, a keypoint (any loss)"
    )
    match_temperature: _Temperature = Field(0.03, description="similarities are divided by it for that expectation")
    ring: RingSettings = Field(RingSettings(), description="negatives around a keypoint's place (contrastive only)")

    @property
    def is_average_precision(self) -> bool:
        """Whether the loss is 1 - the average precision and nothing else."""
        return self.kind == "ap" and self.false_matches == 0


class SchedulerSettings(Settings):
    """How the learning rate falls."""

    kind: choice("constant", "step", "cosine") = Field(
        "step", description="constant, step (times `factor` every `every` steps) or cosine (to 0 at the last step)"
    )
    every: Count = Field(50_000, description="steps")
    factor: Share = Field(0.5, description="factor")
    warmup: Natural = Field(0, description="steps of a linear rise at the start, with any kind")


class ValidationSettings(Settings):
    """How training is watched."""

    share: number(ge=0, le=0.9) = Field(
        0.1,
        description="share of the photos that are held out (always the same ones, at least as many as the loss needs)",
    )
    every: Count = Field(6_000, description="steps between two validations; the last step is always validated")
    pairs: Count = Field(128, description="fixed pairs of held-out photos that are scored")


class TrainingSection(Settings):
    """What is trained, and how."""

    architecture: choice(*MODELS.places) = Field("lite", description="backbone")
    weights: Annotated[Text, PathOf("file", other=("imagenet", "random"))] | None = Field(
        None,
        description="where training starts: imagenet, random, a checkpoint file, or null: the backbone's own default",
    )
    steps: Count = Field(220_000, description="updates of the weights")
    batch_size: Count = Field(16, description="pairs a batch")
    accumulation: Count = Field(1, description="batches an update")
    crop_size: Annotated[int, Field(ge=32)] = Field(256, description="side of the square crops, pixels")
    max_keypoints: Annotated[int, Field(ge=2)] = Field(
        200, description="keypoints a pair, drawn from those visible in both crops"
    )
    stylized_probability: Share = Field(
        0.7, description="share of pairs whose second crop is cut from the stylized copy"
    )
    learning_rate: NotNegative = Field(1e-4, description="Adam's")
    gradient_clip: Positive | None = Field(None, description="largest norm of the gradient; null: any")
    scheduler: SchedulerSettings = Field(SchedulerSettings(), description="how the learning rate falls")
    loss: LossSettings = Field(LossSettings(), description="what is minimized")
    pair: PairSettings = Field(PairSettings(), description="how two crops of one photo are drawn")
    color: ColorSettings = Field(ColorSettings(), description="how the colors of each crop are changed")
    validation: ValidationSettings = Field(ValidationSettings(), description="how training is watched")
    precision: choice("float32", "bfloat16") = Field(
        "float32", description="float32, or bfloat16 (autocast; the loss stays in float32)"
    )
    half_weights: bool = Field(
        False, description="write the trained convolutions in float16, into a file half as large"
    )
    channels_last: bool = Field(True, description="memory format of the network")
    compile: bool = Field(False, description="compile the network with torch.compile")
    device: choice("auto", "cpu", "cuda") = Field("auto", description="auto (the GPU where there is one), cpu or cuda")
    workers: Natural = Field(1, description="processes that prepare pairs beside the training process; 0: none")
    cache_megabytes: Natural = Field(256, description="memory for decoded photos, per process")
    log_every: Count = Field(10, description="steps between two rows of the history; their losses are means")
    save_every: Count = Field(500, description="steps between two savings of the state")
    keep_logs: bool = Field(True, description="leave TensorBoard's logs in the state folder when training is finished")


class TrainingSettings(TrainingSection):
    """The section of a configuration, and the seed that all steps of a workflow share."""

    seed: Natural = Field(0, description="of everything that is drawn")

    # Here and not in their sections, which may be laid over others.
    @model_validator(mode="after")
    def _ring_fits(self) -> Self:
        ring = self.loss.ring
        if ring.number and self.loss.kind != "contrastive":
            raise wrong_key("loss.ring.number", f"needs loss.kind contrastive, not {self.loss.kind}")
        if ring.radius > ring.radius_max:
            raise wrong_key("loss.ring.radius", f"is {ring.radius}; it must be at most radius_max, {ring.radius_max}")
        return self


# Settings that change how fast or where the same weights are reached, or what is kept beside them.
_WITHOUT_EFFECT = {"device", "workers", "cache_megabytes", "save_every", "keep_logs", "compile"}


def training_settings(values: Mapping[str, Any] | TrainingSettings) -> TrainingSettings:
    """Return the settings of a config's `training` section; what it leaves out keeps its default.

    Raises:
        HndescError: an unknown key, a value of the wrong type or out of bounds; the message names the key.
    """
    return read_settings(TrainingSettings, values, "training setting")


def fingerprint(settings: TrainingSettings, data: Mapping[str, Any]) -> str:
    """Hash the settings that decide the weights, and a description of the data that they are learned from."""
    text = json.dumps({"settings": settings.model_dump(exclude=_WITHOUT_EFFECT), "data": data}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
