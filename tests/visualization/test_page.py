"""The page of results, read back by a parser of HTML and looked at in a browser."""

import base64
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hndesc.errors import HndescError
from hndesc.visualization.page import Section, write_page
from tests.fixtures.pages import check_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = '<script>alert("&")</script>'


def noise(path: Path, width: int = 60, height: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def made(write_result, tmp_path: Path):
    """Write the page of some results: made(kinds, sections, **settings) -> its text."""

    def make(kinds=("hpatches", "retrieval"), sections=(), names=("trained", "sift"), **settings) -> str:
        given = [(write_result(kind, str(row), 1 + 0.2 * row), kind, name)
                 for kind in kinds for row, name in enumerate(names)]  # fmt: skip
        columns = [list(column) for column in zip(*given, strict=True)] or [[], [], []]
        write_page(*columns, sections, tmp_path / "index.html", **settings)
        return (tmp_path / "index.html").read_text(encoding="utf-8")

    return make


def test_sections_figures_and_tables(made, tmp_path: Path) -> None:
    folder = tmp_path / "figures" / "scene"
    for name in ("a_query.jpg", "model_0.png", "errors.jpg"):
        noise(folder / name)
    (folder / "model_0.html").touch()
    sections = [
        Section("Matching", [(str(noise(tmp_path / "mma.png")), "Curves"), (str(folder), "A scene")], "hpatches"),
        Section("Nothing", [], "absent"),
        Section("Training", [(str(noise(tmp_path / "loss.png")), "Loss")]),
    ]
    text = made(sections=sections, title="Results: mine", note="A note.", links={"Report": tmp_path / "a b.html"})
    page = check_page(text)
    assert [title for _, title in page.headings] == [
        *("Results: mine", "Scores", "Matching", "Training", "Settings and versions"),
    ]
    alts = page.attributes("img", "alt")
    assert alts == ["Curves: mma", *(f"A scene: {name}" for name in ("model_0", "errors", "a_query")), "Loss: loss"]
    assert {"figures/scene/model_0.html", "a%20b.html"} <= set(page.attributes("a", "href"))
    assert "A note." in page.text and "protocol of hpatches" in page.text and "protocol of retrieval" not in page.text
    assert "Best on hpatches (MMA@3 px avg): sift 0.216, next trained 0.180; on retrieval" in page.text
    assert text.count('class="best"') >= 5 and "AUC@5 px (RANSAC)" in page.text


def test_without_benchmarks_there_is_no_table(made, tmp_path: Path) -> None:
    (tmp_path / "table.txt").write_text("run  <MMA>")
    text = made(kinds=(), settings="seed: 0", sections=[Section("Ablation", [], text=str(tmp_path / "table.txt"))])
    page = check_page(text)
    assert [title for _, title in page.headings] == ["Results", "Ablation", "Settings and versions"]
    assert not page.attributes("table", "class") and "#scores" not in page.attributes("a", "href")
    assert "seed: 0" in page.text and "run  <MMA>" in page.text


def test_large_figures_are_reduced_and_keep_their_shape(made, tmp_path: Path) -> None:
    path = noise(tmp_path / "large.png", 1650, 500)
    page = check_page(made(sections=[Section("x", [(str(path), "x")])]))
    (source,) = page.attributes("img", "src")
    with Image.open(io.BytesIO(base64.b64decode(str(source).partition("base64,")[2]))) as image:
        assert (image.format, image.size) == ("WEBP", (1300, 394))
    assert (page.attributes("img", "width"), page.attributes("img", "height")) == (["1650"], ["500"])


def test_names_are_escaped(made, tmp_path: Path) -> None:
    figure = noise(tmp_path / '"><b>.png')
    sections = [Section(HOSTILE, [(str(figure), HOSTILE)], "hpatches")]
    text = made(sections=sections, names=(HOSTILE, "sift"), title=HOSTILE, note=HOSTILE, settings=HOSTILE,
                links={HOSTILE: f"{HOSTILE}.html"})  # fmt: skip
    page = check_page(text)
    assert HOSTILE not in text and page.text.count(HOSTILE) >= 8
    assert page.attributes("img", "alt") == [f'{HOSTILE}: "><b>']


def test_a_missing_or_broken_figure_is_named(made, tmp_path: Path) -> None:
    with pytest.raises(HndescError, match=r"gone\.png: not a figure"):
        made(sections=[Section("x", [(str(tmp_path / "gone.png"), "x")])])
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(HndescError, match=r"broken\.png: not a figure"):
        made(sections=[Section("x", [(str(tmp_path / "broken.png"), "x")])])
    assert not (tmp_path / "index.html").exists()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
@pytest.mark.parametrize("width", [400, 1400])
def test_a_browser_shows_the_page_without_scrolling_sideways(made, tmp_path: Path, width: int) -> None:
    figure = noise(tmp_path / "wide.png", 1650, 300)
    names = [f"a-descriptor-of-a-long-name-{number}" for number in range(2)]
    made(sections=[Section("Wide", [(str(figure), "x" * 300)], "hpatches")], names=names, settings="key: " + "x" * 300)
    # A frame of the width of a phone, since windows of browsers have a least width; a script reports what it measures.
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<iframe src="index.html" style="border:0;width:{width}px;height:3000px" onload="report(this)"></iframe>'
        "<script>function report(frame) { const page = frame.contentDocument, root = page.documentElement;"
        "page.querySelectorAll('details').forEach(one => one.open = true);"
        "document.title = [root.scrollWidth, root.clientWidth, ...[...page.images].map(i => i.naturalWidth)].join() }"
        "</script>"
    )
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    command += ["--allow-file-access-from-files", "--virtual-time-budget=10000", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", outer.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    scroll, client, *images = map(int, re.findall(r"<title>([\d,]+)</title>", done.stdout)[0].split(","))
    assert scroll == client == width and images == [1300]
