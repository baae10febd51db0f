"""A real Slurm on this machine: munged, slurmctld and two slurmd on loopback, in one folder, stopped by their ids."""

import os
import secrets
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo", "scancel", "scontrol", "setpriv")
NODES = ("n1", "n2")
PATIENCE = 120
SBIN = "/usr/sbin:/sbin"

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
DefMemPerCPU=500
MinJobAge=3600
KillWait=2
SlurmdParameters=config_overrides
ReturnToService=2
SlurmctldTimeout=30
SlurmdTimeout=30
SchedulerParameters=defer_batch,sched_interval=1,sched_min_interval=0,batch_sched_delay=0
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={first} CPUs=2 RealMemory=20000 Gres=gpu:2 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={second} CPUs=2 RealMemory=20000 Gres=gpu:2 State=UNKNOWN
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=2-00:00:00 State=UP
PartitionName=gpu Nodes=n1,n2 MaxTime=2-00:00:00 State=UP
"""


def missing_programs() -> list[str]:
    """Return what of Slurm is not installed here."""
    return [name for name in PROGRAMS if _which(name) is None]


@dataclass(frozen=True)
class Job:
    """What squeue prints about a job; `comment` names the rule."""

    number: int
    state: str
    partition: str
    node: str
    comment: str


class SlurmCluster:
    """One machine as a cluster of two nodes; use as a context manager.

    Attributes:
        folder: everything of it: configuration, key, state, logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen] = []

    def __enter__(self) -> Self:
        self._configure()
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which Slurm's commands speak with this cluster."""
        path = f"{self.folder}/bin:{base.get('PATH', os.defpath)}"
        return {**base, "PATH": path, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def ask(self, *command: str) -> str:
        """Return what a command of Slurm prints."""
        done = subprocess.run(command, env=self.environment(os.environ), capture_output=True, text=True)
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
        return done.stdout

    def jobs(self) -> list["Job"]:
        """Return all jobs so far, the first one first."""
        text = self.ask("squeue", "--states=all", "--noheader", "--sort=i", "--format=%i|%T|%P|%N|%k")
        return [Job(int(number), *rest) for number, *rest in (line.split("|") for line in text.splitlines())]

    def set_node(self, name: str, state: str) -> None:
        """Drain, resume or take down a node."""
        self.ask("scontrol", "update", f"NodeName={name}", f"State={state}", "Reason=test")

    def _configure(self) -> None:
        for name in ("state", *(f"spool-{node}" for node in NODES), "bin"):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)  # munged wants a socket that others can reach
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        controller, first, second = _free_ports(3)
        text = CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            user=user,
            folder=self.folder,
            controller=controller,
            first=first,
            second=second,
        )
        (self.folder / "slurm.conf").write_text(text.lstrip())
        # GPUs as Slurm counts them: device files, whatever they are.
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null,/dev/zero\n")
        # The executor's inner srun runs without SLURM_CONF and would look below /etc.
        srun = self.folder / "bin" / "srun"
        srun.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {_which("srun")} "$@"\n')
        srun.chmod(0o755)

    def _start(self) -> None:
        place = self.folder
        munged = [_which("munged"), "--foreground", "--force", f"--key-file={place}/munge.key"]
        munged += [
            f"--socket={place}/munge.socket",
            f"--pid-file={place}/munged.pid",
            f"--seed-file={place}/munge.seed",
        ]
        self._run([*munged, f"--log-file={place}/munged.log"])
        self._wait_for("munged", lambda: (place / "munge.socket").exists())
        self._run([_which("slurmctld"), "-D", "-c", "-f", f"{place}/slurm.conf"])
        for node in NODES:
            self._run([_which("slurmd"), "-D", "-N", node, "-f", f"{place}/slurm.conf"])
        self._wait_for("the nodes", self._idle)

    def _idle(self) -> bool:
        command = ["sinfo", "--noheader", "--Node", "--partition=cpu", "--format=%T"]
        done = subprocess.run(command, env=self.environment(os.environ), capture_output=True, text=True)
        return done.stdout.split() == ["idle"] * len(NODES)

    def _run(self, command: list[str]) -> None:
        with open(self.folder / "output.log", "ab") as log:
            # They end with this process, however it ends.
            command = ["setpriv", "--pdeathsig", "TERM", *command]
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL))

    def _wait_for(self, what: str, ready) -> None:
        end = time.monotonic() + PATIENCE
        while not ready():
            ended = [process.args for process in self._processes if process.poll() is not None]
            if ended or time.monotonic() > end:
                logs = "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in self.folder.glob("*.log"))
                raise RuntimeError(f"{what} did not start; ended: {ended}\n{logs}")
            time.sleep(0.1)

    def _stop(self) -> None:
        """Stop what was started, jobs first, the last one started first."""
        if len(self._processes) > 1:
            me = str(os.getuid())
            subprocess.run(["scancel", "-u", me], env=self.environment(os.environ), capture_output=True)
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
