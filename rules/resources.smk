# Resources of jobs on a machine or a cluster.
import os
import shutil

NOT_NETWORKS = ("sift", "rootsift")


def visible_gpus():
    """Return the number of available GPUs: those assigned by Slurm or the user, else at most one."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return int(shutil.which("nvidia-smi") is not None)
    return sum(place.isdecimal() or "-" in place[1:] for place in given.split(","))


# Number of GPUs in use at a time, unless set on the command line or by a profile.
if workflow.is_main_process and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", visible_gpus())


def more(amount):
    """Return a resource function proportional to the attempt, for jobs that ran out of memory or time."""

    def resource(wildcards, attempt):
        return amount * attempt

    return resource


def gpus(maker=None):
    """Return the number of GPUs requested by a job, which also runs without any.

    On this machine, a job requests all GPUs, so that no two jobs share one; a cluster assigns them separately.
    """
    if maker in NOT_NETWORKS:
        return 0
    if not workflow.is_main_process:  # on a node of a cluster: the assigned GPUs
        return visible_gpus()
    there = workflow.global_resources["gpu"].value
    return there if workflow.local_exec else min(1, there)
