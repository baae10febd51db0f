"""The documentation: it builds without warnings, and its links, figures, commands and configurations are right."""

import re
import shlex
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from hndesc.cli.main import build_parser
from hndesc.datasets.free_photos import credits
from hndesc.datasets.kinds import KINDS
from hndesc.errors import HndescError
from hndesc.io.files import check_own_file
from hndesc.models.release import ABOUT
from tests.documentation import DOCS, FIGURE, PAGES, ROOT, blocks, name
from tests.workflow.planning import default_config, laid_over, plan_of

SHELL = [block for page in PAGES for block in blocks(page) if block.kind == "sh"]
LINES = [(name(block.page), line) for block in SHELL for line in block.commands]
CONFIGURATIONS = [block for page in PAGES for block in blocks(page) if block.kind == "yaml"]
GUIDES = [page for page in PAGES if page.parent.name in ("docs", "quickstarts", "concepts")]
PROGRAMS = ("hndesc", "snakemake", "make", "pip", "python", "colmap")
GUIDES.remove(DOCS / "configuration.md")  # generated
DRAWN = sorted(path for path in (DOCS / "figures").iterdir() if path.suffix not in (".py", ""))
# Pages that are made when the site is built.
MADE = {DOCS / "reference" / "cli.md", DOCS / "free_photos.md"}


class Addresses(HTMLParser):
    """The addresses that a page loads by itself: scripts, styles, images, fonts."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "img", "iframe"):
            self.loaded.append(values.get("src") or "")
        elif tag == "link" and values.get("rel") in ("stylesheet", "preconnect", "icon"):
            self.loaded.append(values.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return folder


def test_the_site_has_every_page_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(PAGES)
    for page in pages:
        reader = Addresses()
        reader.feed(page.read_text(encoding="utf-8"))
        assert reader.loaded
        assert [address for address in reader.loaded if re.match(r"(?:https?:)?//", address)] == [], page


def test_the_reference_lists_every_command_and_argument(site: Path) -> None:
    text = (site / "reference" / "cli" / "index.html").read_text(encoding="utf-8")
    for words in ("hndesc extract", "hndesc score hpatches", "hndesc datasets get", "--max-keypoints", "--estimator"):
        assert words in text


def test_the_authors_of_free_photographs_are_named(site: Path) -> None:
    text = (site / "free_photos" / "index.html").read_text(encoding="utf-8")
    assert all(author in text and license in text for *_, author, license in credits())


def test_the_reference_has_the_docstrings(site: Path) -> None:
    text = (site / "reference" / "python" / "index.html").read_text(encoding="utf-8")
    assert "Load a bundled model, or a checkpoint that hndesc has trained." in text
    assert 'id="hndesc.extraction.model.Model.describe"' in text


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_between_files_lead_somewhere(page: Path) -> None:
    """mkdocs checks those between pages of the site; this is what a reader of the repository follows."""
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("https://", "http://")):
            path = (page.parent / target).resolve()
            assert path in MADE or path.exists(), target


@pytest.mark.parametrize("page", GUIDES, ids=name)
def test_a_guide_has_a_figure(page: Path) -> None:
    assert FIGURE.search(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_figure_has_a_text_and_a_caption(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = list(FIGURE.finditer(text))
    assert len(found) == text.count("\n![")
    for figure in found:
        assert len(figure["text"]) > 10 and figure["caption"].startswith("*")


def test_every_figure_is_on_a_page() -> None:
    shown = {figure["path"].rpartition("/")[2] for page in PAGES for figure in FIGURE.finditer(page.read_text())}
    assert {path.name for path in DRAWN} == shown


@pytest.mark.parametrize("figure", DRAWN, ids=lambda path: path.name)
def test_a_script_draws_a_figure_and_can_replace_it(figure: Path) -> None:
    own, demo = figure.with_suffix(".py"), (DOCS / "figures" / "demo.py").read_text()
    assert own.is_file() or f'"{figure.name}"' in demo
    check_own_file(figure)


@pytest.mark.parametrize("script", ["pipeline", "glossary", "kinds"])
def test_a_drawing_is_what_its_script_draws(script: str) -> None:
    code = {"__name__": script, "__file__": str(DOCS / "figures" / f"{script}.py")}
    exec((DOCS / "figures" / f"{script}.py").read_text(), code)
    assert code["OUTPUT"].read_text(encoding="utf-8") == code["draw"]()


def test_the_drawing_of_kinds_has_all_kinds() -> None:
    code = {"__name__": "kinds", "__file__": str(DOCS / "figures" / "kinds.py")}
    exec((DOCS / "figures" / "kinds.py").read_text(), code)
    assert code["ROWS"].keys() == KINDS.keys()


def test_the_diagram_names_rules() -> None:
    code = {"__name__": "pipeline", "__file__": str(DOCS / "figures" / "pipeline.py")}
    exec((DOCS / "figures" / "pipeline.py").read_text(), code)
    rules = set(re.findall(r"^rule (\w+):", "".join(p.read_text() for p in (ROOT / "rules").glob("*.smk")), re.M))
    assert {box for box, (*_, second) in code["BOXES"].items() if second != "data"} <= rules


@pytest.mark.parametrize(("page", "line"), [(p, line) for p, line in LINES if re.match(r"hndesc\s", line)])
def test_a_command_is_understood(page: str, line: str) -> None:
    build_parser().parse_args(shlex.split(line, comments=True)[1:])


@pytest.mark.parametrize(("page", "line"), [(p, line) for p, line in LINES if not re.match(r"hndesc\s", line)])
def test_what_a_command_names_exists(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    shown = {block.file for block in blocks(ROOT / page)}
    files = [word for word in words if re.fullmatch(r"(?:config|benchmarks|docs|envs)/[\w./-]+|[\w-]+\.yaml", word)]
    for word in files:
        assert word in shown or (ROOT / word).is_file(), word
    if words[:1] == ["make"]:
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
        assert words[1] in targets


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_marked_as_such(page: Path) -> None:
    """A block that names no language is output, or another file's content, and no test would run it."""
    others = re.sub(r"^```\w.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    unmarked = re.findall(r"^```\n(.*?)^```", others, re.M | re.S)
    assert [line for text in unmarked for line in text.splitlines() if line.split(" ")[0] in PROGRAMS] == []


def test_commands_are_written_in_one_way() -> None:
    assert [found for found in LINES if ".venv/bin/" in found[1] and "activate" not in found[1]] == []


@pytest.mark.parametrize("block", CONFIGURATIONS, ids=lambda block: f"{name(block.page)}:{block.code[:30]!r}")
def test_a_configuration_is_valid(block) -> None:
    values = yaml.safe_load(block.code)
    if values.keys() == set(ABOUT):  # the facts for a release
        return
    base = default_config()
    if (named := re.search(r"--configfile (config/\S+)", block.code)) is not None:
        base = laid_over(base, yaml.safe_load((ROOT / named[1]).read_text()))
    plan_of(**laid_over(base, values))


def test_a_wrong_command_and_a_wrong_configuration_are_found() -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["extract", "photos", "features.h5", "--modle", "x"])
    with pytest.raises(HndescError, match="'fotos' is unknown"):
        plan_of(fotos="x")
