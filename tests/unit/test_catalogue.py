"""The catalogue's loader says what is wrong with an entry; the reader of sources finds the ids that steps name."""

from pathlib import Path
from textwrap import dedent

import pytest

from lab.author import registry
from lab.claims.catalogue import CatalogueError, Claim, Kind, Since, Text, catalogue, load
from lab.claims.index import claims_by_function, measured_by_function, scenarios_naming

WHOLE = """
[topics]
opening = { en = "Opening", zh = "打开" }

[C1]
topic = "opening"
kind = "not so on Linux"
section = "RFC 9293 3.5"
article.en = "It says so."
article.zh = "如是说。"
document.en = "It does not."
document.zh = "并非如此。"
linux.en = "Neither does Linux."
linux.zh = "Linux 也不。"
depends = ["net.ipv4.tcp_sack"]
since = [{ kernel = "6.5", en = "Since then.", zh = "从那时起。" }]

[[errata]]
printed = "teh"
meant = "the"
en = "Letters."
zh = "字母。"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "claims.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_an_entry_is_read(tmp_path: Path) -> None:
    read = load(written(tmp_path, WHOLE))
    assert read.topics == {"opening": Text("Opening", "打开")}
    assert read.claims == {
        "C1": Claim(
            id="C1",
            topic="opening",
            kind=Kind.DIFFERS,
            section="RFC 9293 3.5",
            article=Text("It says so.", "如是说。"),
            document=Text("It does not.", "并非如此。"),
            linux=Text("Neither does Linux.", "Linux 也不。"),
            depends=("net.ipv4.tcp_sack",),
            since=(Since("6.5", Text("Since then.", "从那时起。")),),
        )
    }
    assert [(each.printed, each.meant, each.text.of("zh")) for each in read.errata] == [("teh", "the", "字母。")]


def test_a_text_is_given_in_the_language_asked_for() -> None:
    assert (Text("yes", "是").of("en"), Text("yes", "是").of("zh")) == ("yes", "是")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[C1]", "[claim1]", "claim1: an id must be C followed by a number"),
        ("[C1]", "[C01]", "C01: an id must be C followed by a number"),
        ("section =", "sektion =", "C1: unknown field 'sektion'"),
        ('section = "RFC 9293 3.5"\n', "", "C1: 'section' is missing"),
        ('topic = "opening"', 'topic = "closing"', "C1: unknown topic 'closing'"),
        ('"not so on Linux"', '"wrong"', "C1: unknown kind 'wrong', use one of: holds, imprecise, not so on Linux,"),
        ('article.zh = "如是说。"\n', "", "C1: article has no text in 'zh'"),
        ('linux.en = "Neither does Linux."\n', "", "C1: linux has no text in 'en'"),
        ('document.en = "It does not."\ndocument.zh = "并非如此。"', 'document = "no"', "C1: document has no text"),
        ('["net.ipv4.tcp_sack"]', "[4]", "C1: 'depends' must be a list of names"),
        ('kernel = "6.5"', 'kernel = "6"', "C1: each entry of 'since' must have a 'kernel', such as '6.5'"),
        ('zh = "从那时起。"', 'zh = ""', "C1: since 6.5 has no text in 'zh'"),
        ('meant = "the"\n', "", "errata 1: 'printed' or 'meant' is missing"),
        ('zh = "打开"', 'de = "Öffnen"', "topics.opening has no text in 'zh'"),
        ("[topics]", "topics = 1\n[other]", "topics must be a table"),
        ("[C1]", "[C1", "(at line 5"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in WHOLE
    file = written(tmp_path, WHOLE.replace(old, new, 1))
    with pytest.raises(CatalogueError) as raised:
        load(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert message in str(raised.value)


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"claims\.toml: No such file or directory"):
        load(tmp_path / "claims.toml")


def test_what_is_not_utf_8_is_said(tmp_path: Path) -> None:
    file = tmp_path / "claims.toml"
    file.write_bytes(b"\xff")
    with pytest.raises(CatalogueError, match="utf-8"):
        load(file)


def test_near_ids_are_offered() -> None:
    last = len(catalogue().claims)
    assert f"C{last}" in catalogue().similar_ids(f"C{last + 1}")
    assert catalogue().similar_ids("c50")[0] == "C50"
    assert catalogue().similar_ids("handshake") == []
    assert catalogue().similar_ids("C999") == ["C99"], "C9 is not near"


SOURCE = """
from lab import Lab, scenario

TITLE = "C99"

def shared(lab):
    lab.step("a", claims="C1 C2")
    deeper(lab)

def deeper(lab):
    lab.step("b", "C3")
    shared(lab)

@scenario(section="x")
def one(lab: Lab) -> None:
    "C4 is not named by a text."
    shared(lab)
    for bits, claims in (("SF", "C18"), ("SR", "C19")):
        lab.step(bits, claims=claims)

@scenario(section="x")
def two(lab: Lab) -> None:
    lab.step("c", claims="C5")
    lab.measured("C6", "7 s")
    lab.conclude("C7", "it waits")
"""


def test_the_ids_that_steps_name_are_found() -> None:
    assert claims_by_function(dedent(SOURCE)) == {
        "shared": {"C1", "C2", "C3"},
        "deeper": {"C1", "C2", "C3"},
        "one": {"C1", "C2", "C3", "C18", "C19"},
        "two": {"C5"},
    }


def test_a_measured_value_names_nothing_but_is_found() -> None:
    assert measured_by_function(SOURCE) == {"shared": set(), "deeper": set(), "one": set(), "two": {"C6", "C7"}}


def test_scenarios_are_chosen_by_what_they_show(tmp_path: Path) -> None:
    file = tmp_path / "file.py"
    file.write_text(SOURCE)
    scenarios = registry.find([str(file)]).scenarios
    assert [each.id for each in scenarios_naming(scenarios, ["C18"])] == ["file.one"]
    assert [each.id for each in scenarios_naming(scenarios, ["C5", "C3"])] == ["file.one", "file.two"]
    assert scenarios_naming(scenarios, ["C6"]) == []
