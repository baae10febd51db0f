"""What is not ours is neither replaced nor removed: every step that writes a folder, in every such situation."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hndesc.datasets import demo, image_list, places, splits, synthetic_sequences
from hndesc.datasets.demo import make_demo
from hndesc.datasets.free_photos import gather_free_photos
from hndesc.datasets.homography.resizing import resize_sequences
from hndesc.datasets.image_list import list_own_photos
from hndesc.datasets.places import make_places
from hndesc.datasets.splits import split_photos
from hndesc.datasets.synthetic_sequences import make_sequences
from hndesc.errors import HndescError
from hndesc.io.images import write_image
from hndesc.io.markers import MARKER, read_marker
from hndesc.io.owned_folders import check_output_folder, open_part_folder, replace_folder
from hndesc.localization import mapping
from hndesc.localization.mapping import build_map
from hndesc.stylization.stylize import gather_stylized, stylize_photos
from hndesc.visualization.maps import plot_localization
from hndesc.visualization.sequence_figures import plot_sequences

from .guard import refusal


@dataclass(frozen=True)
class Step:
    """A step that makes `folder` of `source`; `folder` is called `name`."""

    marker: str
    run: Callable[[Path, Path], object]
    name: str = "out"


STEPS = {
    "split training": Step(splits.STEP, lambda source, folder: split_photos([source], folder.parent), "training"),
    "split test": Step(splits.STEP, lambda source, folder: split_photos([source], folder.parents[1]), "test"),
    "list_photos": Step(image_list.STEP, list_own_photos),
    "places": Step(places.STEP, make_places),
    "sequences": Step(synthetic_sequences.STEP, make_sequences),
    "resized": Step("resize_sequences", resize_sequences),
    "free photos": Step("free_photos", gather_free_photos),
    "stylize": Step("stylize_photos", lambda source, folder: stylize_photos(source, source, folder)),
    "stylize by": Step("stylize_photos", lambda source, folder: stylize_photos(Path("no"), source, folder)),
    "gather": Step("stylize_photos", lambda source, folder: gather_stylized([source], folder)),
    "map": Step(mapping.STEP, lambda source, folder: build_map(source, source, source, folder)),
    "pictures": Step("plot_matches", lambda source, folder: plot_sequences(source, [], folder, [])),
    "localization": Step("plot_localization", lambda source, folder: plot_localization(*[source] * 4, [], folder, [])),
}
DEMO = Step(demo.STEP, lambda source, folder: make_demo(folder.parent), "photos")


def place(base: Path, step: Step) -> Path:
    """Return where the step's folder goes; its parent is made."""
    folder = base / "held_out" / step.name if step.name == "test" else base / step.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def filled(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "letter.txt").write_text("dear")
    write_image(folder / "photo.png", np.zeros((4, 4, 3), np.uint8))
    return folder


def made(folder: Path, step: Step, inner: str = "") -> Path:
    """A folder that the step has made, with files in it or in a folder within."""
    with replace_folder(folder, step.marker) as part:
        filled(part / inner)
    return folder


def foreign(base: Path, step: Step) -> tuple[Path, Path]:
    return filled(base / "in"), filled(place(base / "work", step))


def foreign_link(base: Path, step: Step) -> tuple[Path, Path]:
    folder = place(base / "work", step)
    folder.symlink_to(filled(base / "album"))
    return filled(base / "in"), folder


def marker_is_no_marker(base: Path, step: Step) -> tuple[Path, Path]:
    source, folder = foreign(base, step)
    (folder / MARKER).write_text("[1")
    return source, folder


def of_another_step(base: Path, step: Step) -> tuple[Path, Path]:
    source, folder = foreign(base, step)
    (folder / MARKER).write_text('{"step": "another"}')
    return source, folder


def files_added(base: Path, step: Step) -> tuple[Path, Path]:
    folder = place(base / "work", step)
    with replace_folder(folder, step.marker) as part:
        (part / "ours.txt").touch()
    return filled(base / "in"), filled(folder)


def marker_without_files(base: Path, step: Step) -> tuple[Path, Path]:
    source, folder = foreign(base, step)
    (folder / MARKER).write_text(f'{{"step": "{step.marker}"}}')
    return source, folder


def journal_of_another_database(base: Path, step: Step) -> tuple[Path, Path]:
    folder = made(place(base / "work", step), step)
    (folder / "mine.db-wal").write_bytes(b"work")
    return filled(base / "in"), folder


