"""The words of the code: plain technical English, one meaning each."""

import ast
import io
import re
import tokenize
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

import unillmrec

ROOT = Path(unillmrec.__file__).parents[1]
PACKAGE = ROOT / "unillmrec"
GLOSSARY = ROOT / "docs" / "glossary.md"

# In names: words that say nothing about what a thing is or does.
FORBIDDEN_IN_NAMES = {
    *("told", "heard", "hearing", "hears", "nought", "wishes", "purse", "desk", "seat", "till"),
    *("foreseeing", "performing", "examining", "spoken", "stitched", "stitching", "likeness"),
    *("manieth", "worth", "parted", "anew", "sheet", "notebook", "patience", "trouble"),
    *("utils", "helper", "manager", "misc"),
}
# In prose: docstrings, comments, help, messages, docs.
FORBIDDEN_IN_PROSE = re.compile(
    r"\b(told|nought|anew|therein|thereof|manieth|wishes|by lot|of equals|the lot decides|goes by|"
    r"spoken|likeness|is heard|are heard|hears of|stands nowhere|stands? beside|"
    r"in step with|what there is of|of what it|in its turn|how it was told|"
    r"a word for|parted|says nothing of|knows nothing of)\b",
    re.IGNORECASE,
)
PROSE_FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = [
    path
    for folder in ("tests", "examples")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != Path(__file__)
]


def name_of(path):
    above = PACKAGE if path.is_relative_to(PACKAGE) else ROOT
    return ".".join(path.relative_to(above).with_suffix("").parts)


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def words_of(identifier):
    """Split snake_case and CamelCase into words."""
    return re.findall(r"[a-z]+|[A-Z](?:[a-z]+|[A-Z]*(?![a-z]))", identifier.replace("_", " "))


def defined_names(path):
    """Return the functions, classes, parameters and assigned names of a module."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def prose(path):
    """Return the comments and texts of a module; a name in backticks is no prose."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) and " " in token.string:
            yield token.start[0], re.sub(r"`[^`]*`|\*\w+\*", "", token.string)


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=name_of)
def test_names_are_plain(path):
    """A name says what a thing is or does, in words of the field."""
    found = {
        name
        for name in defined_names(path)
        if FORBIDDEN_IN_NAMES & {word.lower() for word in words_of(name)}
    }

    assert set() == found


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=name_of)
def test_texts_of_modules_are_plain(path):
    """Docstrings, comments, help and messages are read once."""
    found = [
        f"{line}: {match[0]!r}"
        for line, text in prose(path)
        for match in FORBIDDEN_IN_PROSE.finditer(text)
    ]

    assert [] == found


@pytest.mark.parametrize("path", PROSE_FILES, ids=lambda path: path.name)
def test_pages_are_plain(path):
    """README, docs and contributing guide."""
    assert [] == [match[0] for match in FORBIDDEN_IN_PROSE.finditer(path.read_text("utf-8"))]


def test_no_two_public_classes_share_a_name():
    """One word, one meaning: a class name is found once in the whole package."""
    homes = defaultdict(list)
    for path in MODULES:
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes[node.name].append(name_of(path))

    assert {} == {name: places for name, places in homes.items() if len(places) > 1}


def test_every_public_definition_has_a_docstring():
    """The first line says what a caller gets."""
    missing = [
        f"{name_of(path)}.{node.name}"
        for path in MODULES
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
        if not ast.get_docstring(node) and not is_overload(node)
    ]

    assert [] == missing


def is_overload(node):
    return any(isinstance(each, ast.Name) and each.id == "overload" for each in node.decorator_list)


def glossary():
    return dict(re.findall(r"^\| \*\*([\w ]+)\*\* \| (.+) \|$", GLOSSARY.read_text("utf-8"), re.M))


def test_the_package_and_the_docs_have_the_same_glossary():
    """The words of the package docstring are all explained in the docs."""
    used = set(re.findall(r"\*(\w+(?: \w+)?)\*", unillmrec.__doc__))

    assert used <= set(glossary())


def test_a_glossary_word_names_one_thing():
    """A class that is called like a glossary word is the thing itself."""
    homes = {
        "Item": "items",
        "ItemTree": "store.item_tree",
        "Judge": "judge.questions",
        "Endpoint": "endpoint.contract",
        "Stage": "usage",
        "Usage": "usage",
        "Bill": "usage",
        "Budget": "budget",
        "Profile": "judge.questions",
        "Interest": "judge.questions",
        "Choice": "judge.questions",
        "Recommendation": "recommending.recommendation",
        "Candidate": "stages.run",
        "Node": "store.nodes",
        "Description": "tree.descriptions",
        "RequestStyle": "endpoint.capabilities.request_style",
        "Plan": "planning.plan",
        "Journal": "batch.journal",
        "System": "evaluation.systems.contract",
        "UsageLog": "usage_log.writer",
    }
    found = {
        node.name: name_of(path)
        for path in MODULES
        for node in parsed(path).body
        if isinstance(node, ast.ClassDef)
        and node.name.lower() in {word.replace(" ", "") for word in glossary()}
    }

    assert {name: home for name, home in found.items() if homes.get(name) != home} == {}
