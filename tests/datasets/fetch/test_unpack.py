"""Unpacking: honest archives arrive whole, and of hostile ones nothing gets out of the folder."""

import contextlib
import io
import os
import resource
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hndesc.datasets.fetch.unpack import is_archive, merge, unpack
from hndesc.errors import HndescError

FILES = {"set/a.txt": b"alpha", "set/deep/er/b.bin": bytes(range(256)) * 50, "c": b""}
BOUND = 1_000_000


def write_tar(path: Path, files: dict[str, bytes], *special: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:" + {".gz": "gz", ".tgz": "gz", ".bz2": "bz2", ".xz": "xz"}.get(path.suffix, "")) as tar:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(body), 0o4777
            tar.addfile(info, io.BytesIO(body))
        for info in special:
            tar.addfile(info)
    return path


def write_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("set/", "")
        for name, body in files.items():
            archive.writestr(name, body)
    return path


def write(path: Path, files: dict[str, bytes]) -> Path:
    return (write_zip if path.suffix == ".zip" else write_tar)(path, files)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[Path, str], None]:
    """Unpacking must end in an error, and touch nothing beside the folder."""

    def check(archive: Path, reason: str, **options) -> None:
        inside = tmp_path / "jail" / "inside"
        inside.mkdir(parents=True)
        before = {path for path in tmp_path.rglob("*") if inside not in path.parents}
        with pytest.raises(HndescError, match=reason) as caught:
            unpack(archive, inside, options.pop("bound", BOUND), **options)
        assert str(archive) in str(caught.value) and "\n" not in str(caught.value)
        assert {path for path in tmp_path.rglob("*") if inside not in path.parents} == before
        assert not any(path.is_symlink() for path in inside.rglob("*"))

    return check


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"])
def test_arrives_whole(tmp_path: Path, suffix: str) -> None:
    archive = write(tmp_path / f"archive{suffix}", FILES)
    assert is_archive(archive.name)
    assert unpack(archive, tmp_path / "out", BOUND) == 3
    assert contents(tmp_path / "out") == FILES
    unpack(archive, tmp_path / "out", BOUND)
    assert contents(tmp_path / "out") == FILES


@pytest.mark.parametrize("suffix", [".zip", ".tgz"])
def test_folders_may_be_skipped(tmp_path: Path, suffix: str) -> None:
    archive = write(tmp_path / f"archive{suffix}", FILES)
    unpack(archive, tmp_path / "stripped", BOUND, strip=1)
    assert set(contents(tmp_path / "stripped")) == {"a.txt", "deep/er/b.bin"}
    unpack(archive, tmp_path / "flat", BOUND, flatten=True)
    assert set(contents(tmp_path / "flat")) == {"a.txt", "b.bin", "c"}


def test_permissions_of_the_archive_are_not_taken_over(tmp_path: Path) -> None:
    unpack(write_tar(tmp_path / "a.tar", FILES), tmp_path / "out", BOUND)
    assert not any(path.stat().st_mode & (stat.S_ISUID | 0o111) for path in (tmp_path / "out").rglob("*.txt"))


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
@pytest.mark.parametrize(
    "name", ["../out.txt", "set/../../out.txt", "{absolute}/out.txt", "..\\out.txt", "C:\\out.txt", "set/.."]
)
def test_no_path_leads_out(tmp_path: Path, refused, suffix: str, name: str) -> None:
    refused(write(tmp_path / f"archive{suffix}", {name.format(absolute=tmp_path): b"x"}), "leads outside")


@given(parts=st.lists(st.sampled_from(["..", ".", "a", "", "/", "\\", "b.txt"]), min_size=1, max_size=5))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_path_nothing_is_outside(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    place = tmp_path_factory.mktemp("path")
    (place / "x" / "y" / "z").mkdir(parents=True)
    archive = write_tar(place / "a.tar", {"/".join(parts): b"x"})
    with contextlib.suppress(HndescError):
        unpack(archive, place / "x" / "y" / "z", BOUND)
    outside = {path for path in place.rglob("*") if path.is_file() and place / "x" / "y" / "z" not in path.parents}
    assert outside == {archive}


@pytest.mark.parametrize(
    "member",
    [
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("link", tarfile.SYMTYPE, "../.."),
        special("link", tarfile.LNKTYPE, "../../secret"),
        special("null", tarfile.CHRTYPE),
        special("disk", tarfile.BLKTYPE),
        special("pipe", tarfile.FIFOTYPE),
    ],
    ids=["absolute link", "relative link", "hard link", "character device", "block device", "pipe"],
)
def test_no_links_and_no_devices_from_tar(tmp_path: Path, refused, member: tarfile.TarInfo) -> None:
    refused(write_tar(tmp_path / "a.tar", {}, member), "is a link or device")


def test_no_file_through_a_link(tmp_path: Path, refused) -> None:
    archive = tmp_path / "a.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(special("way", tarfile.SYMTYPE, str(tmp_path)))
        info = tarfile.TarInfo("way/out.txt")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    refused(archive, "is a link or device")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO])
