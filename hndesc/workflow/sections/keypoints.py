"""Settings of keypoint detectors, one section a detector."""

from typing import Annotated, Literal

from pydantic import Field

from hndesc.pretrained.baselines import WEIGHTS
from hndesc.runtime.settings import Count, InputFile, Natural, NotNegative, Number, PathOf, Settings, Share, Text

# In place of a file of weights.
TRAINED_DETECTOR = "trained"
_BORDER = "no keypoint is nearer to the edge than this, pixels"
_RADIUS = "half the side of the window that has one keypoint, pixels"
_THRESHOLD = "lowest score of a keypoint; higher finds fewer"
_WEIGHTS = "file of published weights; null: fetched to data/weights"


class KeypointSettings(Settings):
    """Which detector finds keypoints, and how."""

    detector: str

    @property
    def published(self) -> str | None:
        """The published file that is fetched where none is named."""
        return WEIGHTS.get(self.detector)


class SiftKeypoints(KeypointSettings):
    """OpenCV's SIFT."""

    detector: Literal["sift"] = Field(description="name of the detector")
    weights: None = Field(None, description="none; null only, to lay over another detector's")
    border: Natural = Field(4, description=_BORDER)
    nms_radius: Natural = Field(0, description=_RADIUS)
    contrast_threshold: NotNegative = Field(
        0.04, description="OpenCV's default 0.04 finds few keypoints in dark photos, 0.01 more"
    )


class _LearnedKeypoints(KeypointSettings):
    weights: InputFile | None = Field(None, description=_WEIGHTS)
    border: Natural = Field(0, description=_BORDER)
    nms_radius: Natural = Field(2, description=_RADIUS)


class AlikedKeypoints(_LearnedKeypoints):
    """ALIKED."""

    detector: Literal["aliked"] = Field(description="name of the detector")
    threshold: Number = Field(0.2, description=_THRESHOLD)


class DiskKeypoints(_LearnedKeypoints):
    """DISK."""

    detector: Literal["disk"] = Field(description="name of the detector")
    threshold: Number = Field(0.0, description=_THRESHOLD)


class HndescKeypoints(_LearnedKeypoints):
    """The detector of hndesc."""

    detector: Literal["hndesc"] = Field(description="name of the detector")
    weights: Annotated[Text, PathOf("file", other=(TRAINED_DETECTOR,))] | None = Field(
        None, description="file of weights; trained: those of this run's `detector_training`; null: the bundled ones"
    )
    border: Natural = Field(4, description=_BORDER)
    nms_radius: Natural = Field(3, description=_RADIUS)
    threshold: Share = Field(0.0, description=_THRESHOLD)


class R2d2Keypoints(_LearnedKeypoints):
    """R2D2."""

    detector: Literal["r2d2"] = Field(description="name of the detector")
    nms_radius: Natural = Field(1, description=_RADIUS)
    threshold: Number = Field(0.7, description=_THRESHOLD)
    min_size: Count = Field(256, description="longest side of the smallest scale, pixels")
    max_size: Count | None = Field(
        1024, description="longest side of the largest scale, pixels; null for that of the photo"
    )


class SuperPointKeypoints(_LearnedKeypoints):
    """SuperPoint."""

    detector: Literal["superpoint"] = Field(description="name of the detector")
    border: Natural = Field(4, description=_BORDER)
    nms_radius: Natural = Field(3, description=_RADIUS)
    threshold: Number = Field(0.005, description=_THRESHOLD)


class XFeatKeypoints(_LearnedKeypoints):
    """XFeat."""

    detector: Literal["xfeat"] = Field(description="name of the detector")
    threshold: Number = Field(0.05, description=_THRESHOLD)


Keypoints = Annotated[
    AlikedKeypoints
    | DiskKeypoints
    | HndescKeypoints
    | R2d2Keypoints
    | SiftKeypoints
    | SuperPointKeypoints
    | XFeatKeypoints,
    Field(discriminator="detector"),
]
