"""The steps that stylize the photos of a folder, as a whole or in shards."""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from hndesc.errors import HndescError, ImageError, check_count, counted
from hndesc.io.files import read_json, write_json
from hndesc.io.images import find_images, read_image, resize_longest, write_image
from hndesc.io.locks import writing
from hndesc.io.owned_folders import check_output_folder, finish_folder, open_part_folder, replace_folder, set_aside
from hndesc.runtime.provenance import file_state
from hndesc.runtime.shards import read_part
from hndesc.stylization import needs_styles
from hndesc.stylization.methods import Mixture, prepare
from hndesc.stylization.styles import Styles
from hndesc.stylization.tables import Copy, Failure, gather, write_tables

logger = logging.getLogger(__name__)

STEP = "stylize_photos"
_SETTINGS = "settings.json"


def stylize_photos(
    photos: Path,
    styles: Path | None,
    output: Path,
    method: str = "monge_kantorovich",
    seed: int = 0,
    methods: Mapping[str, Mapping[str, object]] | None = None,
    classes: Sequence[str] | None = None,
    copies: int = 1,
    resize_max: int | None = None,
    quality: int = 95,
    threads: int = 1,
    part: str | None = None,
    **settings: object,
) -> None:
    """Write stylized copies of each photo, with styles drawn at random.

    The copies are stored in `output` under the relative names of the photos with suffix .jpg. Photos that differ only
    in their suffix keep it before the new one (a.png.jpg). With several copies per photo, they are in folders 1, 2 and
    so on. `stylized.tsv` lists photo, copy, style, class and method; `failed.tsv` lists the unreadable photos and the
    reasons. Files are written to `.<output>.part`, from which an interrupted run resumes if settings and inputs are
    unchanged.

    Args:
        photos: folder of photos.
        styles: folder of style photos, flat or with one sub-folder per class; None for methods that need none.
        output: folder of the copies; the output of an earlier run is replaced.
        method: one of `hndesc.stylization.METHODS`, or "mixed" to draw one of `methods` for each copy.
        seed: seed of the random choices; a copy depends on it and on the names, not on other photos.
        methods: settings of each method of a mixture, by name; `weight` is the relative share of copies.
        classes: style classes to draw from; None for all.
        copies: number of copies per photo.
        resize_max: longest side of a copy in pixels; None keeps the size of the photo.
        quality: quality of the JPEG files, 1 to 100.
        threads: number of photos processed at the same time; the copies do not depend on it.
        part: shard "i-of-n", i from 1: every n-th photo starting at the i-th. `gather_stylized` merges the shards.
        **settings: settings of the method, such as `strength`: 0 returns the photo, 1 is the full style.

    Raises:
        HndescError: a folder is missing, a setting is out of range, no photo or style is readable, or `output`
            overlaps with an input or was not made by this step.
    """
    photos, output = Path(photos), Path(output)
    check_output_folder(output, STEP, [photos, styles])
    copies, resize_max = check_count("copies", copies) or 1, check_count("resize_max", resize_max)
    if quality not in range(1, 101):
        raise HndescError(f"quality is {quality!r:.60}; JPEG has 1 to 100")
    style_folder = Path(styles) if styles is not None and needs_styles(method, methods) else None
    drawn = Styles(style_folder, seed, classes) if style_folder else None
    mixture = prepare(method, settings, methods, drawn, classes, seed)
    names = find_images(photos)
    chosen = names
    if part is not None:
        number, count = read_part(part)
        chosen = names[number - 1 :: count]
    made_by: dict[str, Any] = {
        "method": method,
        "methods": methods,
        "seed": seed,
        "classes": classes,
        "copies": copies,
        "part": part,
    }
    made_by |= {"resize_max": resize_max, "quality": quality, "settings": settings}
    made_by |= {"inputs": _digest(photos, *([style_folder] if style_folder else []))}
    with writing(check_output_folder(output, STEP, [photos, styles])):
        folder = open_part_folder(output, STEP, [photos, styles])
        work = _Work(photos, folder, mixture, copy_names(names), copies, resize_max, quality)
        _resume(folder, made_by, [name for photo in chosen for name in work.copies_of(photo)])
        with ThreadPoolExecutor(threads) as pool:
            jobs = pool.map(work.stylize, chosen)
            outcomes = list(tqdm(jobs, total=len(chosen), desc="stylized", unit="photo", disable=None))
        done = [row for outcome in outcomes for row in outcome if isinstance(row, Copy)]
        failed = [row for outcome in outcomes for row in outcome if isinstance(row, Failure)]
        if not done and part is None:
            raise HndescError(f"{photos}: none of its {len(names)} photos is readable; replace them")
        write_tables(folder, done, failed)
        finish_folder(folder, output, STEP, [photos, styles])
    _report(output, done, failed)


