"""Format, lint and types are part of the tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SMK = [
    "Snakefile",
    "workflow/Snakefile",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "rules").glob("*.smk"))),
]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["snakefmt", "--check", *SMK],
        ["snakemake", "--lint"],
        ["mypy"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_clean(command: list[str]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_that_runs_has_message_log_benchmark_threads_resources_and_environment() -> None:
    for path in SMK:
        for rule in (ROOT / path).read_text().split("\nrule ")[1:]:
            if "script:" in rule or "shell:" in rule:
                for key in ("message:", "log:", "benchmark:", "threads:", "mem_mb=", "runtime=", "conda:"):
                    assert key in rule, f"{path}: rule {rule.partition(':')[0]} has no {key}"


def test_adapters_are_short() -> None:
    for path in (ROOT / "workflow_scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 30, path.name
