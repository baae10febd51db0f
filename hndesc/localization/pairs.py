"""Which images to match: the pairs that lists name, or pairs made here.

Database images are paired with those that see most of the same points of the dataset's model; where it has no points,
with the nearest that look the same way. Queries are paired with the database images most alike by a global descriptor.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from hndesc.datasets.localization.aachen import find_pairs
from hndesc.datasets.localization.images import posed_images
from hndesc.datasets.localization.readers import find_layout
from hndesc.datasets.localization.scene import Pose, Scene
from hndesc.errors import HndescError, counted
from hndesc.geometry.pose import camera_center
from hndesc.io.files import check_own_file
from hndesc.io.lists import distinct_pairs, read_pairs, write_pairs
from hndesc.retrieval.global_features import RESIZE_MAX, describe_globally, read_global, scratch_of
from hndesc.retrieval.ranking import rank

logger = logging.getLogger(__name__)

# Cameras that look further apart than this come after all others.
_WIDEST = 60.0


def list_pairs(
    root: Path,
    output: Path,
    *,
    lists: Sequence[Path] = (),
    covisible: int = 20,
    retrieved: int = 20,
    descriptor: str = "efficientnet_lite0",
    resize_max: int | None = RESIZE_MAX,
) -> None:
    """Write the list of image pairs to match, `name name` a line; a query's pairs are in order of their rank.

    Args:
        root: folder of the dataset.
        output: text file.
        lists: lists to take instead of the dataset's own (hloc has one of the database and one of the queries).
            Without any list pairs are made; those of queries that no list names are made in any case.
        covisible: made pairs: database images that each is paired with.
        retrieved: made pairs: database images that each query is paired with.
        descriptor: name of a global descriptor.
        resize_max: longest side that images are downsized to for it, pixels.
    """
    if min(covisible, retrieved) < 1:
        raise HndescError(f"{covisible} and {retrieved} pairs per image cannot be made; give numbers of at least 1")
    own = find_pairs(root)
    check_own_file(output, [*lists, own] if own else lists)
    sources = [Path(path) for path in lists] or ([own] if own else [])
    # As they are: who reads the list counts what is unknown or repeated in it.
    pairs = [pair for path in sources for pair in read_pairs(path)]
    layout = find_layout(root)
    scene = layout.read(Path(root), None)
    if sources:
        logger.info("%s from %s", counted(len(pairs), "pair"), ", ".join(map(str, sources)))
    else:
        pairs = pair_database(scene, layout.tracks(Path(root)), covisible)
        logger.info("%s: %s made of %s", root, counted(len(pairs), "pair"), counted(len(scene.poses), "database image"))
    named = {name for pair in pairs for name in pair}
    queries = [name for name in scene.queries if name not in named]
    if queries:
        logger.info("%s: no list has %s; pairing by '%s'", root, counted(len(queries), "query"), descriptor)
        pairs += pair_queries(scene, queries, Path(output), retrieved, descriptor, resize_max)
    write_pairs(output, pairs)


def pair_database(scene: Scene, tracks: Iterable[Sequence[str]], count: int) -> list[tuple[str, str]]:
    """Pair each database image with `count` others, by shared points or, without any, by pose; each pair once."""
    names = list(scene.database)
    shared = count_shared(names, tracks)
    if shared.nnz:
        ranking = {name: _most_shared(shared, row) for row, name in enumerate(names)}
    else:
        ranking = rank_by_pose([scene.poses[name] for name in names], names)
    return distinct_pairs((name, names[i]) for name, others in ranking.items() for i in others[:count])


def count_shared(names: Sequence[str], tracks: Iterable[Sequence[str]]) -> csr_matrix:
    """Count the points that each two images both see; N x N, zero on the diagonal. Other names are passed over."""
    index = {name: i for i, name in enumerate(names)}
    images: list[int] = []
    points: list[int] = []
    for point, track in enumerate(tracks):
        # An image may see a point by two keypoints: it counts once.
        seen = {index[name] for name in track if name in index}
        images += seen
        points += [point] * len(seen)
    shape = len(names), max(points, default=0) + 1
    sees = coo_matrix((np.ones(len(images), np.int32), (images, points)), shape=shape).tocsr()
    shared = (sees @ sees.T).tocsr()
    shared.setdiag(0)
    shared.eliminate_zeros()
    return shared


def _most_shared(shared: csr_matrix, row: int) -> np.ndarray:
    part = slice(shared.indptr[row], shared.indptr[row + 1])
    others, counts = shared.indices[part], shared.data[part]
    return others[np.lexsort((others, -counts))]


def rank_by_pose(poses: Sequence[Pose], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Rank the other images of each: the nearest cameras first, but those that look another way at the end."""
    centers = np.array([camera_center(pose.rotation, pose.translation) for pose in poses])
    forward = np.array([pose.rotation[2] for pose in poses])
    least = np.cos(np.radians(_WIDEST))
    ranking = {}
    for row, name in enumerate(names):
        distance = np.linalg.norm(centers - centers[row], axis=1)
        order = np.lexsort((distance, forward @ forward[row] < least))
        ranking[name] = order[order != row]
    return ranking


def pair_queries(
    scene: Scene, queries: Sequence[str], output: Path, count: int, descriptor: str, resize_max: int | None
) -> list[tuple[str, str]]:
    """Pair queries with the `count` database images most alike each; missing and broken images are in no pair."""
    entries = {entry.name: entry for entry in posed_images(scene.root)}
    absent = [name for name in (*scene.database, *queries) if name not in entries]
    if absent:
        logger.warning("%s: %d listed images are missing, '%s' first", scene.root, len(absent), absent[0])
    database, queries = ([name for name in part if name in entries] for part in (scene.database, queries))
    if not database:
        raise HndescError(f"{scene.root}: no file of any database image")
    if not queries:
        return []
    store = scratch_of(output)
    names = [*database, *queries]
    describe_globally([entries[name] for name in names], store, descriptor, resize_max)
    try:
        vectors, failed, _ = read_global(store, names)
    finally:
        store.unlink()
    size = len(database)
    rows = [i for i, name in enumerate(names[:size]) if name not in failed]
    asked = [i for i, name in enumerate(names) if i >= size and name not in failed]
    ranked = rank(vectors[asked], vectors[rows], count)
    return [(names[i], names[rows[k]]) for i, (order, _) in zip(asked, ranked, strict=True) for k in order]
