"""The archives of HPatches, Oxford, Paris and Aachen in their real layouts, with the demo's content."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import yaml

SCENE = "3D-models/aachen_v_1_1/"


def zipped(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return stream.getvalue()


def tarred(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return stream.getvalue()


def below(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def archives(demo: Path) -> dict[str, bytes]:
    """Return the files that the published addresses serve, by name, made of the demo data."""
    sequences, retrieval, scene = (below(demo / name) for name in ("sequences", "retrieval", "scene"))
    photos = {name.removeprefix("jpg/"): body for name, body in retrieval.items() if name.startswith("jpg/")}
    half = sorted(photos)[::2]
    night = {name: body for name, body in scene.items() if "/query/night/" in name}
    day = {name: body for name, body in scene.items() if name.startswith("images/") and name not in night}
    of_zip = {name: body for name, body in scene.items() if name.startswith(("3D-models/", "queries/"))}
    of_zip.pop("queries/day_time_queries_with_intrinsics.txt")
    return {
        "hpatches-sequences-release.zip": zipped(
            {f"hpatches-sequences-release/{name}": body for name, body in sequences.items()}
        ),
        "oxbuild_images-v1.tgz": tarred(photos),
        "paris_1-v1.tgz": tarred({f"paris/defense/{name}": photos[name] for name in half}),
        "paris_2-v1.tgz": tarred({f"paris/eiffel/{name}": photos[name] for name in photos if name not in half}),
        "gnd_roxford5k.pkl": retrieval["gnd_demo.pkl"],
        "gnd_rparis6k.pkl": retrieval["gnd_demo.pkl"],
        "database_and_query_images.zip": zipped({name.removeprefix("images/"): body for name, body in day.items()}),
        "day_time_queries_with_intrinsics.txt": scene["queries/day_time_queries_with_intrinsics.txt"],
        "aachen_v1_1.zip": zipped(of_zip | {name.removeprefix("images/"): body for name, body in night.items()}),
        "database_v1_1.db": scene["database_v1_1.db"],
        "image_pairs_to_match_v1_1.txt": scene["image_pairs_to_match_v1_1.txt"],
    }


def tiny_registry(published: Path, files: Mapping[str, bytes], counts: Mapping[str, dict]) -> str:
    """Return the published registry's entries of `counts`, with sizes, checksums and counts of tiny files."""
    entries = {name: yaml.safe_load(published.read_text())["datasets"][name] for name in counts}
    for name, entry in entries.items():
        for file in entry["files"]:
            body = files[file["addresses"][0].rpartition("/")[2]]
            if "sha256" in file:
                file["sha256"] = hashlib.sha256(body).hexdigest()
            if "size" in file:
                file["size"] = len(body)
        entry["layout"] |= counts[name]
    return yaml.safe_dump({"datasets": entries})
