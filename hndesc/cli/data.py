"""The commands of `hndesc` for data: datasets, weights and free photographs."""

import argparse
from pathlib import Path


def list_datasets(data: Path, registry: Path | None) -> None:
    """Print the entries of the registry and their state."""
    from hndesc.datasets.fetch import install

    listed = install.list_datasets(data, registry)
    width = max(len(entry.name) for entry, _ in listed)
    for entry, state in listed:
        size = "?" if entry.size is None else f"{entry.size / 1e6:,.1f} MB"
        print(f"{entry.name:{width}}  {state:18}  {size:>12}  {entry.title}; {entry.license}")


def get_dataset(
    name: str, data: Path, registry: Path | None, mirrors: list[str] | None, checksums: Path | None
) -> None:
    """Download, unpack and verify a dataset or a weights file, and print its path."""
    from hndesc.datasets.fetch import install

    checksums = checksums or Path(install.CHECKSUMS)
    print(install.get_dataset(name, data, registry=registry, mirrors=mirrors or (), checksums=checksums))


def gather_free_photos(unpacked: Path, output: Path) -> None:
    """Gather photographs under free licenses from unpacked packages and a dataset."""
    from hndesc.datasets import free_photos

    free_photos.gather_free_photos(unpacked, output)
    print(output)


def add_data_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands for data to the parser."""
    _add_datasets(commands.add_parser("datasets", help="list or download datasets and weights"))
    _add_free_photos(commands.add_parser("free-photos", help="collect photographs under free licenses"))


def _add_datasets(parser: argparse.ArgumentParser) -> None:
    parser.description = "Without a command, list all datasets and weights with their state."
    parser.add_argument("--data", metavar="FOLDER", type=Path, default=Path("data"), help="default: %(default)s")
    parser.add_argument("--registry", metavar="FILE.yaml", type=Path, help="further entries")
    parser.set_defaults(command=list_datasets)
    get = parser.add_subparsers(metavar="COMMAND").add_parser("get", help="download, unpack and verify one")
    get.add_argument("name", metavar="NAME")
    get.add_argument("--mirror", metavar="URL", dest="mirrors", action="append", help="mirror to try first")
    get.add_argument("--checksums", metavar="FILE.tsv", type=Path, help="default: checksums.tsv")
    get.set_defaults(command=get_dataset)


def _add_free_photos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("unpacked", metavar="UNPACKED", type=Path, help="folder with one folder per package")
    parser.add_argument("output", metavar="OUT", type=Path)
    parser.set_defaults(command=gather_free_photos)
