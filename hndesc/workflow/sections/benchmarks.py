"""Settings of benchmark entries: those of all kinds, and of each kind."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from hndesc.retrieval.global_descriptors import GLOBAL_DESCRIPTORS
from hndesc.runtime.settings import (
    Count,
    Distinct,
    InputFile,
    InputFolder,
    LongestSide,
    Name,
    Natural,
    Positive,
    Settings,
    Shards,
    Share,
    one_of,
    within,
    wrong_key,
)

Estimator = Annotated[str, *one_of("ransac", "magsac", "poselib")]
Ratio = Annotated[float, *within(gt=0, le=1)] | None
_RATIO = "largest distance of a match, as a share of that to the second nearest keypoint{}; null: any, as published"


class BenchmarkSettings(Settings):
    """An entry of the benchmarks."""

    name: Name = Field(description="in tables and file names")
    kind: str
    dataset: InputFolder = Field(description="folder of the dataset")
    max_keypoints: Count | None = Field(None, description="the strongest keypoints an image; null: all")
    resize_max: LongestSide = Field(None, description="longest side of the images, pixels; null leaves it")
    shards: Shards = Field(1, description="jobs among which the images are divided")
    precision: Annotated[str, *one_of("float32", "float16")] = Field(
        "float32", description="in which descriptors are stored"
    )
    without: Annotated[list[str], *Distinct] | None = Field(
        None, description="names of descriptors that are not evaluated on this benchmark; null: all are evaluated"
    )

    if TYPE_CHECKING:
        settings: Settings  # of scoring: each kind declares its own


class HpatchesScoring(Settings):
    """How matches and homographies of sequences are scored."""

    estimator: Estimator | Annotated[list[Estimator], *Distinct] = Field(
        "ransac", description="one, or several whose figures stand side by side; the first is in the published form"
    )
    ransac_threshold: Positive = Field(3.0, description="largest error of an inlier, pixels")
    iterations: Count = Field(5000, description="most iterations of the estimator")
    confidence: Share | None = Field(None, description="at which the estimator stops; null: the estimator's own")
    ratio: Ratio = Field(None, description=_RATIO.format(" of the second image"))
    orders: Annotated[int, Field(ge=0, le=1000)] = Field(
        0,
        description="random orders of the matches in which the first estimator is repeated, for mean and deviation of "
        "its AUC: at least 2; 0: none",
    )
    large_scenes: bool = Field(False, description="score the 8 very large scenes of HPatches too")


class HpatchesBenchmark(BenchmarkSettings):
    """Image matching on homography sequences."""

    kind: Literal["hpatches"] = Field(description="kind of the benchmark")
    layout: Annotated[str, *one_of("hpatches", "oxford_affine", "pairs")] | None = Field(
        None, description="of the dataset; null: detected from its files"
    )
    protocol: Annotated[str, *one_of("full", "480x640")] = Field(
        "full", description="480x640 resizes the images, takes 1000 keypoints each and has the matching score"
    )
    settings: HpatchesScoring = Field(HpatchesScoring(), description="of scoring")


class ShortlistSettings(Settings):
    """What ranks the database before re-ranking; keys that are left out are those of neighbors."""

    descriptor: Annotated[str, *one_of(*GLOBAL_DESCRIPTORS.places)] = Field(
        "efficientnet_lite0", description="global descriptor; that of neighbors where the key is left out"
    )
    weights: InputFile | None = Field(
        None, description="file of its weights; dense needs a checkpoint, or the name of a model of this run"
    )
    resize_max: LongestSide = Field(None, description="longest side of the images, pixels; null leaves it")
    whitening: Count | None = Field(
        None,
        description="dimensions that PCA whitening, learned on the training photos, leaves; null: as many as the "
        "photos allow; no whitening where the key is left out",
    )
    ranking: InputFile | None = Field(
        None, description="published file of rankings (.pkl or .mat), instead of all the others"
    )

    @model_validator(mode="after")
    def _ranked_or_ranking(self) -> Self:
        if self.ranking is not None and len(self.model_fields_set) > 1:
            raise wrong_key("ranking", "replaces all other keys of a shortlist; leave them out")
        return self


class RetrievalScoring(Settings):
    """How a shortlist is re-ranked."""

    top: Count = Field(100, description="candidates a query that are re-ranked")
    ratio: Ratio = Field(0.95, description=_RATIO.format(" of the candidate"))
    min_inliers: Natural = Field(8, description="fewer inliers than these count as none; 0: all count, as published")
    estimator: Estimator = Field("ransac", description="of the homography whose inliers count")
    ransac_threshold: Positive = Field(5.0, description="largest error of an inlier, pixels")
    iterations: Count = Field(2000, description="most iterations of the estimator")
    confidence: Share = Field(0.995, description="at which the estimator stops")


class ShortlistedBenchmark(BenchmarkSettings):
    """A benchmark that re-ranks a shortlist."""

    max_keypoints: Count | None = Field(4096, description="the strongest keypoints an image; null: all")
    resize_max: LongestSide = Field(1024, description="longest side of the images, pixels; null leaves it")
    distractors: InputFolder | None = Field(None, description="folder of images that enlarge the database")
    candidates_only: bool = Field(False, description="local features for nothing but shortlisted images")
    shortlist: ShortlistSettings = Field(ShortlistSettings(), description="what ranks the database")
    settings: RetrievalScoring = Field(RetrievalScoring(), description="of scoring")


class RetrievalBenchmark(ShortlistedBenchmark):
    """Image retrieval in the layout and by the measures of Revisited Oxford and Paris."""

    kind: Literal["retrieval"] = Field(description="kind of the benchmark")
    layout: Annotated[str, *one_of("places")] | None = Field(
        None, description="places: a folder of places with several photos each, of which a set is made"
    )


class Tokyo247Benchmark(ShortlistedBenchmark):
    """Place recognition on Tokyo 24/7."""

    kind: Literal["tokyo247"] = Field(description="kind of the benchmark")


class ImagePairSettings(Settings):
    """Which images are matched; the dataset's own list if it has one."""

    lists: list[InputFile] = Field([], description="files of pairs to take instead")
    covisible: Count = Field(20, description="database images that each is paired with where pairs are made")
    retrieved: Count = Field(20, description="database images that each query is paired with where pairs are made")
    resize_max: LongestSide = Field(480, description="longest side for the global descriptor, pixels; null leaves it")


