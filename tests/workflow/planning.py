"""Plans for tests: config/config.yaml with changes laid over it, without Snakemake."""

from typing import Any

import yaml

from hndesc.workflow.plan import Plan

from .conftest import ROOT


def laid_over(base: dict, changes: dict) -> dict:
    """Snakemake's way with several configuration files."""
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = laid_over(merged[key], value) if both else value
    return merged


def default_config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def plan_of(**changes: Any) -> Plan:
    """The plan of the default configuration with some keys changed."""
    return Plan.read(laid_over(default_config(), changes), ROOT / "config" / "ablations.yaml")