def file_edited(base: Path, step: Step) -> tuple[Path, Path]:
    folder = made(place(base / "work", step), step)
    (folder / "letter.txt").write_text("dear reader")
    return filled(base / "in"), folder


def file_edited_to_equal_size(base: Path, step: Step) -> tuple[Path, Path]:
    folder = made(place(base / "work", step), step, "deep")
    (folder / "deep" / "letter.txt").write_text("bear")
    return filled(base / "in"), folder


def file_replaced_by_an_older_one(base: Path, step: Step) -> tuple[Path, Path]:
    source, folder = file_edited_to_equal_size(base, step)
    os.utime(folder / "deep" / "letter.txt", ns=(0, 0))
    return source, folder


def middle_of_a_large_file_edited(base: Path, step: Step) -> tuple[Path, Path]:
    folder = place(base / "work", step)
    with replace_folder(folder, step.marker) as part:
        (part / "large").write_bytes(bytes(100_000))
    later = (folder / MARKER).stat().st_mtime_ns + 10**7
    (folder / "large").write_bytes(bytes(20_000) + b"drawing" + bytes(79_993))
    os.utime(folder / "large", ns=(later, later))
    return filled(base / "in"), folder


def file_became_a_link(base: Path, step: Step) -> tuple[Path, Path]:
    source, folder = filled(base / "in"), made(place(base / "work", step), step)
    (folder / "photo.png").unlink()
    (folder / "photo.png").symlink_to(source / "photo.png")
    return source, folder


def without_its_link(base: Path, step: Step) -> tuple[Path, Path]:
    """Return an input and a folder of a step whose link to the photo in the input was removed later."""
    source, folder = filled(base / "in"), place(base / "work", step)
    with replace_folder(folder, step.marker) as part:
        (part / "photo.png").symlink_to(source / "photo.png")
    (folder / "photo.png").unlink()
    return source, folder


def link_leads_elsewhere(base: Path, step: Step) -> tuple[Path, Path]:
    source, folder = without_its_link(base, step)
    (folder / "photo.png").symlink_to(source / "letter.txt")
    return source, folder


def link_became_a_file(base: Path, step: Step) -> tuple[Path, Path]:
    source, folder = without_its_link(base, step)
    (folder / "photo.png").write_bytes(b"a copy, or another photo")
    return source, folder


def foreign_part(base: Path, step: Step) -> tuple[Path, Path]:
    folder = place(base / "work", step)
    filled(folder.with_name(f".{folder.name}.part"))
    return filled(base / "in"), folder


def foreign_old(base: Path, step: Step) -> tuple[Path, Path]:
    folder = place(base / "work", step)
    filled(folder.with_name(f".{folder.name}.old"))
    return filled(base / "in"), folder


def file(base: Path, step: Step) -> tuple[Path, Path]:
    folder = place(base / "work", step)
    folder.write_text("a file")
    return filled(base / "in"), folder


def parent_is_a_file(base: Path, step: Step) -> tuple[Path, Path]:
    folder = place(base / "work", step)
    folder.parent.rmdir()
    folder.parent.write_text("a file")
    return filled(base / "in"), folder


def equal(base: Path, step: Step) -> tuple[Path, Path]:
    folder = filled(place(base / "work", step))
    return folder, folder


def equal_and_ours(base: Path, step: Step) -> tuple[Path, Path]:
    folder = place(base / "work", step)
    return made(folder, step), folder


def within_input(base: Path, step: Step) -> tuple[Path, Path]:
    return filled(base / "in"), place(base / "in" / "deep", step)


def around_input(base: Path, step: Step) -> tuple[Path, Path]:
    folder = place(base / "work", step)
    return made(folder, step, "in") / "in", folder


def link_to_input(base: Path, step: Step) -> tuple[Path, Path]:
    folder = place(base / "work", step)
    folder.symlink_to(made(base / "in", step))
    return base / "in", folder


def parent_links_into_input(base: Path, step: Step) -> tuple[Path, Path]:
    filled(base / "in" / "deep")
    (base / "work").symlink_to(base / "in" / "deep")
    return base / "in", place(base / "work", step)


def input_links_to_it(base: Path, step: Step) -> tuple[Path, Path]:
    around_input(base, step)
    (base / "in").symlink_to(place(base / "work", step) / "in")
    return base / "in", place(base / "work", step)


