"""Install hndesc, editable, and the locked versions of all that it needs, with lines of progress: `make setup`.

It needs only the standard library, since it is the first to run in a new .venv. What pip prints goes to a log in the
environment; the last lines of it are shown if pip fails.
"""

import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
LOG = Path(sys.prefix) / "install.log"
PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off")
# A package in pip's output: its name, or the file of a local one.
_PACKAGE = re.compile(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)|Processing \S*/([\w.]+)-\d")
_LAST_LINES = 20
_SECONDS = 10.0  # between two lines, where a line cannot be replaced


def progress(lines: Iterable[str], total: int) -> Iterator[str]:
    """Yield a line of progress for each package that pip names, and one when it unpacks them."""
    seen: set[str] = set()
    for line in lines:
        if found := _PACKAGE.match(line):
            name = found[1] or found[2]
            seen.add(name.lower().replace("_", "-"))
            yield f"package {min(len(seen), total)} of about {total}: {name}"
        elif line.startswith("Installing collected packages:"):
            yield f"unpacking {line.count(',') + 1} packages: about a minute"


def show(lines: Iterable[str]) -> None:
    """Print each line in place of the one before; in a file or a pipe, one of them every ten seconds."""
    terminal, last = sys.stdout.isatty(), 0.0
    for line in lines:
        if terminal:
            print(f"\r\033[K{line}", end="", flush=True)
        elif time.monotonic() - last >= _SECONDS or not line.startswith("package"):
            print(line, flush=True)
            last = time.monotonic()
    if terminal:
        print("\r\033[K", end="", flush=True)


def install(*arguments: str) -> int:
    """Run pip install, with its output in the log; return its exit status."""
    versions = HERE / ("lock.txt" if "dev" in arguments[-1] else "hndesc.yaml")  # the latter: what the rules run
    total = sum("==" in line for line in versions.read_text().splitlines())
    tail: deque[str] = deque(maxlen=_LAST_LINES)

    def logged(lines: Iterable[str]) -> Iterator[str]:
        with LOG.open("w") as log:
            for line in lines:
                log.write(line)
                tail.append(line)
                yield line

    with subprocess.Popen((*PIP, *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        show(progress(logged(pip.stdout or ()), total))
    if pip.returncode:
        print(*tail, f"pip failed; all that it printed is in {LOG}\n", sep="", end="", file=sys.stderr)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(install(*sys.argv[1:]))
