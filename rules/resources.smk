# What jobs may ask of a machine or a cluster.
import shutil

NOT_NETWORKS = ("sift", "rootsift")

# GPUs that jobs may use at a time. A cluster's profile tells; else it is what this machine has, the first one.
if "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", int(shutil.which("nvidia-smi") is not None))


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
    there = workflow.global_resources["gpu"].value
    return there if workflow.local_exec else min(1, there)
