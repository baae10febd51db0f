"""Downloads from a server that misbehaves: a file has its name only when it is whole and right."""

import hashlib
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from hndesc.datasets.fetch import download as module
from hndesc.datasets.fetch.checksums import Checksums
from hndesc.datasets.fetch.download import RetryPolicy, download
from hndesc.datasets.fetch.registry import RemoteFile
from hndesc.errors import HndescError
from tests.datasets.fetch.server import Server, serving

BODY = hashlib.shake_256(b"body").digest(200_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
QUICK = RetryPolicy(tries=3, backoff=0, timeout=5)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving({"file.bin": BODY}) as server:
        yield server


@pytest.fixture
def fetch(server: Server, tmp_path: Path):
    """Fetch file.bin from the named behaviors in turn; `known` says whether size and checksum are published."""

    def run(*behaviors: str, known: bool = True, retry_policy: RetryPolicy = QUICK, **options):
        addresses = tuple(server.address(behavior, "file.bin") for behavior in behaviors)
        check = {"size": len(BODY), "sha256": SHA256} if known else {}
        checksums = Checksums(tmp_path / "checksums.tsv")
        file = RemoteFile("file.bin", addresses, **check)
        return download(
            file, tmp_path / "downloads", checksums, page="https://page", retry_policy=retry_policy, **options
        )

    return run


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "file.bin"


def part(target: Path) -> Path:
    return target.with_name("file.bin.part")


def begin(target: Path, content: bytes) -> None:
    """Leave a part and its record, as an interrupted download does."""
    target.parent.mkdir()
    part(target).write_bytes(content)
    target.with_name("file.bin.part.json").write_text('{"address": "http://127.0.0.1/elsewhere"}')


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "behavior",
    ["good", "no_ranges", "cut", "cut_no_ranges", "flaky", "redirect", "chunked", "other_range"],
)
def test_arrives_whole(fetch, target: Path, behavior: str, known: bool) -> None:
    arrived = fetch(behavior, known=known)
    assert arrived.path == target and target.read_bytes() == BODY and arrived.sha256 == SHA256
    assert [path.name for path in target.parent.iterdir() if not path.name.startswith(".")] == ["file.bin"]


def test_a_checksum_decides_whatever_the_server_calls_the_file(fetch, target: Path) -> None:
    fetch("compressed_type")
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [
        ("403", "HTTP status 403"),
        ("404", "HTTP status 404"),
        ("500", r"HTTP status 500 \(3 attempts\)"),
        ("quota", "web page"),
        ("quota_in_disguise", "72 bytes instead of 200000"),
        ("wrong", f"not the one published|not the one {SHA256}"),
        ("longer", "200004 bytes instead of 200000"),
        ("chunked_longer", "more than the 200000 bytes"),
        ("chunked_cut", "attempts"),
        ("always_cut", r"\(3 attempts\)"),
        ("round_in_circles", "redirects"),
        ("without_length", r"closed after 100000 of 200000 bytes \(3 attempts\)"),
    ],
)
def test_is_never_taken_for_whole(fetch, server: Server, target: Path, behavior: str, reason: str) -> None:
    with pytest.raises(HndescError, match=reason) as caught:
        fetch(behavior)
    message = str(caught.value)
    assert "\n" not in message and "https://page" in message and str(target) in message
    assert not target.exists()


@pytest.mark.parametrize(
    ("behavior", "reason"),
    [
        ("quota", "web page"),
        ("quota_in_disguise", "web page"),
        ("chunked_cut", "attempts"),
        ("always_cut", "attempts"),
        ("compressed_type", "Content-Encoding"),
        ("without_length", "does not report the length of the file"),
    ],
)
def test_without_checksum_nothing_half_is_taken_either(fetch, target: Path, behavior: str, reason: str) -> None:
    with pytest.raises(HndescError, match=reason):
        fetch(behavior, known=False)
    assert not target.exists()


@pytest.mark.parametrize("bad", ["403", "500", "quota", "wrong", "always_cut", "longer", "round_in_circles"])
def test_next_address_is_tried(fetch, target: Path, bad: str) -> None:
    assert fetch(bad, "good").address.endswith("/good/file.bin")
    assert target.read_bytes() == BODY


def test_mirrors_go_first(fetch, server: Server, target: Path) -> None:
    arrived = fetch("404", mirrors=(server.address("403"), server.address("good")))
    assert arrived.address == server.address("good", "file.bin")
    assert [path for path, _ in server.requests] == ["/403/file.bin", "/good/file.bin"]


def test_resumes_where_the_connection_was_cut(fetch, server: Server) -> None:
    fetch("cut")
    assert server.requests == [("/cut/file.bin", None), ("/cut/file.bin", "bytes=100000-")]


def test_a_later_run_resumes_too(fetch, server: Server, target: Path) -> None:
    begin(target, BODY[:150_000])
    fetch("good")
    assert server.requests == [("/good/file.bin", "bytes=150000-")]


def test_a_complete_part_needs_no_byte(fetch, server: Server, target: Path) -> None:
    begin(target, BODY)
    fetch("not_satisfiable")
    assert target.read_bytes() == BODY and len(server.requests) == 1


def test_a_part_of_another_file_is_noticed_by_the_checksum(fetch, target: Path) -> None:
    begin(target, b"x" * 150_000)
    fetch("good")
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("behavior", ["cut_and_changed", "cut_without_tag"])
def test_two_files_are_never_joined_without_a_checksum(fetch, target: Path, behavior: str) -> None:
    fetch(behavior, known=False)
    assert target.read_bytes() == BODY[::-1]


