"""The entries of benchmarks in the configuration, of any of `hndesc.datasets.kinds`."""

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from hndesc.datasets.kinds import KINDS
from hndesc.runtime.plugins import load_place

if TYPE_CHECKING:
    from hndesc.workflow.sections.benchmarks import BenchmarkSettings as Benchmark
else:
    _SECTIONS = [load_place(kind.section) for kind in KINDS.values()]
    Benchmark = Annotated[reduce(or_, _SECTIONS), Field(discriminator="kind")]
