"""A missing package of an extra is named; whatever else is missing is an error as ever."""

import pytest

from hndesc.errors import HndescError
from hndesc.runtime.extras import extras_named
from hndesc.runtime.plugins import load_place


def test_the_extra_is_named() -> None:
    message = r"'pycolmap', which is not installed: pip install 'hndesc\[localization\]'"
    with pytest.raises(HndescError, match=message), extras_named():
        raise ModuleNotFoundError("No module named 'pycolmap._core'", name="pycolmap._core")


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("x", name="nowhere"), ModuleNotFoundError("x"), ImportError("x")]
)
def test_other_errors_pass(error: ImportError) -> None:
    with pytest.raises(type(error), match="x"), extras_named():
        raise error


def test_a_place_that_lacks_its_package_names_the_extra(tmp_path, monkeypatch) -> None:
    (tmp_path / "a_place_of_kornia.py").write_text("raise ModuleNotFoundError('', name='kornia')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HndescError, match=r"hndesc\[workflow\]"):
        load_place("a_place_of_kornia:Detector")