class MapperSettings(Settings):
    """Settings of COLMAP's mapper."""

    min_num_matches: Count = Field(4, description="fewest matches of a pair that is used")
    init_min_num_inliers: Count = Field(4, description="fewest inliers of the first pair")
    abs_pose_min_num_inliers: Count = Field(4, description="fewest inliers of a registered image")
    abs_pose_min_inlier_ratio: Share = Field(0.05, description="smallest share of inliers of a registered image")
    abs_pose_max_error: Positive = Field(20.0, description="largest error of an inlier, pixels")
    filter_max_reproj_error: Positive = Field(12.0, description="largest error of a point that is kept, pixels")
    ba_local_max_num_iterations: Count = Field(50, description="most iterations of a local bundle adjustment")


class PnpRegistration(Settings):
    """Poses of queries by PnP from matches with their retrieved images."""

    method: Literal["pnp"] = Field("pnp", description="how queries are registered")
    max_error: Positive = Field(12.0, description="largest error of an inlier, pixels of the camera")
    min_inliers: Count = Field(12, description="fewest inliers of a pose")


class MapperRegistration(MapperSettings):
    """Poses of queries by COLMAP's mapper."""

    method: Literal["registration"] = Field("registration", description="how queries are registered")


def _by_pnp(values: Any) -> Any:
    return {"method": "pnp", **values} if isinstance(values, Mapping) else values


Registration = Annotated[
    Annotated[PnpRegistration | MapperRegistration, Field(discriminator="method")], BeforeValidator(_by_pnp)
]


class LocalizationScoring(Settings):
    """How a map is made, and queries are registered in it and scored."""

    pairs: ImagePairSettings = Field(ImagePairSettings(), description="which images are matched")
    ratio: Ratio = Field(None, description=_RATIO.format(" of the pair's second image"))
    thresholds: Annotated[list[Annotated[list[Positive], Field(min_length=2, max_length=2)]], Field(min_length=1)] = (
        Field(
            [[0.25, 2.0], [0.5, 5.0], [5.0, 10.0]],
            description="position (units of the scene) and degrees within which recall is counted",
        )
    )
    map: MapperSettings = Field(MapperSettings(), description="of the map")
    registration: Registration = Field(PnpRegistration(), description="of the queries")


class LocalizationBenchmark(BenchmarkSettings):
    """Visual localization: queries registered in a map with known poses."""

    kind: Literal["localization"] = Field(description="kind of the benchmark")
    max_keypoints: Count | None = Field(4096, description="the strongest keypoints an image; null: all")
    resize_max: LongestSide = Field(1024, description="longest side of the images, pixels; null leaves it")
    settings: LocalizationScoring = Field(LocalizationScoring(), description="of map and queries")


class PhotoPairSettings(Settings):
    """Which photos are matched."""

    exhaustive: Natural = Field(40, description="up to this number of photos, all are matched with each other")
    similar: Natural = Field(20, description="similar photos that each is matched with where there are more")
    sequential: Natural = Field(
        5, description="photos following by name that each is matched with where there are more"
    )
    resize_max: LongestSide = Field(480, description="longest side for the global descriptor, pixels; null leaves it")


class MappingSettings(Settings):
    """Verification of matches and incremental mapping."""

    min_num_inliers: Count = Field(15, description="fewest inliers of a pair that is used")
    max_error: Positive = Field(4.0, description="largest error of an inlier of a pair, pixels")
    min_model_size: Count = Field(3, description="fewest images of a model")
    refine_principal_point: bool = Field(False, description="refine principal points, too")


class ReconstructionScoring(Settings):
    """How photos are matched and mapped."""

    pairs: PhotoPairSettings = Field(PhotoPairSettings(), description="which photos are matched")
    ratio: Ratio = Field(0.9, description=_RATIO.format(" of the pair's second image"))
    share_cameras: bool = Field(True, description="photos of equal size, focal length, make and model share a camera")
    mapping: MappingSettings = Field(MappingSettings(), description="of verification and mapping")


class ReconstructionBenchmark(BenchmarkSettings):
    """Structure from motion of photos without known cameras."""

    kind: Literal["reconstruction"] = Field(description="kind of the benchmark")
    max_keypoints: Count | None = Field(4096, description="the strongest keypoints an image; null: all")
    resize_max: LongestSide = Field(1600, description="longest side of the images, pixels; null leaves it")
    settings: ReconstructionScoring = Field(ReconstructionScoring(), description="of matching and mapping")
