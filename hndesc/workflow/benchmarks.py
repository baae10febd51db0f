"""The entries of benchmarks in the configuration, of any of `hndesc.datasets.kinds`."""

from functools import reduce
from operator import or_
from typing import Annotated

from pydantic import Field

from hndesc.datasets.kinds import KINDS
from hndesc.runtime.plugins import load_place

Benchmark = Annotated[reduce(or_, [load_place(kind.section) for kind in KINDS.values()]), Field(discriminator="kind")]
