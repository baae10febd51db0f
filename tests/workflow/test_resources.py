"""What jobs ask for: GPUs where they can use one, more memory and time with every attempt."""

import re

import pytest

from .conftest import Checkout, make_checkout

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = make_checkout(tmp_path_factory.mktemp("fresh") / "hndesc")
    # Of a rule with a message, Snakemake shows the message alone.
    for path in checkout.path("rules").glob("*.smk"):
        path.write_text(re.sub(r"^    message:\n        .*\n", "", path.read_text(), flags=re.MULTILINE))
    return checkout


def asked(checkout: Checkout, *arguments: str) -> dict[str, dict[str, int]]:
    """Return what a dry run shows of the jobs' resources: rule and descriptor -> resource -> amount."""
    text = checkout.run("--dry-run", "results/hpatches.txt", "results/scores/hpatches/sift.txt", *arguments).stdout
    found = {}
    for block in text.split("\nrule ")[1:]:
        descriptor = re.search(r"descriptor=(\w+)", block)
        name = block.partition(":")[0] + (f" {descriptor[1]}" if descriptor else "")
        line = re.search(r"^    resources: (.*)$", block, re.MULTILINE)[1]
        found[name] = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)\b", line)}
    return found


@pytest.mark.parametrize("there", [0, 4])
def test_a_job_takes_all_gpus_of_this_machine_so_that_no_two_meet(fresh: Checkout, there: int) -> None:
    jobs = asked(fresh, "--resources", f"gpu={there}")
    assert {name for name, job in jobs.items() if "gpu" in job} == {
        *("train", "detect_keypoints", "describe_keypoints trained", "describe_keypoints sift"),
    }
    assert jobs["train"]["gpu"] == jobs["describe_keypoints trained"]["gpu"] == there
    assert jobs["detect_keypoints"]["gpu"] == jobs["describe_keypoints sift"]["gpu"] == 0


def test_another_attempt_has_more_memory_and_time(fresh: Checkout) -> None:
    first, third = asked(fresh), asked(fresh, "--attempt", "3")
    assert first.keys() == third.keys() and len(first) >= 8
    for name in first:
        assert third[name]["mem_mb"] == 3 * first[name]["mem_mb"], name
        # training resumes from its state
        assert third[name]["runtime"] == (1 if name == "train" else 3) * first[name]["runtime"], name
