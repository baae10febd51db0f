"""Draw docs/figures/baselines.png: MMA of the baselines at their own keypoints, from a run of config/hpatches.yaml.

python docs/figures/baselines.py results/hpatches hpatches
"""

import sys
from pathlib import Path

from page_size import reduce

from hndesc.visualization.curves import plot_mma

OUTPUT = Path(__file__).with_suffix(".png")
SHOWN = {
    "hndesc-lite-sift": "hndesc-lite",
    "rootsift-own": "RootSIFT",
    "superpoint": "SuperPoint",
    "xfeat-own": "XFeat",
    "aliked-own": "ALIKED",
    "r2d2-own": "R2D2",
    "disk-own": "DISK",
}


def main(run: Path, benchmark: str) -> None:
    """Draw the results of a benchmark."""
    results = [run / "scores" / benchmark / f"{name}.json" for name in SHOWN]
    plot_mma(results, OUTPUT, list(SHOWN.values()), f"{benchmark}, own keypoints (hndesc-lite: SIFT's)")
    reduce(OUTPUT)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
