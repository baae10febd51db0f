"""Settings of where data comes from: the registry of datasets, and photos that are split."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from hndesc.runtime.settings import Count, InputFile, InputFolder, Name, Natural, Settings, Text, within


class DatasetSettings(Settings):
    """Where registered datasets come from."""

    registry: InputFile | None = Field(None, description="file of further entries, in the form of the package's own")
    mirrors: list[Annotated[str, StringConstraints(pattern="^https?://")]] = Field(
        [], description="addresses of folders that hold the files under their names; tried first"
    )
    checksums: Text = Field("checksums.tsv", description="table of checksums that first downloads record; commit it")


class SequenceCounts(Settings):
    """How many sequences are made of validation photos, and as many of test photos."""

    viewpoint: Count = Field(25, description="sequences with changes of viewpoint")
    illumination: Count = Field(33, description="sequences with changes of illumination")


def _not_demo(name: str) -> str:
    if name == "demo":
        raise PydanticCustomError("taken", "must not be 'demo', the demo's own folder; choose another name")
    return name


class SplitSettings(Settings):
    """Photos split into data/<name>/training and those held out, and sequences made of the latter."""

    name: Annotated[Name, AfterValidator(_not_demo)] = Field(description="name of the folder below data; not demo")
    photos: InputFolder | Annotated[list[InputFolder], Field(min_length=1)] = Field(description="folder, or several")
    share: Annotated[float, *within(gt=0, lt=1)] = Field(
        0.2, description="share of the photos that is held out, half for validation, half for the test"
    )
    seed: Natural = Field(0, description="of everything that is drawn")
    train_on: Annotated[list[Text], Field(min_length=1)] = Field(
        ["*"], description="shell patterns of the paths, below their folders, of photos that may be trained on"
    )
    sequences: SequenceCounts = Field(SequenceCounts(), description="how many sequences are made")
