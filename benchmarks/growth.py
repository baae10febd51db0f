"""Performance of features, matching and re-ranking by the number of images, and the overhead of Snakemake per job.

    python benchmarks/growth.py [--images 100 1000 10000] [--keypoints N]
    python benchmarks/growth.py --jobs 2 10

Images are small crops of photographs in Python packages (a hundred files under many names) with few keypoints, so that
10,000 images take minutes. The steps are those of the workflow, each in a separate process. Each image is matched with
the next five; a hundredth as many queries are re-ranked, with 100 candidates each. The output is seconds, processor
seconds (which are more reliable if other programs run), peak resident size and output size. The start of a process,
including imports, is listed separately.

--jobs measures the overhead of Snakemake per job, from two runs with different numbers of small jobs.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import skimage.data

from hndesc.io.images import write_image

ROOT = Path(__file__).resolve().parents[1]
WIDTH, HEIGHT, FILES = 96, 72, 100
NEXT, CANDIDATES, QUERIES = 5, 100, 100  # pairs per image; candidates per query; images per query
STEPS = ("nothing", "detect", "describe", "match", "rerank")


def main() -> None:
    """Measure the steps, or the overhead of Snakemake."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--images", type=int, nargs="+", default=[100, 1000], help="numbers of images (default: %(default)s)"
    )
    parser.add_argument("--keypoints", type=int, default=32, help="keypoints per image (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=int, nargs=2, metavar="N", help="measure Snakemake with these numbers of jobs instead"
    )
    parser.add_argument("--child", nargs=2, metavar=("STEP", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_step(arguments.child[0], Path(arguments.child[1]), arguments.keypoints)
    elif arguments.jobs:
        measure_jobs(*arguments.jobs)
    else:
        print("images  step      seconds  processor  ms/image      MiB  MB written", flush=True)
        for images in arguments.images:
            measure(images, arguments.keypoints)


def crops() -> Iterator[np.ndarray]:
    """Yield small crops of photographs."""
    photos = [getattr(skimage.data, name)() for name in ("astronaut", "coffee", "chelsea", "rocket")]
    for number in range(FILES):
        photo, rng = photos[number % len(photos)], np.random.default_rng(number)
        top, left = (int(rng.integers(size - part)) for size, part in zip(photo.shape, (HEIGHT, WIDTH), strict=False))
        yield photo[top : top + HEIGHT, left : left + WIDTH]


def make_data(folder: Path, images: int) -> None:
    """Write images, cameras on a line with a list of pairs, and a shortlist of random rankings."""
    from hndesc.datasets.localization.posed import CAMERAS, COLUMNS
    from hndesc.retrieval.shortlist import Shortlist, write_shortlist

    for number, crop in enumerate(crops()):
        write_image(folder / "files" / f"{number}.jpg", crop)
    names = [f"{number:07d}.jpg" for number in range(images)]
    queries = names[:: min(QUERIES, images)]
    for part, listed in (("db", names), ("query", queries)):
        (folder / "photos" / part).mkdir(parents=True)
        for number, name in enumerate(listed):
            os.link(folder / "files" / f"{number % FILES}.jpg", folder / "photos" / part / name)
    (folder / "scene").mkdir()
    camera = [WIDTH, HEIGHT, 200, 200, WIDTH / 2, HEIGHT / 2, *np.eye(3).ravel(), 0.0, 0.0]
    rows = ["\t".join(map(str, [f"db/{name}", *camera, float(number)])) for number, name in enumerate(names)]
    (folder / "scene" / CAMERAS).write_text("\n".join(["\t".join(COLUMNS), *rows]) + "\n")
    pairs = [(names[at], names[at + by]) for at in range(images) for by in range(1, NEXT + 1) if at + by < images]
    (folder / "scene" / "pairs.txt").write_text("".join(f"db/{one} db/{other}\n" for one, other in pairs))
    top = min(CANDIDATES, images)
    ranks = [np.random.default_rng(row).choice(images, top, replace=False) for row in range(len(queries))]
    write_shortlist(folder / "shortlist.h5", Shortlist(queries, names, np.stack(ranks)))


def work(step: str, folder: Path, keypoints: int) -> Callable[[], object]:
    """Return a step of the workflow as a function without arguments."""
    from hndesc.extraction.description import describe_keypoints
    from hndesc.extraction.detection import detect_keypoints
    from hndesc.localization.matches import match_pairs
    from hndesc.retrieval.reranking import count_shortlist
    from hndesc.workflow.image_selection import select_images

    photos, points, features = folder / "photos", folder / "detect.h5", folder / "describe.h5"
    return {
        "nothing": lambda: None,
        "detect": lambda: detect_keypoints(select_images(photos), points, "sift", max_keypoints=keypoints),
        "describe": lambda: describe_keypoints(select_images(photos), points, features, "sift", precision="float16"),
        "match": lambda: match_pairs(folder / "scene", features, folder / "match.h5"),
        "rerank": lambda: count_shortlist(
            features, folder / "shortlist.h5", folder / "rerank.h5", top=CANDIDATES, estimator="magsac"
        ),
    }[step]


def run_step(step: str, folder: Path, keypoints: int) -> None:
    """Run one step and print seconds, processor seconds and peak resident size."""
    import cv2

    cv2.setNumThreads(1)
    todo = work(step, folder, keypoints)
    start, used = time.perf_counter(), time.process_time()
    todo()
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    print(time.perf_counter() - start, time.process_time() - used, peak)


def measure(images: int, keypoints: int) -> None:
    """Print the cost of each step for a number of images."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_data(folder, images)
        for step in STEPS:
            command = [sys.executable, __file__, "--child", step, place, "--keypoints", str(keypoints)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            seconds, processor, peak = map(float, done.stdout.split())
            output = folder / f"{step}.h5"
            size = output.stat().st_size / 1e6 if output.exists() else 0
            print(
                f"{images:6d}  {step:8s} {seconds:8.1f} {processor:10.1f} {1000 * processor / images:12.2f} "
                f"{peak:5.0f} {size:11.1f}",
                flush=True,
            )


OVERHEAD = """
photos: {folder}
descriptors: [sift]
benchmarks:
  - {{name: small, kind: localization, dataset: {folder}, shards: {jobs}}}
"""


def measure_jobs(few: int, many: int) -> None:
    """Print the overhead of a job of the workflow in processor seconds."""
    used = {}
    for jobs in (few, many):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            for number, crop in zip(range(many), crops(), strict=False):
                write_image(folder / "images" / f"{number}.jpg", crop)
            (folder / "jobs.yaml").write_text(OVERHEAD.format(folder=folder, jobs=jobs))
            targets = [f"results/keypoints/small.{number}-of-{jobs}.h5" for number in range(1, jobs + 1)]
            command = [sys.executable, "-m", "snakemake", "--cores", "1", "--notemp", *targets]
            command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", place]
            before = children()
            subprocess.run([*command, "--configfile", str(folder / "jobs.yaml")], check=True, capture_output=True)
            used[jobs] = children() - before
            print(f"{jobs} jobs: {used[jobs]:.1f} processor seconds", flush=True)
    job = (used[many] - used[few]) / (many - few)
    start = used[few] - few * job
    print(f"start of Snakemake: {start:.1f} processor seconds, job: {job:.1f} s")
    print(f"job on Slurm, which starts Snakemake twice: {2 * start + job:.1f} s")


def children() -> float:
    """Return the processor seconds of all ended child processes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
