"""Settings of the training of the detector."""

from typing import Annotated

from pydantic import Field

from hndesc.runtime.settings import (
    LARGEST,
    Count,
    Natural,
    NotNegative,
    Positive,
    Settings,
    one_of,
    within,
)
from hndesc.training.settings import ColorSettings, ViewSettings


class DetectorLossSettings(Settings):
    """What counts as a local maximum and as found again."""

    radius: Count = Field(4, description="half the side of the window that has one local maximum, pixels")
    border: Annotated[int, Field(ge=2, le=LARGEST)] = Field(
        8, description="local maxima are no nearer to the edge, pixels"
    )
    peaks: Count = Field(400, description="highest local maxima of a crop that are compared")
    distance: Positive = Field(1.5, description="largest distance at which a local maximum is found again, pixels")
    window: Count = Field(4, description="half the side of the windows of agreement and position, pixels")
    agreement: NotNegative = Field(1.0, description="weight of the agreement of windows")
    blur: Natural = Field(1, description="half the side of the blur of both maps before they are compared, pixels")
    position: NotNegative = Field(1.0, description="weight of the cross-entropy of the position")


class DetectorSection(Settings):
    """Data, loss and optimization of a training of the detector."""

    steps: Count = Field(8000, description="number of weight updates")
    batch_size: Count = Field(8, description="pairs per batch")
    crop_size: Annotated[int, Field(ge=64, le=LARGEST)] = Field(192, description="side of the square crops, pixels")
    learning_rate: NotNegative = Field(2e-3, description="highest learning rate of Adam; a cosine to 0")
    warmup: Natural = Field(100, description="steps of a linear warmup")
    loss: DetectorLossSettings = Field(DetectorLossSettings(), description="loss")
    pair: ViewSettings = Field(ViewSettings(), description="which regions of a photo the two crops show")
    color: ColorSettings = Field(ColorSettings(), description="photometric augmentation of each crop")
    held_out: Annotated[float, *within(gt=0, le=0.9)] = Field(0.1, description="share of the photos for validation")
    validation_pairs: Count = Field(64, description="number of fixed pairs of held-out photos")
    validate_every: Count = Field(500, description="steps between two validations")
    keypoints: Count = Field(200, description="strongest keypoints of a crop by which repeatability is validated")
    save_every: Count = Field(100, description="steps between two checkpoints of the state")
    workers: Natural = Field(1, description="processes that prepare pairs; 0: the training process does")
    cache_megabytes: Natural = Field(512, description="cache for decoded photos per process, megabytes")
    device: Annotated[str, *one_of("auto", "cpu", "cuda")] = Field("auto", description="auto, cpu or cuda")


class DetectorSettings(DetectorSection):
    """The section `detector_training` of a configuration, and the seed."""

    seed: Natural = Field(0, description="seed of all random numbers")
