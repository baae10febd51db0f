"""The page on which two photos are matched: its answers, its errors, and its use in a browser."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from hndesc.app.server import create_app, open_server
from hndesc.errors import HndescError
from hndesc.io.images import write_image
from tests.cli.test_main import texture
from tests.fixtures.browser import Browser, needs_chromium


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A texture, the same moved by 12 and 8 pixels, a flat photo, and a text."""
    folder = tmp_path_factory.mktemp("photos")
    image = texture(0, 240, 320)
    images = {"left": image[:-8, :-12], "right": image[8:, 12:], "flat": np.full((200, 300, 3), 90, np.uint8)}
    for name, pixels in images.items():
        write_image(folder / f"{name}.png", pixels)
    (folder / "text.jpg").write_text("no image")
    return {path.stem: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return create_app().test_client()


def ask(client: FlaskClient, *files: Path, status: int = 200, **form: str) -> dict[str, Any]:
    named = zip(("first", "second"), files, strict=False)
    uploads = {key: (io.BytesIO(path.read_bytes()), path.name) for key, path in named}
    answer = client.post("/match", data={"model": "sift", **form, **uploads})
    assert answer.status_code == status
    return answer.get_json()


def test_two_photos_are_matched(client: FlaskClient, photos: dict[str, Path], tmp_path: Path) -> None:
    found = ask(client, photos["left"], photos["right"], model="hndesc-lite", max_keypoints="256")
    assert [photo["name"] for photo in found["photos"]] == ["left.png", "right.png"]
    assert found["photos"][0]["keypoints"] <= 256 and 50 < found["inliers"] <= found["matches"] <= 256
    assert found["geometry"] == "homography" and "fundamental matrix" in found["choice"] and found["doubt"] == ""
    np.testing.assert_allclose(found["matrix"], [[1, 0, -12], [0, 1, -8], [0, 0, 1]], atol=0.05)
    assert base64.b64decode(found["figure"]).startswith(b"\xff\xd8\xff")
    saved = json.loads(base64.b64decode(found["json"]))
    with np.load(io.BytesIO(base64.b64decode(found["npz"]))) as arrays:
        assert len(arrays["matches"]) == len(saved["matches"]) == found["matches"]


def test_settings_change_the_result(client: FlaskClient, photos: dict[str, Path]) -> None:
    pair = photos["left"], photos["right"]
    every, few = ask(client, *pair), ask(client, *pair, ratio="0.5", geometry="none")
    assert 0 < few["matches"] < every["matches"]
    assert few["geometry"] == "none" and few["matrix"] is None and few["inliers"] == few["matches"]


@pytest.mark.parametrize(
    ("files", "form", "message"),
    [
        (("left", "text"), {}, "text.jpg: "),
        (("left", "left"), {}, "'left.png' was chosen twice"),
        (("left",), {}, "the second photo is missing"),
        (("left", "flat"), {}, "'flat.png' has fewer than 8 keypoints"),
        (("left", "right"), {"model": "os:system"}, "model is 'os:system'; choose one of: hndesc-fast"),
        (("left", "right"), {"ratio": "2"}, "ratio is '2'; expected a number from 0.5 to 1.0"),
    ],
)
def test_bad_input_is_named(
    client: FlaskClient, photos: dict[str, Path], files: tuple[str, ...], form: dict[str, str], message: str
) -> None:
    error = ask(client, *(photos[name] for name in files), status=400, **form)["error"]
    assert message in error and "/hndesc_" not in error


def test_the_page_is_only_for_this_machine(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.status_code == 200 and not re.search(r"https?://", page.text)
    assert "stay on this machine" in page.text and "default-src 'none'" in page.headers["Content-Security-Policy"]
    # Another site whose name leads to this machine.
    for name in ("evil.example:7000", "[::1", "127.0.0.1.evil.example", "@"):
        assert client.get("/", headers={"Host": name}).status_code == 400
    for name in ("localhost:7000", "127.0.0.1:7000", "[::1]:7000"):
        assert client.get("/", headers={"Host": name}).status_code == 200
    assert create_app(host="0.0.0.0").test_client().get("/", headers={"Host": "box.lan"}).status_code == 200


def test_a_port_in_use_is_one_error() -> None:
    server = open_server("127.0.0.1", 0)
    try:
        with pytest.raises(HndescError, match=f"port {server.port}: cannot be listened on"):
            open_server("127.0.0.1", server.port)
    finally:
        server.server_close()


@pytest.fixture
def address() -> Iterator[str]:
    """The address of `hndesc app`, which ends cleanly when it is interrupted."""
    command = [sys.executable, "-c", "from hndesc.cli.main import main; main()", "app", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            yield program.stdout.readline().split()[0]
        finally:
            os.kill(program.pid, signal.SIGINT)
            _, errors = program.communicate()
    assert (program.returncode, errors) == (0, "")


@pytest.mark.slow
@needs_chromium
def test_a_browser_matches_two_photos(address: str, photos: dict[str, Path], tmp_path: Path) -> None:
    def match(first: str, second: str) -> str:
        browser.choose_file("input[name=first]", photos[first])
        browser.choose_file("input[name=second]", photos[second])
        browser.run("document.querySelector('button').click()")
        browser.wait("!document.querySelector('button').disabled")
        return browser.run("document.querySelector('main').innerText")

    with Browser(tmp_path / "profile") as browser:
        browser.open(address, width=400)
        text = match("left", "right")
        inliers = re.search(r"Inliers\s+([\d,]+) \(\d+%\)", text)
        assert inliers, text
        found = int(inliers[1].replace(",", ""))
        assert found > 50 and "Homography" in text
        browser.wait("document.querySelector('#figure').complete")
        assert browser.run("document.querySelector('#figure').naturalWidth") > 1000
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        saved = json.loads(browser.download("#json", tmp_path).read_text())
        assert sum(saved["inliers"]) == found
        assert browser.problems == []
        assert "was chosen twice" in match("left", "left") and not browser.run("result.checkVisibility()")
        hosts = {re.sub(r"^(?:blob:)?(\w+://[^/]*).*", r"\1", one) for one in browser.requests}
        assert hosts == {address}