def test_slow_drip_is_given_up(fetch, target: Path) -> None:
    slow = RetryPolicy(tries=2, backoff=0, timeout=0.3, slowest=10_000)
    with pytest.raises(HndescError, match="slower than 10000 bytes per second"):
        fetch("drip", retry_policy=slow)
    assert not target.exists()


def test_silence_is_given_up(fetch, target: Path) -> None:
    fetch("silent", "good", retry_policy=RetryPolicy(tries=1, backoff=0, timeout=0.3))
    assert target.read_bytes() == BODY


def test_nobody_listens(target: Path, tmp_path: Path) -> None:
    with serving({}) as gone:
        address = gone.address("good", "file.bin")
    with pytest.raises(HndescError, match="refused"):
        download(RemoteFile("file.bin", (address,)), target.parent, Checksums(tmp_path / "c.tsv"), retry_policy=QUICK)


def test_backs_off_between_attempts(fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waits.append)
    with pytest.raises(HndescError):
        fetch("500", retry_policy=RetryPolicy(tries=9, backoff=1))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_what_is_there_is_not_fetched_again(fetch, server: Server, target: Path) -> None:
    fetch("good")
    assert fetch("good").address == ""
    assert len(server.requests) == 1


def test_a_wrong_file_put_there_by_hand_is_refused(fetch, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(BODY[:-1])
    with pytest.raises(HndescError, match="199999 bytes instead of 200000; delete it"):
        fetch("good")
    target.write_bytes(BODY[::-1])
    with pytest.raises(HndescError, match="not the one published; delete it"):
        fetch("good")


def test_by_hand_says_what_to_do_in_one_line(tmp_path: Path) -> None:
    file = RemoteFile("by-hand.zip")
    with pytest.raises(HndescError) as caught:
        download(file, tmp_path, Checksums(tmp_path / "c.tsv"), page="https://page", by_hand="ask for it")
    message = str(caught.value)
    assert "ask for it from https://page" in message and str(tmp_path / "by-hand.zip") in message
    assert "\n" not in message


def test_a_recorded_checksum_binds_later_downloads(fetch, target: Path, tmp_path: Path) -> None:
    arrived = fetch("good", known=False)
    table = Checksums(tmp_path / "checksums.tsv")
    table.record("file.bin", len(BODY), arrived.sha256, arrived.address)
    target.unlink()
    with pytest.raises(HndescError, match=r"not the one recorded in .*checksums\.tsv"):
        fetch("wrong", known=False)
    assert not target.exists()
    fetch("wrong", "good", known=False)
    with pytest.raises(HndescError, match=r"recorded checksum of .* differs"):
        table.record("file.bin", 1, "0" * 64, "")
    assert table.path.read_text().splitlines()[1].split("\t")[:3] == ["file.bin", "200000", SHA256]


def test_two_at_a_time_fetch_once(fetch, server: Server, target: Path) -> None:
    done: list[str] = []
    target.parent.mkdir()
    with FileLock(target.parent / ".file.bin.lock"):
        threads = [threading.Thread(target=lambda: done.append(fetch("good").address)) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert server.requests == [] and not done
    for thread in threads:
        thread.join(20)
    assert len(server.requests) == 1 and sorted(map(bool, done)) == [False, True]


def test_too_little_room_is_reported_before_the_start(
    fetch, target: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = module.shutil.disk_usage(target.parent.parent)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=199_999))
    with pytest.raises(HndescError, match="are free; free some space"):
        fetch("good", "good")
    assert not part(target).exists() and len(server.requests) == 1


def test_full_disk_keeps_what_arrived(fetch, server: Server, target: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(HndescError, match="the disk is full"):
            fetch("good")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not target.exists() and 0 < part(target).stat().st_size <= 50_000
    fetch("good")
    assert target.read_bytes() == BODY and server.requests[-1][1] == f"bytes={50_000}-"


def test_full_file_system(fetch, target: Path) -> None:
    target.parent.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", target.parent], capture_output=True)
    if mount.returncode:
        pytest.skip("mounting a small file system takes root")
    try:
        with pytest.raises(HndescError, match="free some space"):
            fetch("good")
        with pytest.raises(HndescError, match=r"the disk is full|free some space"):
            fetch("chunked", known=False)
        assert not target.exists()
    finally:
        subprocess.run(["umount", target.parent], check=True)


def test_a_killed_download_leaves_no_file_and_resumes(server: Server, target: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from hndesc.datasets.fetch.checksums import Checksums\n"
        "from hndesc.datasets.fetch.download import download\n"
        "from hndesc.datasets.fetch.registry import RemoteFile\n"
        "file = RemoteFile('file.bin', (sys.argv[1],), int(sys.argv[2]), sys.argv[3])\n"
        "download(file, Path(sys.argv[4]), Checksums(Path('c.tsv')))\n"
    )
    arguments = [server.address("silent", "file.bin"), str(len(BODY)), SHA256, str(target.parent)]
    child = subprocess.Popen([sys.executable, "-c", script, *arguments], cwd=tmp_path)
    while not part(target).exists() and child.poll() is None:
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert not target.exists()
    file = RemoteFile("file.bin", (server.address("good", "file.bin"),), len(BODY), SHA256)
    assert download(file, target.parent, Checksums(tmp_path / "c.tsv")).sha256 == SHA256
