"""Work that jobs share comes out as that of one."""

from pathlib import Path

import h5py
import pytest

from .conftest import TINY, Checkout

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

FEATURES = "results/features/localization/trained.h5"
MATCHES = "results/localization/localization/trained/matches.h5"
WHOLE, SHARDED = "scene, max", "scene, shards: 3, max"


def content(path: Path) -> dict:
    """Everything a file tells, whatever the order in which it was written."""
    found: dict = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        value = item[()].tolist() if isinstance(item, h5py.Dataset) else None
        found[name] = (value, dict(item.attrs))

    with h5py.File(path) as file:
        file.visititems(visit)
        found[""] = dict(file.attrs)
    return found


def test_features_and_matches_of_shards_are_those_of_one_job(finished: Checkout, tmp_path: Path) -> None:
    checkout = finished.copy(tmp_path / "hndesc")
    checkout.path(FEATURES).unlink()
    checkout.path(MATCHES).unlink()
    overlay = tmp_path / "sharded.yaml"
    assert WHOLE in TINY.read_text()
    overlay.write_text(TINY.read_text().replace(WHOLE, SHARDED))
    log = checkout.run(MATCHES, "--forcerun", "gather_features", configfile=overlay).stdout
    assert "Match the pairs of localization by trained, shard " in log
    assert "Gather the shards of matches by trained" in log
    for name in (FEATURES, MATCHES):
        assert content(checkout.path(name)) == content(finished.path(name)), name
    left = [path.name for path in checkout.path(MATCHES).parent.glob("matches*")]
    assert left == ["matches.h5"]
