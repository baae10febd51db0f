"""Checks of planned outputs: Snakemake removes the outputs of a job before the job runs."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from hndesc.errors import HndescError
from hndesc.io.files import check_output_file
from hndesc.io.markers import check_maker
from hndesc.io.owned_folders import check_output_folder

# Rules whose folders another rule may make as well; others are steps of their own.
_STEPS = {"stylize_shard": "stylize_photos", "gather_stylized": "stylize_photos"}


@dataclass(frozen=True)
class PlannedJob:
    """A job that is going to run.

    Attributes:
        rule: its name, which is that of the step except for `_STEPS`.
        folders, files: its outputs.
        inputs: files and folders.
        foreign: those of `files` that are there and that no run has made or begun, as far as Snakemake knows.
        further: other files that are written: log and timing.
    """

    rule: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    inputs: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    further: tuple[str, ...] = ()


def check_planned_outputs(jobs: Iterable[PlannedJob]) -> None:
    """Refuse jobs whose outputs would replace files or folders that the workflow did not make.

    Raises:
        HndescError: an output folder that its step must not replace, an output file that cannot be written or that no
            run has made, or a link in the place of an output.
    """
    for job in jobs:
        for path in (*job.folders, *job.files):
            if os.path.islink(path):
                raise HndescError(
                    f"{path}: a link, which Snakemake would remove; link the folder above it, or move the link away"
                )
        for path in job.folders:
            check_output_folder(path, _step(job.rule), job.inputs)
        for path in (*job.files, *job.further):
            check_output_file(path)
        check_known_files(job.foreign)


def check_kept_folders(folders: Iterable[tuple[str, str]]) -> None:
    """Refuse folders that count as the output of a rule and were made by something else.

    Args:
        folders: the rule and the folder of each job that is not going to run.

    Raises:
        HndescError: a folder that exists without the marker of its step.
    """
    for rule, folder in folders:
        if os.path.lexists(folder):
            check_maker(folder, _step(rule))


def check_known_files(foreign: Iterable[str]) -> None:
    """Refuse files at the paths of outputs that no run has made: they are neither kept nor removed.

    Raises:
        HndescError: there is one.
    """
    for path in foreign:
        raise HndescError(
            f"{path}: exists, and no run here has made it; move it away, or delete it if it is not needed (results "
            "copied here without the folder .snakemake: accepted by this command with --touch --forceall)"
        )


def _step(rule: str) -> str:
    return _STEPS.get(rule, rule)