def link_in_the_input(base: Path, step: Step) -> tuple[Path, Path]:
    source, folder = around_input(base, step)
    filled(base / "album")
    (base / "album" / "deep").mkdir()
    (base / "album" / "deep" / "photo.png").symlink_to(source / "photo.png")
    return base / "album", folder


FOREIGN = [
    foreign,
    foreign_link,
    marker_is_no_marker,
    of_another_step,
    marker_without_files,
    files_added,
    journal_of_another_database,
    file_edited,
    file_edited_to_equal_size,
    file_replaced_by_an_older_one,
    middle_of_a_large_file_edited,
    file_became_a_link,
    link_leads_elsewhere,
    link_became_a_file,
    foreign_part,
    foreign_old,
    file,
    parent_is_a_file,
]
OVERLAPPING = [
    equal,
    equal_and_ours,
    within_input,
    around_input,
    link_to_input,
    parent_links_into_input,
    input_links_to_it,
    link_in_the_input,
]


def tree(base: Path) -> dict[str, object]:
    """Return all paths with their contents, links as what they say."""
    found = {}
    for path in sorted(base.rglob("*")):
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(base))] = content
    return found


def check_spared(step: Step, situation: Callable, base: Path) -> None:
    source, folder = situation(base, step)
    before = tree(base)
    with pytest.raises(HndescError) as refused:
        step.run(source, folder)
    assert tree(base) == before
    message = str(refused.value)
    assert "\n" not in message and folder.name in message
    assert situation not in OVERLAPPING or str(source) in message or situation is equal


# The folders beside it are looked at when the work begins, which a step without usable input never does.
EARLY = [situation for situation in [*FOREIGN, *OVERLAPPING] if situation not in (foreign_part, foreign_old)]


@pytest.mark.parametrize("situation", EARLY, ids=lambda situation: situation.__name__)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_spares_what_is_not_its_own(step: str, situation: Callable, tmp_path: Path) -> None:
    check_spared(STEPS[step], situation, tmp_path)


@pytest.mark.parametrize("situation", FOREIGN, ids=lambda situation: situation.__name__)
def test_the_demo_spares_what_is_not_its_own(situation: Callable, tmp_path: Path) -> None:
    check_spared(DEMO, situation, tmp_path)


@pytest.mark.parametrize("situation", [*FOREIGN, *OVERLAPPING], ids=lambda situation: situation.__name__)
def test_the_mechanism_itself(situation: Callable, tmp_path: Path) -> None:
    def run(source: Path, folder: Path) -> None:
        with replace_folder(folder, "some_step", [source]):
            raise AssertionError("begun")

    check_spared(Step("some_step", run), situation, tmp_path)


