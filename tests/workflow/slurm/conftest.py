"""A Slurm for the tests of this folder, and runs of the workflow on it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fixtures.commands import environment

from ..conftest import TINY, Checkout
from .cluster import Job, SlurmCluster, missing_programs

# The profile as it is, but for a cluster without accounting, and for the haste of a test: jobs are checked every
# second, where the executor waits ten seconds longer after each check that finds none ended.
STATUS = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1")
HASTY = """
from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
main()
"""
PATIENCE = 1200


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    missing = missing_programs()
    if missing:
        pytest.skip(
            f"Slurm is not installed (no {missing[0]}); Debian: apt-get install slurmctld slurmd slurm-client munge"
        )
    with SlurmCluster(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        yield cluster


@dataclass
class ClusterRun:
    """A workflow that runs on the cluster."""

    cluster: SlurmCluster
    checkout: Checkout
    process: subprocess.Popen
    log: Path

    def wait(self) -> str:
        """Wait for the end, which must be a success; return what Snakemake printed."""
        code = self.process.wait(PATIENCE)
        assert code == 0, self.log.read_text()[-6000:]
        return self.log.read_text()

    def job(self, comment: str, ready: Callable[[], bool] = lambda: True) -> Job:
        """Wait for a running job of a rule, and for what else is to be so."""
        return self.until(
            lambda: next(
                (
                    job
                    for job in self.cluster.jobs()
                    if job.comment.startswith(comment) and job.state == "RUNNING" and ready()
                ),
                None,
            ),
            f"a running job {comment}",
        )

    def until(self, found: Callable, what: str):
        end = time.monotonic() + PATIENCE
        while not (value := found()):
            done = self.process.poll() is not None or time.monotonic() > end
            assert not done, f"{what} never came\n{self.log.read_text()[-6000:]}"
            time.sleep(0.2)
        return value


def start(cluster: SlurmCluster, checkout: Checkout, *arguments: str, configfile: Path = TINY) -> ClusterRun:
    """Start the workflow as a user of a cluster does."""
    command = [sys.executable, "-c", HASTY, "--profile", "profiles/slurm", *STATUS, *arguments]
    log = checkout.folder / "snakemake.log"
    with open(log, "w") as stream:
        process = subprocess.Popen(
            [*command, "--configfile", str(configfile)],
            cwd=checkout.folder,
            env=cluster.environment(environment()),
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    return ClusterRun(cluster, checkout, process, log)
