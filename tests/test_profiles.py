"""Profiles say nothing that Snakemake or its plugins do not know."""

from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser
from snakemake_executor_plugin_slurm.partitions import read_partition_file

ROOT = Path(__file__).resolve().parents[1]
PROFILES = sorted(path.parent.name for path in (ROOT / "profiles").glob("*/config.yaml"))
# Options of a plugin that the tests do without, as its version that the profile names has them.
KUBERNETES = {"kubernetes-namespace"}


def profile(name: str) -> dict:
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


@pytest.mark.parametrize("name", PROFILES)
def test_every_key_is_an_option(name: str) -> None:
    options = {option for action in get_argument_parser()._actions for option in action.option_strings}
    assert {f"--{key}" for key in profile(name).keys() - KUBERNETES} <= options


def test_grouped_rules_exist() -> None:
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    slurm = profile("slurm")
    assert all(f"\nrule {rule}:\n" in rules for rule in slurm["groups"])
    assert set(slurm["group-components"]) <= set(slurm["groups"].values())
    assert max(slurm["group-components"].values()) <= 2  # the cores that a job asks for, which small nodes have


def test_partitions_are_read_and_one_has_gpus() -> None:
    partitions = read_partition_file(ROOT / "profiles" / "slurm" / profile("slurm")["slurm-partition-config"])
    assert [partition.limits.max_gpu > 0 for partition in partitions] == [False, True]
    assert all(partition.limits.max_runtime == 2880 for partition in partitions)


def test_a_cluster_waits_for_files_and_tries_again() -> None:
    slurm = profile("slurm")
    assert slurm["latency-wait"] >= 30 and slurm["retries"] >= 2
    assert slurm["slurm-no-requeue"] is True  # else a lost job runs twice at a time