@pytest.mark.parametrize("way", ["direct", "link"])
def test_a_fifo_is_refused_at_once(way: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    path = tmp_path / ("fifo" if way == "direct" else "link")
    assert "not a folder" in refusal(check_output_folder, path, "some_step")


@pytest.mark.parametrize("name", ["split.tsv", "README.txt"])
def test_a_file_beside_is_not_replaced(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    write_image(tmp_path / "in" / "photo.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(HndescError, match=f"{name}: exists and was not made by hndesc"):
        make_demo(tmp_path) if name == "README.txt" else split_photos([tmp_path / "in"], tmp_path)
    assert (tmp_path / name).read_text() == "mine"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(3):
        write_image(tmp_path / "in" / f"{number}.png", np.full((4, 4, 3), number, np.uint8))
    return tmp_path / "in"


@pytest.mark.parametrize(
    "state", ["absent", "empty", "ours", "thinned", "interrupted", "link", "dangling link", "file manager"]
)
def test_what_is_ours_is_replaced(state: str, photos: Path, tmp_path: Path) -> None:
    output, real = tmp_path / "out", tmp_path / ("far" if "link" in state else "out")
    if state == "empty":
        output.mkdir()
    if "link" in state:
        output.symlink_to(real)
    if state in ("ours", "thinned", "link", "file manager"):
        list_own_photos(photos, real)
    if state == "thinned":
        (real / "0.png").unlink()
    if state == "file manager":
        for name in (".DS_Store", "Thumbs.db", ".snakemake_timestamp"):
            (real / name).touch()
    if state == "interrupted":
        (open_part_folder(output, image_list.STEP) / "1.png").touch()
    (photos / "2.png").unlink()
    list_own_photos(photos, output)
    assert output.is_symlink() == ("link" in state)
    assert sorted(path.name for path in real.glob("*.png")) == ["0.png", "1.png"]
    assert all(path.resolve().parent == photos for path in output.glob("*.png"))
    assert read_marker(output)["step"] == image_list.STEP
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", real.name}


@pytest.mark.parametrize("step", ["list_photos", "stylize"])
def test_a_foreign_file_in_an_interrupted_folder_is_kept_and_named(
    step: str, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "out"
    for number in range(2):
        part = open_part_folder(output, STEPS[step].marker)
        ours = part / ("0.jpg" if step == "stylize" else "0.png")
        ours.write_text("cut")
        filled(part / "album")
        STEPS[step].run(photos, output)
        kept = tmp_path / (".out.interrupted" if number == 0 else ".out.interrupted-2")
        assert (kept / "album" / "letter.txt").read_text() == "dear" and (kept / "album" / "photo.png").exists()
        assert f"{kept}: keeps" in caplog.text and "'album/letter.txt' first" in caplog.text
        assert not (kept / ours.name).exists()
    check_output_folder(output, STEPS[step].marker)
    assert not (output / "album").exists()


@pytest.mark.parametrize("way", ["killed", "interrupted"])
def test_whatever_moment_ends_a_replacement_the_next_one_completes_it(way: str, photos: Path, tmp_path: Path) -> None:
    output, before = tmp_path / "out", tree(photos)
    list_own_photos(photos, output)
    made, last = tree(output), 0
    while True:
        last += 1
        if stop_at(last, way, lambda: list_own_photos(photos, output)):
            break
        list_own_photos(photos, output)
        assert tree(output) == made and tree(photos) == before
        assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}, f"left by operation {last}"
    assert last > 20


def stop_at(number: int, way: str, work: Callable[[], None]) -> bool:
    """Do some work in a process that ends at its operation on files of that number; return whether it had fewer."""
    child = os.fork()
    if child == 0:
        count = 0

        def end(event: str, arguments: tuple) -> None:
            nonlocal count
            count += event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "tempfile.mkstemp")
            if count == number:
                count += 1
                if way == "killed":
                    os._exit(9)
                raise KeyboardInterrupt

        sys.addaudithook(end)
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_failed_step_leaves_the_folder_before_and_nothing_else(tmp_path: Path) -> None:
    for content in ("old", "new"):
        try:
            with replace_folder(tmp_path / "out", "some_step") as part:
                (part / "file").write_text(content)
                if content == "new":
                    raise RuntimeError
        except RuntimeError:
            pass
    assert (tmp_path / "out" / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("kind", ["wal", "shm", "journal"])
def test_what_a_killed_reader_left_beside_a_database_of_ours_is_ours(kind: str, tmp_path: Path) -> None:
    for _ in range(2):
        with replace_folder(tmp_path / "out", "some_step") as part:
            (part / "database.db").write_bytes(b"SQLite format 3")
        (tmp_path / "out" / f"database.db-{kind}").write_bytes(b"pages")
    check_output_folder(tmp_path / "out", "some_step")
    (tmp_path / "out" / "database.db").write_bytes(b"SQLite format 3, and more")
    with pytest.raises(HndescError, match=r"files were changed since some_step made it \('database.db' first"):
        check_output_folder(tmp_path / "out", "some_step")


@pytest.mark.parametrize("kept", ["all of the time", "whole seconds", "permissions changed"])
def test_a_copy_is_ours(kept: str, tmp_path: Path) -> None:
    folder = made(tmp_path / "out", Step("some_step", list_own_photos), "deep")
    if kept == "permissions changed":
        (folder / "deep" / "letter.txt").chmod(0o600)
    else:
        shutil.copytree(folder, tmp_path / "copy")
        folder = tmp_path / "copy"
    if kept == "whole seconds":
        for path in (folder / MARKER, *(folder / "deep").iterdir()):
            os.utime(path, (0, path.stat().st_mtime_ns // 10**9))
    check_output_folder(folder, "some_step")
    (folder / "deep" / "letter.txt").write_text("bear")
    with pytest.raises(
        HndescError,
        match=r"files were changed since some_step made it \('deep/letter.txt' first\); move them elsewhere",
    ):
        check_output_folder(folder, "some_step")


def test_what_comes_while_a_step_works_is_spared(tmp_path: Path) -> None:
    with pytest.raises(HndescError, match="was not made by"), replace_folder(tmp_path / "out", "some_step"):
        filled(tmp_path / "out")
    assert (tmp_path / "out" / "letter.txt").read_text() == "dear"
