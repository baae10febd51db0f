"""Poses of queries by registering them as next images of the model with COLMAP's incremental mapper.

The published route, there through COLMAP's program image_registrator.
"""

from pathlib import Path

from tqdm import tqdm

from hndesc.datasets.localization.pycolmap_border import opened_copy, pycolmap, to_pose
from hndesc.datasets.localization.scene import Scene
from hndesc.io.features import FeatureReader
from hndesc.localization.queries import Estimate, find_obstacle


def estimate_by_registration(
    scene: Scene,
    features: FeatureReader,
    database: Path,
    model: "pycolmap.Reconstruction",
    options: "pycolmap.IncrementalPipelineOptions",
) -> dict[str, Estimate]:
    """Register each query from its verified matches in the database; `model` gains their images."""
    with opened_copy(database) as connection:
        # All images: the mapper cannot begin with a model that has images without verified matches otherwise.
        chosen = pycolmap.DatabaseCacheOptions(min_num_matches=options.min_num_matches, load_all_images=True)
        cache = pycolmap.DatabaseCache.create(connection, chosen)
    mapper = pycolmap.IncrementalMapper(cache)
    mapper.begin_reconstruction(model)
    ids = {image.name: image_id for image_id, image in cache.images.items()}
    estimates = {}
    for name, retrieved in tqdm(scene.retrieved().items(), desc="localization", unit="query", disable=None):
        reason = find_obstacle(scene, features, name, retrieved)
        if not reason and not cache.correspondence_graph.num_correspondences_for_image(ids[name]):
            reason = f"no pair with {options.min_num_matches} verified matches"
        if not reason and not mapper.register_next_image(options.get_mapper(), ids[name]):
            reason = "too few of its verified matches agree on a pose"
        if reason:
            estimates[name] = Estimate(reason=reason)
        else:
            image = model.image(ids[name])
            estimates[name] = Estimate(to_pose(image.cam_from_world()), image.num_points3D)
    mapper.end_reconstruction(False)
    return estimates
