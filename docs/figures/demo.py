"""Draw the figures of a finished demo (`make all`) in the sizes of pages: python docs/figures/demo.py [results]

Most are figures of its results. similar.jpg and reconstruction.png are those of `hndesc similar` and `hndesc
reconstruct` on its data in data/demo; page.png is the top of its page, for which Chromium is needed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from page_size import LONGEST, reduce
from PIL import Image

from hndesc.cli.main import main as hndesc

HERE = Path(__file__).parent
DATA = Path("data/demo")
FIGURES = {
    "demo_mma.png": "hpatches_mma.png",
    "training.png": "training.png",
    "localization.png": "localization_localization/model.jpg",
}
QUERIES = ("pagoda_query_1.jpg", "coffee_query_0.jpg")
WINDOW = (1250, 905)  # pixels of page.png


def main(results: Path) -> None:
    """Draw all figures of a demo run."""
    for name, source in FIGURES.items():
        _copy(results / "figures" / source, name)
    with tempfile.TemporaryDirectory() as folder:
        photos = DATA / "retrieval" / "jpg"
        queries = [str(photos / name) for name in QUERIES]
        similar = Path(folder, "similar.jpg")
        options = ["--model", "hndesc-lite", "--rerank", "--figure", str(similar)]
        hndesc(["similar", str(photos), *options, "--query", *queries])
        _copy(similar, similar.name)
        hndesc(["reconstruct", str(DATA / "scene" / "images" / "images_upright" / "db"), f"{folder}/scene"])
        _copy(Path(folder, "scene", "sparse", "0", "model.png"), "reconstruction.png")
        _copy(_screenshot(results / "index.html", Path(folder)), "page.png")


def _copy(source: Path, name: str) -> None:
    image = Image.open(source).convert("RGB")
    image.thumbnail((LONGEST, LONGEST) if name != "page.png" else WINDOW, Image.Resampling.LANCZOS)
    image.save(HERE / name, quality=95)
    reduce(HERE / name)


def _screenshot(page: Path, folder: Path) -> Path:
    """Return a file with the top of a page in a browser window."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("page.png needs Chromium")
    shot = folder / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile"]
    size = f"--window-size={WINDOW[0]},{WINDOW[1]}"
    command = [browser, *options, size, f"--screenshot={shot}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    return shot


if __name__ == "__main__":
    main(Path(*sys.argv[1:]) if sys.argv[1:] else Path("results"))
