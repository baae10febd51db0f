# What jobs may ask of a machine or a cluster.
import os
import shutil

NOT_NETWORKS = ("sift", "rootsift")


def visible_gpus():
    """GPUs that this process may use: those that Slurm or the user gave it, else the first of this machine."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return int(shutil.which("nvidia-smi") is not None)
    return sum(place.isdecimal() or "-" in place[1:] for place in given.split(","))


# GPUs that jobs may use at a time, where neither the command line nor a cluster's profile tells.
if workflow.is_main_process and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", visible_gpus())


def more(amount):
    """As much again with every attempt: what failed for want of memory or time gets more of it."""

    def resource(wildcards, attempt):
        return amount * attempt

    return resource


def gpus(maker=None):
    """The number of GPUs that a job asks for; it runs without as well, where there are none.

    On this machine a job asks for all that there are, so that no two of them meet on one; a cluster keeps them apart.
    """
    if maker in NOT_NETWORKS:
        return 0
    if (
        not workflow.is_main_process
    ):  # on a node of a cluster: what was asked for is there
        return visible_gpus()
    there = workflow.global_resources["gpu"].value
    return there if workflow.local_exec else min(1, there)
