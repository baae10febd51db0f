"""What the documentation consists of: pages, the blocks of code in them, and figures."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
# Cards are made from the models' files.
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")),
    *sorted(path for path in DOCS.rglob("*.md") if path.parent.name != "models"),
]
# A comment before a block of code gives the reason why no test runs it.
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?```(?P<kind>\w+)[^\n]*\n(?P<code>.*?)^```", re.M | re.S
)
FIGURE = re.compile(r"^!\[(?P<text>[^\]]*)\]\((?P<path>[^)]+)\)\n\n(?P<caption>[^\n]*)", re.M)


@dataclass(frozen=True)
class Block:
    """A block of code on a page.

    Attributes:
        page: file of the page.
        kind: language: sh, python, yaml, ...
        code: the lines.
        reason: why no test runs it, or None.
    """

    page: Path
    kind: str
    code: str
    reason: str | None

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, each in one line."""
        return re.sub(r"\\\n\s*", " ", self.code).splitlines()

    @property
    def file(self) -> str | None:
        """The name of the file that the block shows, in its first line."""
        found = re.match(r"# ([\w.]+\.(?:yaml|py))\b", self.code)
        return found[1] if found else None


def blocks(page: Path) -> list[Block]:
    """Return the blocks of code on a page."""
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(page, one["kind"], one["code"], one["reason"]) for one in found]


def name(page: Path) -> str:
    """Return the name of a page in messages and ids of tests."""
    return str(page.relative_to(ROOT))
