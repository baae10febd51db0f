"""The step that makes a stylized copy of each photo of a folder."""

import inspect
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from hndesc.errors import HndescError, ImageError
from hndesc.files import write_json, write_text
from hndesc.images import find_images, read_image, resize_longest, write_image
from hndesc.stylization import METHODS
from hndesc.stylization.styles import Styles, class_of

logger = logging.getLogger(__name__)

TABLE = "stylized.tsv"
FAILED = "failed.tsv"
_SETTINGS = "settings.json"


def stylize_photos(
    photos: Path,
    styles: Path,
    output: Path,
    method: str = "monge_kantorovich",
    seed: int = 0,
    strength: float = 1.0,
    resize_max: int | None = None,
    quality: int = 95,
    threads: int = 1,
    **settings: object,
) -> None:
    """Write one stylized copy of each photo, its style drawn at random.

    The copies lie in `output` under the photos' relative names with the suffix .jpg; photos that differ in nothing
    but their suffix keep it before the new one (a.png.jpg). `stylized.tsv` lists photo, copy, style, class and
    method; `failed.tsv` the photos that could not be read, and why. Work goes on in `<output>.part`, and from there
    after an interruption when settings and inputs are the same.

    Args:
        photos: folder of photos.
        styles: folder of style photos: one sub-folder a class, or flat.
        output: folder of the copies; one that an earlier run made is replaced.
        method: one of `hndesc.stylization.METHODS`.
        seed: of the draws; a photo's style depends on it and on the names, not on the other photos.
        strength: 0 leaves the photo, 1 is the full style.
        resize_max: longest side of a copy, pixels; None keeps the photo's size.
        quality: of the JPEG files, 1..100.
        threads: photos worked on at the same time; the copies do not depend on it.
        **settings: further ones of the method.

    Raises:
        HndescError: missing folders, settings out of range, no photo or no style that can be read.
    """
    photos, styles, output = Path(photos), Path(styles), Path(output)
    if not 0 <= strength <= 1:
        raise HndescError(f"strength of the stylization is {strength}; it must lie between 0 and 1")
    _check_output(output, photos)
    stylize = _bind(method, settings | {"strength": strength})
    names = find_images(photos)
    drawn = Styles(styles, seed)
    made_by = settings | {"method": method, "seed": seed, "strength": strength, "resize_max": resize_max}
    part = _open_part(output, made_by | {"quality": quality, "inputs": _digest(photos, styles)})
    work = _Work(photos, drawn, part, stylize, resize_max, quality)
    copies = copy_names(names)
    with ThreadPoolExecutor(threads) as pool:
        jobs = pool.map(work.copy, names, [copies[name] for name in names])
        outcomes = list(tqdm(jobs, total=len(names), desc="stylized", unit="photo", disable=None))
    done = [(n, copies[n], o.style, class_of(o.style), method) for n, o in zip(names, outcomes, strict=True) if o.style]
    failed = [(n, o.reason) for n, o in zip(names, outcomes, strict=True) if o.reason]
    if not done:
        raise HndescError(f"{photos}: none of its {len(names)} photos can be read; replace them")
    _write_table(part / TABLE, ("photo", "copy", "style", "class", "method"), done)
    _write_table(part / FAILED, ("photo", "reason"), failed)
    shutil.rmtree(output, ignore_errors=True)
    os.replace(part, output)
    logger.info("%d stylized copies in %s, %d photos failed", len(done), output, len(failed))


def copy_names(names: Sequence[str]) -> dict[str, str]:
    """Return the relative name of each photo's copy: the photo's with suffix .jpg, or added where two would meet."""
    plain = {name: PurePosixPath(name).with_suffix(".jpg").as_posix() for name in names}
    count = Counter(plain.values())
    copies = {name: f"{name}.jpg" if count[plain[name]] > 1 else plain[name] for name in names}
    if clash := [name for name, times in Counter(copies.values()).items() if times > 1]:
        owners = ", ".join(name for name in names if copies[name] == clash[0])
        raise HndescError(f"photos {owners} would all have the stylized copy {clash[0]}; rename one of them")
    return copies


@dataclass(frozen=True)
class _Outcome:
    style: str = ""
    reason: str = ""


@dataclass(frozen=True)
class _Work:
    """All that the copy of one photo needs; shared by the threads."""

    photos: Path
    styles: Styles
    part: Path
    stylize: Callable[[np.ndarray, np.ndarray], np.ndarray]
    longest: int | None
    quality: int

    def copy(self, name: str, copy: str) -> _Outcome:
        style = self.styles.draw(name)
        if (self.part / copy).exists():
            return _Outcome(style)
        try:
            image, _ = resize_longest(read_image(self.photos / name), self.longest)
        except ImageError as error:
            logger.warning("photo left out: %s", error)
            return _Outcome(reason=str(error))
        write_image(self.part / copy, self.stylize(image, self.styles.read(style)), self.quality)
        return _Outcome(style)


def _bind(method: str, settings: Mapping[str, object]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    function = METHODS.load(method)
    known = list(inspect.signature(function).parameters)[2:]
    if unknown := sorted(set(settings) - set(known)):
        raise HndescError(f"unknown setting '{unknown[0]}' of stylization {method}; it has: {', '.join(known)}")
    return lambda content, style: function(content, style, **settings)


def _check_output(output: Path, photos: Path) -> None:
    if output.resolve().is_relative_to(photos.resolve()):
        raise HndescError(f"{output}: lies within the folder of photos {photos}; choose a place outside it")
    if output.exists() and not (output / TABLE).exists() and (not output.is_dir() or any(output.iterdir())):
        raise HndescError(f"{output}: exists and holds no stylized copies; delete it or choose another place")


def _open_part(output: Path, settings: Mapping[str, object]) -> Path:
    """Return `<output>.part`, emptied unless it was made with the same settings."""
    part = output.with_name(output.name + ".part")
    record = part / _SETTINGS
    text = json.dumps(settings, indent=1, sort_keys=True)
    if record.exists() and record.read_text(encoding="utf-8") == text + "\n":
        for left in part.rglob(".*.jpg"):  # temporary names of copies that a kill cut short
            left.unlink()
        return part
    shutil.rmtree(part, ignore_errors=True)
    write_json(record, json.loads(text))
    return part


def _digest(*folders: Path) -> str:
    """Hash names, sizes and times of all photos of the folders: a changed one makes an interrupted run start anew."""
    digest = sha256()
    for folder in folders:
        for name in find_images(folder):
            try:
                state = (folder / name).stat()
            except FileNotFoundError:  # gone since the listing: reported when its turn comes
                continue
            digest.update(f"{name}\t{state.st_size}\t{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = ("\t".join(str(cell).replace("\t", " ").replace("\n", " ") for cell in row) for row in rows)
    write_text(path, "\n".join(["\t".join(header), *lines]) + "\n")