def gather_stylized(shards: Sequence[Path], output: Path) -> None:
    """Merge the shards written by `stylize_photos`; the result equals that of a single run.

    Args:
        shards: outputs for the shards 1-of-n to n-of-n, in any order.
        output: folder of the copies; the output of an earlier run is replaced.

    Raises:
        HndescError: a shard has no tables, two shards contain the same photo, or there is no copy.
    """
    shards = [Path(shard) for shard in shards]
    check_output_folder(output, STEP, shards)
    records = [read_json(shard / _SETTINGS) | {"part": None} for shard in shards]
    if any(record != records[0] for record in records):
        raise HndescError(f"{shards[0].parent}: the shards were made with different settings; stylize the photos again")
    with replace_folder(output, STEP, shards) as folder:
        write_json(folder / _SETTINGS, records[0])
        done, failed = gather(shards, folder)
        if not done:
            raise HndescError(f"{output}: none of the {len(failed)} photos is readable; replace them")
        write_tables(folder, done, failed)
    _report(output, done, failed)


def copy_names(names: Sequence[str]) -> dict[str, str]:
    """Return the relative name of the copy of each photo: with suffix .jpg, appended if two names would collide."""
    plain = {name: PurePosixPath(name).with_suffix(".jpg").as_posix() for name in names}
    count = Counter(plain.values())
    copies = {name: f"{name}.jpg" if count[plain[name]] > 1 else plain[name] for name in names}
    if clash := [name for name, times in Counter(copies.values()).items() if times > 1]:
        owners = ", ".join(name for name in names if copies[name] == clash[0])
        raise HndescError(f"photos {owners} would share the stylized copy {clash[0]}; rename them")
    return copies


@dataclass(frozen=True)
class _Work:
    """Arguments shared by all photos and threads."""

    photos: Path
    folder: Path
    mixture: Mixture
    names: Mapping[str, str]
    copies: int
    longest: int | None
    quality: int

    def copies_of(self, photo: str) -> list[str]:
        """Return the names of the copies of a photo."""
        name = self.names[photo]
        return [name] if self.copies == 1 else [f"{number}/{name}" for number in range(1, self.copies + 1)]

    def stylize(self, photo: str) -> list[Copy | Failure]:
        """Write the missing copies of a photo."""
        rows: list[Copy | Failure] = []
        missing = []
        for number, name in enumerate(self.copies_of(photo), 1):
            # The first copy does not depend on the number of copies.
            key = photo if number == 1 else f"{photo}\t{number}"
            draw = self.mixture.draw(key)
            rows.append(Copy(photo, name, draw.style, draw.group, draw.method))
            if not (self.folder / name).exists():
                missing.append((name, draw, key))
        if not missing:
            return rows
        try:
            image, _ = resize_longest(read_image(self.photos / photo), self.longest)
        except ImageError as error:
            logger.warning("photo skipped: %s", error)
            return [Failure(photo, str(error))]
        for name, draw, key in missing:
            write_image(self.folder / name, self.mixture.copy(image, draw, key), self.quality)
        return rows


def _resume(part: Path, settings: Mapping[str, object], copies: Sequence[str]) -> None:
    """Keep the copies in a partial output folder that was made with the same settings; set all other files aside."""
    record = part / _SETTINGS
    text = json.dumps(settings, indent=1, sort_keys=True)
    if record.exists() and record.read_text(encoding="utf-8") == text + "\n":
        set_aside(part, {_SETTINGS, *copies})
    else:
        set_aside(part)
        write_json(record, json.loads(text))


def _report(output: Path, done: Sequence[Copy], failed: Sequence[Failure]) -> None:
    logger.info("%s in %s, %s failed", counted(len(done), "stylized copy"), output, counted(len(failed), "photo"))


def _digest(*folders: Path) -> str:
    """Hash folders, and names and states of all images, so that an interrupted run starts over if one changes."""
    digest = sha256()
    for folder in folders:
        digest.update(f"{folder.resolve()}\n".encode("utf-8", "surrogateescape"))
        for name in find_images(folder):
            digest.update(f"{name}\t{file_state(folder / name)}\n".encode())
    return digest.hexdigest()