def test_no_links_and_no_devices_from_zip(tmp_path: Path, refused, kind: int) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    refused(tmp_path / "a.zip", "is a link or device")


@pytest.mark.parametrize("suffix", [".zip", ".tgz", ".tar.xz"])
def test_bombs_are_stopped(tmp_path: Path, refused, suffix: str) -> None:
    archive = write(tmp_path / f"bomb{suffix}", {f"{number}": bytes(10_000_000) for number in range(3)})
    assert archive.stat().st_size < 100_000
    refused(archive, "unpacks to more than 20,000,000 bytes", bound=20_000_000)
    assert sum(map(len, contents(tmp_path / "jail").values())) <= 20_000_000


def test_a_zip_that_lies_about_its_sizes_is_stopped(tmp_path: Path, refused) -> None:
    archive = write_zip(tmp_path / "a.zip", {"zeros": bytes(10_000_000)})
    lie = archive.read_bytes().replace((10_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    archive.write_bytes(lie)
    refused(archive, "broken archive")
    assert sum(map(len, contents(tmp_path / "jail").values())) <= 10


def test_one_name_twice_is_refused(tmp_path: Path, refused) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", "good")
        archive.writestr("a", "evil")
    refused(tmp_path / "a.zip", "two of its files")


def test_two_files_that_flatten_to_one_are_refused(tmp_path: Path, refused) -> None:
    refused(write_zip(tmp_path / "a.zip", {"x/1.jpg": b"1", "y/1.jpg": b"2"}), "two of its files", flatten=True)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz", ".tar.bz2", ".tar.xz"])
@pytest.mark.parametrize("damage", ["cut", "page", "empty", "flipped"])
def test_broken_archives_are_errors(tmp_path: Path, refused, suffix: str, damage: str) -> None:
    archive = write(tmp_path / f"a{suffix}", {"noise": os.urandom(50_000), "more": os.urandom(50_000)})
    body = bytearray(archive.read_bytes())
    if damage == "flipped":
        if suffix == ".tar":
            pytest.skip("tar itself has checksums of its headers only")
        body[len(body) // 2] ^= 0xFF
    changed = {"cut": body[: len(body) * 2 // 3], "page": b"<html>quota</html>", "empty": b"", "flipped": body}
    archive.write_bytes(changed[damage])
    refused(archive, "broken archive|the archive contains no file")


def test_encrypted_zip_is_an_error(tmp_path: Path, refused) -> None:
    archive = write_zip(tmp_path / "a.zip", {"a": b"x"})
    body = bytearray(archive.read_bytes())
    body[body.index(b"PK\x01\x02") + 8] |= 1
    last = body.rindex(b"PK\x01\x02")
    body[last + 8] |= 1
    archive.write_bytes(body)
    refused(archive, "encrypted")


def test_full_disk(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "a.zip", {"zeros": bytes(500_000)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(HndescError, match="the disk is full"):
            unpack(archive, tmp_path / "out", BOUND)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_room_is_looked_at_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_zip(tmp_path / "a.zip", {"zeros": bytes(500_000)})
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage._replace(free=499_999))
    with pytest.raises(HndescError, match=r"needs 0\.0005 GB, but only"):
        unpack(archive, tmp_path / "out", BOUND)
    assert contents(tmp_path / "out") == {}


def test_merge_replaces_and_keeps(tmp_path: Path) -> None:
    for name, text in {"from/a/1": "new", "to/a/1": "old", "to/a/2": "kept"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    merge(tmp_path / "from", tmp_path / "to")
    assert contents(tmp_path) == {"to/a/1": b"new", "to/a/2": b"kept"}
