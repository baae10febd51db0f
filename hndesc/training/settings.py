"""All settings of training and their defaults: one dataclass a section, checked when they come in."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hndesc.errors import HndescError
from hndesc.training.checks import Checker

NEGATIVES = ("in_pair", "in_batch", "all", "random", "in_batch_global")


@dataclass(frozen=True)
class PairSettings:
    """How two crops of one photo are drawn.

    Attributes:
        zoom, zoom_max: smallest and largest side of the photo's region that fills a crop, in crop sides.
        rotation: largest rotation of a crop, degrees to either side.
        perspective: smallest factor for each of two opposite sides of the region; the largest is 1.
        shift: distance of the second crop's centre from the first's on each axis, in crop sides.
        lone: share of the keypoints that each crop of a pair lacks, as though its detector had missed them; with any,
            those that only one crop shows count, too: as negatives, and as false matches. 0: neither.
        ramp: share of the steps in which zoom, rotation and perspective grow, from none, to the values above; pairs to
            validate with are always as hard as these. 0: so are all.
        tries: draws before the last one is taken, good or bad.
        contrast: smallest standard deviation of the first crop's grey levels (0 to 255).
    """

    zoom: float = 0.8
    zoom_max: float = 1.0
    rotation: float = 15.0
    perspective: float = 0.6
    shift: float = 0.1
    lone: float = 0.0
    ramp: float = 0.0
    tries: int = 10
    contrast: float = 20.0


@dataclass(frozen=True)
class ColorSettings:
    """How the colours of each crop are changed; a weight or probability of 0 switches a term off.

    Attributes:
        probability: share of crops that get one of the five colour terms, drawn by their weights.
        brightness_contrast: weight of shifting brightness by up to `brightness` and scaling contrast by up to
            `contrast`.
        hue_saturation: weight of turning the hue by up to `hue` and shifting the saturation by up to `saturation`.
        clahe: weight of local histogram equalisation.
        gray: weight of dropping the colours.
        shuffle: weight of shuffling the channels.
        brightness: share of the full range.
        contrast: share of the level.
        hue: degrees.
        saturation: levels of 255.
        blur: share of crops that get a Gaussian or a box blur, 3 to 7 pixels wide.
        noise: share of crops that get Gaussian noise of a variance between 10 and 50 squared levels.
        relight: share of crops that are lit anew: tones change their order, and light falls off.
        falloff: standard deviation of that, powers of 2.
        darken: share of crops that are exposed too little in a tinted light, with the sensor's noise.
        stops: most that the exposure of these is lowered by, powers of 2.
        jpeg: share of crops that are compressed, at a quality between 30 and 90.
    """

    probability: float = 0.6
    brightness_contrast: float = 0.7
    hue_saturation: float = 0.7
    clahe: float = 0.5
    gray: float = 0.5
    shuffle: float = 0.1
    brightness: float = 0.3
    contrast: float = 0.2
    hue: float = 10.0
    saturation: float = 30.0
    blur: float = 0.3
    noise: float = 0.1
    relight: float = 0.0
    falloff: float = 2.0
    darken: float = 0.0
    stops: float = 5.0
    jpeg: float = 0.0


@dataclass(frozen=True)
class RingSettings:
    """Negatives of the contrastive loss that are read around a keypoint's own place in the other crop.

    Attributes:
        number: negatives a keypoint; 0: none.
        radius, radius_max: smallest and largest distance from the place, pixels of the crop; drawn log-uniformly.
        weight: of each in the softmax, where the other negatives have 1.
    """

    number: int = 0
    radius: float = 2.5
    radius_max: float = 10.0
    weight: float = 3.0


@dataclass(frozen=True)
class LossSettings:
    """What is minimised.

    Attributes:
        kind: "ap" (1 - quantised average precision), "triplet" or "contrastive" (cross-entropy of a softmax).
        negatives: "in_pair", "in_batch", "all", "random" or "in_batch_global" (see `hndesc.training.negatives`).
        k: negatives a keypoint, the hardest; "all" takes every one, "triplet" the single hardest, "contrastive" every
            one of any kind.
        bins: bins of the quantised similarity.
        margin: margin of the triplet loss.
        temperature: similarities are divided by it in the contrastive loss.
        false_matches: weight of the expected number of false mutual matches, a keypoint (any loss).
        match_temperature: similarities are divided by it for that expectation.
        ring: see its class ("contrastive" only).
    """

    kind: str = "ap"
    negatives: str = "in_batch"
    k: int = 20
    bins: int = 20
    margin: float = 1.0
    temperature: float = 0.07
    false_matches: float = 0.0
    match_temperature: float = 0.03
    ring: RingSettings = field(default_factory=RingSettings)

    @property
    def is_average_precision(self) -> bool:
        """Whether the loss is 1 - the average precision and nothing else."""
        return self.kind == "ap" and self.false_matches == 0


@dataclass(frozen=True)
class SchedulerSettings:
    """How the learning rate falls.

    Attributes:
        kind: "constant", "step" (times `factor` every `every` steps) or "cosine" (to 0 at the last step).
        every: steps.
        factor: factor.
        warmup: steps of a linear rise at the start, with any kind.
    """

    kind: str = "step"
    every: int = 50_000
    factor: float = 0.5
    warmup: int = 0


@dataclass(frozen=True)
class ValidationSettings:
    """How training is watched.

    Attributes:
        share: share of the photos that are held out (always the same ones, at least as many as the loss needs).
        every: steps between two validations; the last step is always validated.
        pairs: fixed pairs of held-out photos that are scored.
    """

    share: float = 0.1
    every: int = 6_000
    pairs: int = 128


@dataclass(frozen=True)
class TrainingSettings:
    """The `training` section of a config.

    Attributes:
        architecture: backbone, a name of `hndesc.models`.
        weights: where training starts: "imagenet", "random", a checkpoint file, or None: the backbone's own default.
        steps: updates of the weights.
        batch_size: pairs a batch.
        accumulation: batches an update.
        crop_size: side of the square crops, pixels.
        max_keypoints: keypoints a pair, drawn from those visible in both crops.
        stylized_probability: share of pairs whose second crop is cut from the stylised copy.
        learning_rate: Adam's.
        gradient_clip: largest norm of the gradient, or None.
        scheduler, loss, pair, color, validation: see their classes.
        precision: "float32" or "bfloat16" (autocast; the loss stays in float32).
        half_weights: write the trained convolutions in float16, into a file half as large.
        channels_last: memory format of the network.
        compile: compile the network with torch.compile.
        device: "auto" (the GPU where there is one), "cpu" or "cuda".
        workers: processes that prepare pairs beside the training process; 0: none.
        cache_megabytes: memory for decoded photos, per process.
        log_every: steps between two rows of the history; their losses are means.
        save_every: steps between two savings of the state.
        keep_logs: leave TensorBoard's logs in the state folder when training is finished.
        seed: of everything that is drawn.
    """

    architecture: str = "lite"
    weights: str | None = None
    steps: int = 220_000
    batch_size: int = 16
    accumulation: int = 1
    crop_size: int = 256
    max_keypoints: int = 200
    stylized_probability: float = 0.7
    learning_rate: float = 1e-4
    gradient_clip: float | None = None
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    pair: PairSettings = field(default_factory=PairSettings)
    color: ColorSettings = field(default_factory=ColorSettings)
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    precision: str = "float32"
    half_weights: bool = False
    channels_last: bool = True
    compile: bool = False
    device: str = "auto"
    workers: int = 1
    cache_megabytes: int = 256
    log_every: int = 10
    save_every: int = 500
    keep_logs: bool = True
    seed: int = 0


# Settings that change how fast or where the same weights are reached, or what is kept beside them.
_WITHOUT_EFFECT = ("device", "workers", "cache_megabytes", "save_every", "keep_logs", "compile")
_CHOICES = {
    "loss.kind": ("ap", "triplet", "contrastive"),
    "loss.negatives": NEGATIVES,
    "scheduler.kind": ("constant", "step", "cosine"),
    "precision": ("float32", "bfloat16"),
    "device": ("auto", "cpu", "cuda"),
}
# Bounds, both included, of every number that has some: key -> (least, most).
_BOUNDS = (
    {
        "steps": (1, None),
        "batch_size": (1, None),
        "accumulation": (1, None),
        "crop_size": (32, None),
        "max_keypoints": (2, None),
        "stylized_probability": (0, 1),
        "learning_rate": (0, None),
        "gradient_clip": (0, None),
        "workers": (0, None),
        "cache_megabytes": (0, None),
        "log_every": (1, None),
        "save_every": (1, None),
        "seed": (0, None),
        "loss.k": (1, None),
        "loss.bins": (2, None),
        "loss.margin": (0, None),
        "loss.temperature": (0.001, None),
        "loss.false_matches": (0, None),
        "loss.match_temperature": (0.001, None),
        "loss.ring.number": (0, 1000),
        "loss.ring.radius": (0.1, None),
        "loss.ring.radius_max": (0.1, 1000),
        "loss.ring.weight": (0.001, 1000),
        "scheduler.every": (1, None),
        "scheduler.factor": (0, 1),
        "scheduler.warmup": (0, None),
        "pair.zoom": (0.1, 1),
        "pair.zoom_max": (1, 4),
        "pair.lone": (0, 0.5),
        "pair.ramp": (0, 1),
        "pair.rotation": (0, 180),
        "pair.perspective": (0.1, 1),
        "pair.shift": (0, 1),
        "pair.tries": (1, None),
        "pair.contrast": (0, 127.5),
        "color.brightness": (0, 1),
        "color.contrast": (0, 1),
        "color.hue": (0, 180),
        "color.saturation": (0, 255),
        "color.stops": (0, 12),
        "color.falloff": (0, 6),
        "validation.share": (0, 0.9),
        "validation.every": (1, None),
        "validation.pairs": (1, None),
    }
    | {f"color.{name}": (0, 1) for name in ("probability", "blur", "noise", "relight", "darken", "jpeg")}
    | {f"color.{name}": (0, None) for name in ("brightness_contrast", "hue_saturation", "clahe", "gray", "shuffle")}
)


def training_settings(values: Mapping[str, Any]) -> TrainingSettings:
    """Return the settings of a config's `training` section; what it leaves out keeps its default.

    Raises:
        HndescError: an unknown key, a value of the wrong type or out of bounds, or ones that do not go together; the
            message names the key.
    """
    settings = Checker(_CHOICES, _BOUNDS).section(TrainingSettings, values)
    ring = settings.loss.ring
    if ring.number and settings.loss.kind != "contrastive":
        raise HndescError(f"training setting 'loss.ring.number' needs loss.kind contrastive, not {settings.loss.kind}")
    if ring.radius > ring.radius_max:
        raise HndescError(
            f"training setting 'loss.ring.radius' is {ring.radius}; it must be at most radius_max, {ring.radius_max}"
        )
    return settings


def fingerprint(settings: TrainingSettings, data: Mapping[str, Any]) -> str:
    """Hash the settings that decide the weights, and a description of the data that they are learned from."""
    values = dataclasses.asdict(settings)
    for name in _WITHOUT_EFFECT:
        del values[name]
    text = json.dumps({"settings": values, "data": data}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
