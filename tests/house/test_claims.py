"""Catalogue and scenarios keep together: each claim is named by a step, each step names claims that there are."""

import ast
from pathlib import Path

from lab.claims.catalogue import catalogue, scenarios_folder
from lab.claims.groups import groups
from lab.claims.index import claims_by_function, measured_by_function


def sources() -> dict[Path, str]:
    return {file: file.read_text(encoding="utf-8") for file in sorted(scenarios_folder().glob("*.py"))}


def named() -> set[str]:
    return {claim for source in sources().values() for ids in claims_by_function(source).values() for claim in ids}


def test_every_claim_is_named_by_a_step() -> None:
    assert sorted(set(catalogue().claims) - named(), key=number) == []


def test_every_id_that_a_step_names_exists() -> None:
    assert sorted(named() - set(catalogue().claims)) == []


def test_a_value_or_conclusion_is_only_for_a_claim_that_the_same_scenario_names() -> None:
    stray = {}
    for file, source in sources().items():
        names = claims_by_function(source)
        for function, ids in measured_by_function(source).items():
            # A helper may leave naming to the scenarios that call it.
            callers = [found for found in names.values() if ids <= found]
            if not callers:
                stray[f"{file.name}:{function}"] = ids - names[function]
    assert stray == {}


def test_what_is_measured_is_computed_from_what_happened() -> None:
    """A text without a local name is the author's own: it is a conclusion. Constants of a module are in capitals."""
    typed_in = []
    for file, source in sources().items():
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Call(func=ast.Attribute(attr="measured"), args=[_, value]):
                    names = {each.id for each in ast.walk(value) if isinstance(each, ast.Name)}
                    if all(name.isupper() for name in names):
                        typed_in.append(f"{file.name}:{node.lineno}")
    assert typed_in == []


def test_ids_are_unique_and_in_order() -> None:
    ids = list(catalogue().claims)  # a table that is there twice is an error of TOML itself
    assert [number(claim) for claim in ids] == list(range(1, len(ids) + 1))


def test_topics_come_in_the_order_of_the_article() -> None:
    order = list(catalogue().topics)
    met = list(dict.fromkeys(claim.topic for claim in catalogue().claims.values()))
    assert met == order


def test_every_text_is_short_and_in_its_language() -> None:
    wrong = []
    for claim in catalogue().claims.values():
        texts = [claim.article, claim.document, claim.linux, *(each.text for each in claim.since)]
        for text in filter(None, texts):
            is_chinese = any("\u4e00" <= character <= "\u9fff" for character in text.en)
            if is_chinese or not any("\u4e00" <= character <= "\u9fff" for character in text.zh):
                wrong.append(f"{claim.id}: {text}")
            if text.zh.count("。") > 2 or not text.zh.endswith("。") or not text.en.endswith("."):
                wrong.append(f"{claim.id}: {text}")
    assert wrong == []


def number(claim: str) -> int:
    return int(claim[1:])


def test_every_file_of_scenarios_has_its_place_in_the_learning_order() -> None:
    assert sorted(groups()) == sorted(file.stem for file in sources())
