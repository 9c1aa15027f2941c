"""`import lab` is the author's door: eight names, none of them loaded before it is used."""

import subprocess
import sys

import pytest

import lab
from lab.author.lab import Lab
from lab.author.registry import scenario


def modules_loaded_by(source: str) -> set[str]:
    """What a fresh Python loads for a piece of source, beyond its own library."""
    program = f"import sys; before = set(sys.modules)\n{source}\nprint(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return {name for name in done.stdout.split() if name.partition(".")[0] not in sys.stdlib_module_names}


def test_importing_the_lab_loads_nothing_else() -> None:
    assert modules_loaded_by("import lab; lab.__version__") == {"lab"}


def test_using_a_name_loads_what_it_needs() -> None:
    assert {"lab", "lab.author.lab", "lab.tcp.state"} <= modules_loaded_by("from lab import Lab")


@pytest.mark.parametrize("name", lab.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(lab, name) is not None


def test_the_names_are_the_rooms_own() -> None:
    assert lab.Lab is Lab
    assert lab.scenario is scenario


def test_a_name_that_there_is_not_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'lab' has no attribute 'Pear'"):
        getattr(lab, "Pear")  # noqa: B009  # mypy would refuse the plain spelling, as it should
    with pytest.raises(ImportError, match="cannot import name 'Pear' from 'lab'"):
        exec("from lab import Pear")
