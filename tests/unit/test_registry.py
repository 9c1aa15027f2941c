from __future__ import annotations

from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest

from lab.author import registry
from lab.claims.index import Selectable
from lab.record.results import BrokenFile

GOOD = '''"""A file."""
from lab import Lab, scenario


def helper() -> None:
    pass


@scenario(section="RFC 9293 3.5", sysctls={"net.ipv4.tcp_sack": 0})
def first(lab: Lab) -> None:
    """What it shows.

    More.
    """


@scenario(section="RFC 9293 3.6", families=[6])
def second_one(lab: Lab) -> None:
    pass
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Our own scenarios, for these tests: `a.py` and a file that cannot be loaded."""
    (tmp_path / "a.py").write_text(GOOD)
    (tmp_path / "broken.py").write_text("\n\n1 / 0\n")
    monkeypatch.setattr(registry, "scenarios_folder", lambda: tmp_path)
    return tmp_path


def ids(*patterns: str) -> list[str]:
    return [each.id for each in registry.find(patterns).scenarios]


def test_a_scenario_is_what_its_author_says(folder: Path) -> None:
    first, second = registry.find([str(folder / "a.py")]).scenarios
    assert (first.id, first.title, first.section) == ("a.first", "What it shows.", "RFC 9293 3.5")
    assert (first.families, dict(first.sysctls)) == ((4, 6), {"net.ipv4.tcp_sack": "0"})
    assert (first.file, GOOD.splitlines()[first.line - 1]) == (folder / "a.py", GOOD.splitlines()[8])
    assert (second.title, second.families) == ("second one", (6,))


GROUPS = {
    "open": ("open", "half_open"),
    "half_open": ("first",),
    "waiting": ("long",),
}
"""Functions of each file. The first calls a helper that names a state, and names a claim."""


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own scenarios, for these tests, in files as in GROUPS."""
    for group, functions in GROUPS.items():
        (tmp_path / f"{group}.py").write_text(
            "from lab import Lab, scenario\n\ndef helper(lab: Lab) -> None:\n    lab.word('TIME-WAIT')\n"
            + "".join(
                f"\n@scenario(section='x')\ndef {name}(lab: Lab) -> None:\n"
                + (
                    "    helper(lab)\n    lab.step('A', claims='C8 C85')\n"
                    if name == "long"
                    else "    lab.step('C8 is')\n"
                )
                for name in functions
            )
        )
    monkeypatch.setattr(registry, "scenarios_folder", lambda: tmp_path)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("open", ["open.half_open", "open.open"]),  # a group, and a function
        ("half_open", ["half_open.first", "open.half_open"]),
        ("half_open.first", ["half_open.first"]),
        ("HALF_OPEN.First", ["half_open.first"]),
        ("half", ["half_open.first", "open.half_open"]),
        ("n.o", ["open.open"]),
        ("*.[fl]*", ["half_open.first", "waiting.long"]),
        ("OPEN.*", ["open.half_open", "open.open"]),
        ("[x-z]*", []),
        ("C8", ["waiting.long"]),
        ("c85", ["waiting.long"]),
        ("C5", []),
        ("TIME-WAIT", ["waiting.long"]),
        ("time_wait", ["waiting.long"]),
        ("LISTEN", []),
        ("wait", ["waiting.long"]),
    ],
)
@pytest.mark.usefixtures("groups")
def test_a_pattern_is_a_name_first_then_a_claim_or_a_state_then_a_glob_or_a_part(
    pattern: str, found: list[str]
) -> None:
    assert sorted(ids(pattern)) == found
    assert [each.pattern for each in registry.find([pattern]).unknown] == ([] if found else [pattern])


@pytest.mark.usefixtures("groups")
def test_scenarios_come_in_the_order_of_their_groups_whatever_the_order_of_the_patterns() -> None:
    assert ids("waiting", "open") == ids("open", "waiting") == ["open.open", "open.half_open", "waiting.long"]


@pytest.mark.parametrize("pattern", ["half_open.first", "first", "HALF_*", "pen.f"])
def test_a_name_in_a_file_may_have_letters_in_any_case(pattern: str) -> None:
    names = frozenset({"Half_Open.First"})
    assert Selectable(names, dict).meant_by(pattern) == names


@pytest.mark.parametrize(
    ("pattern", "cause", "similar"),
    [
        ("wating", "no_name", ["waiting"]),
        ("Half_opened", "no_name", ["half_open"]),
        ("TIME-WATE", "no_name", ["TIME-WAIT"]),
        ("hlf_open", "no_name", ["half_open"]),
        ("open.hlf_open", "no_name", ["open.half_open", "open.open"]),
        ("zzz", "no_name", []),
        ("no_such.py", "no_file", []),
        ("./no_such", "no_file", []),
        ("./empty.py", "no_scenario_in_file", []),
    ],
)
@pytest.mark.usefixtures("groups")
def test_three_mistakes_have_three_causes_and_a_misspelt_name_has_similar_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, cause: str, similar: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.py").touch()
    (unknown,) = registry.find([pattern]).unknown
    assert (unknown.pattern, unknown.cause, unknown.similar) == (pattern, cause, similar)


@pytest.mark.usefixtures("folder")
def test_a_scenario_is_found_once_however_often_it_is_asked_for() -> None:
    assert ids("first", "a", "first") == ["a.first", "a.second_one"]


def test_a_broken_file_is_told_with_its_line_when_it_matters(folder: Path) -> None:
    broken = BrokenFile(folder / "broken.py", 3, "ZeroDivisionError: division by zero")
    assert registry.find().broken == [broken]
    assert registry.find(["broken"]).broken == [broken]
    assert registry.find(["no_such"]).broken == [broken], "it may hold what was asked for"
    assert registry.find(["first"]).broken == []


def test_the_line_is_that_of_the_file_not_of_what_it_called(tmp_path: Path) -> None:
    (tmp_path / "deep.py").write_text("import json\n\njson.loads('{')\n")
    (found,) = registry.find([str(tmp_path)]).broken
    assert (found.file, found.line) == (tmp_path / "deep.py", 3)


def test_files_of_one_name_in_two_folders_are_two(tmp_path: Path) -> None:
    for name in "left", "right":
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.py").write_text(GOOD.replace("first", name))
    found = registry.find([str(tmp_path / "left"), str(tmp_path / "right")]).scenarios
    assert {each.id for each in found} == {"same.left", "same.right", "same.second_one"}
    assert {each.function.__module__ for each in found} == {found[0].function.__module__}


NEVER_RUN = {
    "async def one(lab: Lab) -> None: ...": "is an `async def`, so its body would not run: make it an ordinary",
    "async def one(lab: Lab): yield": "is an `async def`, so its body would not run: make it an ordinary function",
    "def one(lab: Lab): yield": "is a generator, so its body would not run: it must not have a `yield`",
    "def one() -> None: ...": "must take one argument, the lab (too many positional arguments)",
    "def one(lab: Lab, peer) -> None: ...": "must take one argument, the lab (missing a required argument: 'peer')",
    "def one(*, lab: Lab) -> None: ...": "must take one argument, the lab (too many positional arguments)",
    "@passed_on\nasync def one(lab: Lab) -> None: ...": "is an `async def`, so its body would not run",
    "class one:\n    def __init__(self, lab: Lab) -> None: ...": "must be a function",
}


@pytest.mark.parametrize("source", NEVER_RUN)
def test_a_scenario_whose_body_would_not_run_is_an_error_and_the_others_are_found(tmp_path: Path, source: str) -> None:
    file = tmp_path / "odd.py"
    file.write_text(
        "import functools\n\ndef passed_on(function):\n"
        "    return functools.wraps(function)(lambda *given: function(*given))\n\n"
        f"{GOOD}\n@scenario(section='x')\n{source}\n"
    )
    found = registry.find([str(file)])
    assert [each.id for each in found.scenarios] == ["odd.first", "odd.second_one"]
    (broken,) = found.broken
    assert broken.why.startswith(f"the scenario 'one' {NEVER_RUN[source]}")


@pytest.mark.parametrize("limit", ["0", "-1", "float('nan')"])
def test_a_limit_is_above_zero(tmp_path: Path, limit: str) -> None:
    (tmp_path / "odd.py").write_text(GOOD.replace("families=[6]", f"limit={limit}"))
    (broken,) = registry.find([str(tmp_path)]).broken
    assert broken.why.startswith("ValueError: limit must be a number of seconds above 0, not ")


def test_code_that_an_import_has_cached_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not show the sides of an `assert`."""
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    monkeypatch.setattr("sys.pycache_prefix", str(tmp_path / "cache"))
    file = tmp_path / "odd.py"
    file.write_text("x = 1\nassert x == 2\n")
    assert SourceFileLoader("odd", str(file)).get_code("odd") is not None  # it is cached now
    for _ in range(2):
        assert [each.why for each in registry.find([str(file)]).broken] == ["AssertionError: 1 == 2"]


def test_imported_scenarios_are_not_this_files(tmp_path: Path) -> None:
    (tmp_path / "taking.py").write_text("from scenarios.handshake import kernel_as_server\n")
    assert [each.pattern for each in registry.find([str(tmp_path)]).unknown] == [str(tmp_path)]


def test_the_scenarios_of_the_checkout_all_load() -> None:
    found = registry.find()
    assert (found.broken, found.unknown) == ([], [])
    assert all(each.title.endswith((".", "!")) for each in found.scenarios)
    assert all(each.section.startswith("RFC ") for each in found.scenarios)
