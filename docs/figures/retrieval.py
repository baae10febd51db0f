"""Draw docs/figures/retrieval.jpg: the first photos of a query, before and after re-ranking.

    python docs/figures/retrieval.py

The photos are those of the demo's retrieval set: simulated views of scikit-image's camera (by Lav Varshney, CC0) and
astronaut (NASA, public domain).
"""

import tempfile
from pathlib import Path

from matplotlib.axes import Axes

from hndesc.datasets.demo.retrieval import make_retrieval
from hndesc.datasets.image_set import ImageEntry
from hndesc.datasets.listing import list_images
from hndesc.extraction.extractor import Extractor
from hndesc.retrieval.similar import Neighbor, find_similar
from hndesc.visualization.style import INLIER, OUTLIER, figure

OUTPUT = Path(__file__).with_suffix(".jpg")
PLACE, QUERY = "camera", "camera_query_0.jpg"
COUNT = 6


def main() -> None:
    """Rank the photos of the demo for one query and draw the first ones."""
    with tempfile.TemporaryDirectory() as folder:
        make_retrieval(Path(folder), seed=0)
        entries = list_images(Path(folder, "jpg"))
        photos = [entry for entry in entries if "query" not in entry.name]
        queries = [entry for entry in entries if entry.name == QUERY]
        extractor = Extractor("hndesc-lite", max_keypoints=2048)
        before = find_similar(photos, queries, count=COUNT)[QUERY]
        after = find_similar(photos, queries, count=COUNT, extractor=extractor, candidates=20)[QUERY]
        draw(queries[0], {entry.name: entry for entry in photos}, {"shortlist": before, "re-ranked": after})


def draw(query: ImageEntry, photos: dict[str, ImageEntry], ranked: dict[str, list[Neighbor]]) -> None:
    """Draw the query and a row of photos for each ranking."""
    with figure(OUTPUT, 9.5, 2.7) as drawing:
        grid = drawing.subplots(len(ranked), COUNT + 1)
        for panels, (name, neighbors) in zip(grid, ranked.items(), strict=True):
            _show(panels[0], query, name, "#000000")
            for axes, one in zip(panels[1:], neighbors, strict=True):
                count = "" if one.inliers is None else f"{one.inliers} inliers"
                _show(axes, photos[one.name], count, INLIER if one.name.startswith(PLACE) else OUTLIER)


def _show(axes: Axes, entry: ImageEntry, title: str, color: str) -> None:
    axes.imshow(entry.read(), aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_title(title, fontsize=9)
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=3)


if __name__ == "__main__":
    main()
