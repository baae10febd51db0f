"""The language of the repository: American spelling, and none of the quaint or private phrases of earlier versions."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

BRITISH = (
    r"(?:neighb|behavi|col|fav|hon|lab)our(?!s? de\b)\w*",
    r"(?:normal|optim|organ|initial|summar|general|minim|maxim|quant|visual|local|real|styl|recogn|util)is(?:e[sdr]?|ing|ations?)",
    r"(?:cent|met|lit)re[sd]?",
    r"analys(?:e[sd]|ing)",
    r"(?:label|travel|model)l(?:ed|ing)",
    r"licen[c]es?|grey(?:er|s|ish)?|catalogues?",
)
PHRASES = (
    "anew",
    "as if made in one",
    "come to lie",
    "comes to lie",
    "for ever",
    "go on where",
    "goes on",
    "going on",
    "hangs? on",
    "in the box",
    "(?:is|was) asked for",
    "is wanted",
    "are wanted",
    "judged",
    "lone",
    "nobody needs",
    "on the way",
    "peers?",
    "pictures?",
    "in vain",
    "puts? forward",
    "ships?",
    "shipped",
    "so many",
    "stands under",
    "strings attached",
    "tak(?:e|es|en) for (?:a|an|one|that|the|up|quotes|constants|whole)",
    "takes up",
    "tells of",
    "told apart",
    "tells? (?:which|what|where|how|whether)",
    "tells?_of_\\w+",
    "says? (?:why|before)",
    "lets? go of",
    "sees? to it",
    "no telling",
    "know(?:s|n)? nothing of",
)
PLACES = ("hndesc", "rules", "workflow_scripts", "benchmarks", "docs", "config", "profiles")
FILES = (
    *PLACES,
    "Snakefile",
    "config.yaml",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "Makefile",
    "envs",
    "workflow",
)
# Lines in which a retired word is right: (file, part of the line).
EXCEPTIONS = (
    ("hndesc/io/image_listing.py", "lone surrogates"),  # the term of Unicode
    ("hndesc/datasets/free_photos.yaml", "Grey/contents"),  # the name of a file
    ("tests/runtime/test_settings.py", "did you mean 'color'"),
)


def _text_files(*places: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", "--", *places], cwd=ROOT, capture_output=True, text=True, check=True)
    binary = (".json", ".safetensors", ".png", ".jpg", ".svg", ".pkl", ".npz")
    return [name for name in listed.stdout.splitlines() if not name.endswith(binary)]


def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{'|'.join(patterns)})(?![\w-])", re.IGNORECASE)


def _find(patterns: tuple[str, ...], files: list[str]) -> list[str]:
    pattern = _compiled(patterns)
    return [
        f"{name}:{number}: {found[0]}"
        for name in files
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if (found := pattern.search(line))
        and not any(name.startswith(place) and text in line for place, text in EXCEPTIONS)
    ]


def test_spelling_is_american() -> None:
    files = [name for name in _text_files(*FILES, "tests") if name != "tests/test_language.py"]
    assert _find(BRITISH, files) == []


def test_retired_phrases_do_not_return() -> None:
    assert _find(PHRASES, _text_files(*FILES)) == []
    tests = [name for name in _text_files("tests") if name != "tests/test_language.py"]
    assert _find(tuple(phrase for phrase in PHRASES if " " in phrase), tests) == []  # single words are names there


@pytest.mark.parametrize(
    "line", ["normalised by colour", "a lone keypoint", "the state tells of it", "it GOES ON", "it tells what is there"]
)
def test_patterns_match(line: str) -> None:
    assert _compiled((*BRITISH, *PHRASES)).search(line)
