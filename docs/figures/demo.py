"""Copy figures of a finished demo (`make all`) to docs/figures, in the sizes of pages.

    python docs/figures/demo.py [results]

similar.jpg and reconstruction.png are figures of two commands on the demo's data:

    hndesc similar data/demo/retrieval/jpg --model hndesc-lite --rerank --figure similar.jpg \\
        --query data/demo/retrieval/jpg/pagoda_query_1.jpg data/demo/retrieval/jpg/coffee_query_0.jpg
    hndesc reconstruct data/demo/scene/images/images_upright/db scene # scene/sparse/0/model.png

page.png is the top of results/index.html in a browser window of 1250 pixels.
"""

import sys
from pathlib import Path

from page_size import LONGEST, reduce
from PIL import Image

HERE = Path(__file__).parent
FIGURES = {
    "demo_mma.png": "hpatches_mma.png",
    "training.png": "training.png",
    "localization.png": "localization_localization/model.jpg",
}


def main(results: Path) -> None:
    """Copy all figures of a demo run."""
    for name, source in FIGURES.items():
        image = Image.open(results / "figures" / source).convert("RGB")
        image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        image.save(HERE / name)
        reduce(HERE / name)


if __name__ == "__main__":
    main(Path(*sys.argv[1:]) if sys.argv[1:] else Path("results"))
