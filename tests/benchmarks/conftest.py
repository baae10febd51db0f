"""A small dataset in the layout of Tokyo 24/7; work that is done by helpers."""

import numpy as np
import pytest

from hndesc import processes
from hndesc.benchmarks.tokyo247_views import LISTS, POSITIONS, TOP
from hndesc.images import write_image


@pytest.fixture
def helpers_only(monkeypatch):
    """Leave the work to the processes that would only help: on small sets they would come too late."""
    monkeypatch.setattr(processes, "_next", lambda tasks: None)


class Tokyo:
    """Two queries, and six views 0, 10, 20, 30, 40, 50 m east of the first; the second stands 100 m farther east."""

    def __init__(self, root):
        self.root = root
        self.names = [f"0381/38{number}.5_3946.4/pano{number}_000" for number in range(6)]
        self.queries = ["00001", "00002"]
        self.database_positions = np.array([[10.0 * number, 7.0] for number in range(6)])
        self.query_positions = np.array([[0.0, 7.0], [150.0, 7.0]])
        self.distance = 25

    def write(self):
        """Write lists, positions and photos; return the folder."""
        texts = {
            "database": [f"./{TOP}/{name}.png" for name in self.names],
            "queries": [f"./{TOP}/247query_v3/{name}.jpg" for name in self.queries],
        }
        for key, lines in texts.items():
            (self.root / LISTS[key]).write_text("\n".join(lines) + "\n")
            for number, line in enumerate(lines):
                write_image(self.root / line, np.full((20, 30, 3), 10 * number, np.uint8))
        np.savez(
            self.root / POSITIONS,
            utmDb=self.database_positions,
            utmQ=self.query_positions,
            posDistThr=np.int64(self.distance),
        )
        return self.root


@pytest.fixture
def tokyo(tmp_path):
    (tmp_path / "tokyo").mkdir()
    return Tokyo(tmp_path / "tokyo")
