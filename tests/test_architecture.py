"""What the design promises about the code as a whole, held to by reading the code."""

import ast
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path

import networkx
import pytest

import unillmrec

ROOT = Path(unillmrec.__file__).parents[1]
PACKAGE = ROOT / "unillmrec"

# From the top down: a package may import only what is listed below it.
ORDER = [
    *("__main__", "cli", "demo", "evaluation", "batch", "session", "planning"),
    *("describing", "updating", "building", "checking", "recommending", "usage_log"),
    *(
        "people",
        "stages",
        "judge",
        "local",
        "endpoint",
        "replies",
        "store",
        "tree",
        "filters",
        "catalog",
    ),
    *("settings", "prompts", "prices", "tokens", "budget", "items"),
    *("system", "errors", "usage", "events"),
]
# Test doubles, for our tests and our users': only the fake server's command imports them, and
# they may import only what is listed below this package.
TESTING_BELOW = "usage_log"
STARTS_THE_SERVER = "cli.mock.run"

# Which packages may import a heavy dependency at run time. Imports for types load nothing.
HOMES = {
    "openai": {"endpoint"},
    "httpx2": {"endpoint"},
    "tiktoken": {"tokens"},
    "genai_prices": {"prices"},
    "filelock": {"system"},
    "platformdirs": {"system"},
    "networkx": {"store.graph"},
    "sklearn": {"tree", "evaluation"},
    "threadpoolctl": {"tree", "evaluation"},
    "scipy": {"tree", "building", "updating", "evaluation"},
    "numpy": {
        *("tree", "building", "updating", "store"),
        *("recommending.reasons", "people.interactions", "evaluation"),
    },
    "ir_measures": {"evaluation.metrics"},
    "implicit": {"evaluation.systems"},
    "bm25s": {"evaluation.systems"},
    "pyarrow": {"catalog.formats"},
    "xllamacpp": {"local.engine"},
    "ray": {"building.backends"},
    "opentelemetry": {"endpoint.wrappers.telemetry"},
    "typer": {"cli"},
    "rich": {"cli"},
}
# Imported under another name than it is installed by.
DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "ir_measures": "ir-measures",
    "genai_prices": "genai-prices",
    "opentelemetry": "opentelemetry-api",
}
HEAVY = {
    *("openai", "httpx2", "sklearn", "scipy", "networkx", "numpy", "pydantic", "tiktoken"),
    *("ir_measures", "implicit", "bm25s"),
}

LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
MOST_MODULES_IN_A_FOLDER = 12
MOST_MODULES_FOR_HELP = 12
NOT_A_NAME = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "handler", "base"}


@dataclass(frozen=True)
class Import:
    """One imported module: where, by which module of ours, and whether only for its types."""

    target: str
    module: str
    line: int
    for_types: bool

    def __str__(self):
        return f"unillmrec.{self.module}:{self.line} imports {self.target}"

    @property
    def area(self):
        return self.module.split(".")[0]

    @property
    def target_area(self):
        return self.target.removeprefix("unillmrec").strip(".").split(".")[0]


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def targets(node, path):
    """Return the absolute names of the modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, f"{path}:{node.lineno}: imports are written out in full"
    if node.module == "unillmrec":
        return [f"unillmrec.{alias.name}" for alias in node.names]
    return [node.module]


@cache
def imports():
    return [
        Import(target, name_of(path), node.lineno, for_types)
        for path in modules()
        for node, for_types in import_statements(parsed(path))
        for target in targets(node, path)
    ]


def import_statements(node, for_types=False):
    """Find the imports among the statements below *node*, and which are made for types alone."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, for_types
    for field in ("body", "orelse", "handlers", "finalbody", "cases"):
        # The body of a lambda, and the parts of a conditional expression, are no statements.
        inner = getattr(node, field, None)
        guarded = field == "body" and is_type_checking(node)
        for statement in inner if isinstance(inner, list) else ():
            yield from import_statements(statement, for_types or guarded)


def is_type_checking(node):
    test = node.test if isinstance(node, ast.If) else None
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


@cache
def file_graph():
    """Return which file imports which: lazily and for types count too."""
    files = {name_of(path) for path in modules()}
    graph = networkx.DiGraph()
    for path in modules():
        for node, _ in import_statements(parsed(path)):
            for name in imported_files(node, files):
                graph.add_edge(name_of(path), name)
    return graph


def imported_files(node, files):
    """Return the files of ours that an import statement reads names from."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [name if ours(name) in files else node.module for name in names]
    return {ours(name) for name in names if name.startswith("unillmrec.")}


def ours(name):
    return name.removeprefix("unillmrec.")


def first_difference(source, target):
    """Return the two places, side by side in one folder, where the paths of two files part."""
    for ends in zip(lineage(source), lineage(target), strict=False):
        if len(set(ends)) > 1:
            return ends
    return "", ""


def lineage(name):
    return [*accumulate(name.split("."), lambda above, below: f"{above}.{below}")]


def is_folder(name):
    return PACKAGE.joinpath(*name.split(".")).is_dir()


def circles(graph):
    return [sorted(each) for each in networkx.strongly_connected_components(graph) if len(each) > 1]


def third_party():
    standard = sys.stdlib_module_names | {"unillmrec"}
    return [each for each in imports() if each.target.split(".")[0] not in standard]


def lives_in(module, homes):
    return any(f"{module}.".startswith(f"{home}.") for home in homes)


def test_imports_point_down():
    """Nothing imports what stands above it, not even for its types or inside a function."""
    order = [*ORDER]
    order.insert(order.index(TESTING_BELOW) + 1, "testing")
    place = {area: number for number, area in enumerate(order)}

    upward = [
        str(each)
        for each in imports()
        if each.target.startswith("unillmrec.") and each.area not in ("__init__", each.target_area)
        if place[each.area] > place[each.target_area]
        or (each.target_area == "testing" and each.module != STARTS_THE_SERVER)
    ]

    assert [] == upward


def test_no_file_imports_in_a_circle():
    """Two files that need each other are one file, or lack a third."""
    assert [] == circles(file_graph())


def test_no_folders_side_by_side_import_in_a_circle():
    """Folders can be read in an order, each without those that come after it."""
    apart = [first_difference(*edge) for edge in file_graph().edges]
    folders = networkx.DiGraph(
        (source, target)
        for source, target in apart
        if source != target and is_folder(source) and is_folder(target)
    )

    assert [] == circles(folders)


def test_folders_fit_on_a_page():
    """A folder listing that takes more than a glance needs another level."""
    counts = Counter(path.parent for path in modules() if path.name != "__init__.py")

    assert {} == {
        str(folder.relative_to(ROOT)): count
        for folder, count in counts.items()
        if count > MOST_MODULES_IN_A_FOLDER
    }


def test_every_part_has_its_place_in_the_order():
    """A new part is put where it belongs, and an old one is not forgotten there."""
    parts = {name_of(path).split(".")[0] for path in modules()} - {"__init__", "testing"}

    assert sorted(ORDER) == sorted(parts)


def test_a_heavy_dependency_has_one_home():
    """What is hidden behind one part can be replaced there."""
    strays = [
        str(each)
        for each in third_party()
        if not each.for_types
        and not lives_in(each.module, HOMES.get(each.target.split(".")[0], ()))
    ]

    assert [] == strays


@cache
def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(each for name in extras for each in extras[name]),
    ]
    return {each.split(">")[0].split("[")[0].strip() for each in wanted}


def test_what_is_imported_is_declared_and_the_other_way_round():
    """No dependency comes in by another's back door, and none is there for nothing."""
    imported = {each.target.split(".")[0] for each in third_party()}

    assert declared() == {DISTRIBUTIONS.get(name, name) for name in imported}


def all_loaded_by(code):
    """Return the modules that a fresh process has loaded after running *code*."""
    ended = f"import sys\n{code}\nprint(' '.join(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", ended], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def loaded_by(code):
    """Return which of the heavy packages a fresh process has loaded after running *code*."""
    return HEAVY & all_loaded_by(code)


def test_importing_the_package_loads_nothing_heavy():
    """Names are found when they are used."""
    assert set() == loaded_by("import unillmrec; dir(unillmrec); unillmrec.Item, unillmrec.Usage")


def test_help_loads_nothing_heavy():
    """Nobody waits for numpy to read about a flag."""
    assert set() == loaded_by("from unillmrec.cli import main; main(['--help'])")
    for command in ("recommend", "build", "evaluate"):
        assert set() == loaded_by(f"from unillmrec.cli import main; main(['{command}', '--help'])")


def test_help_imports_no_command():
    """The list of commands is a table; a command is imported when it is called."""
    loaded = all_loaded_by("from unillmrec.cli import main; main(['--help'])")
    our_own = sorted(name for name in loaded if name.split(".")[0] == "unillmrec")

    assert len(our_own) <= MOST_MODULES_FOR_HELP, our_own
    assert not {"rich", "logging", "json", "unillmrec.settings"} & loaded


def test_opening_a_tree_loads_no_clustering():
    """A recommendation by the embedded judge needs numpy, and nothing that built the tree."""
    code = "from unillmrec import ItemTree, Recommender"

    assert loaded_by(code) <= {"numpy"}


def test_recommending_imports_only_what_the_embedded_judge_needs():
    """Tables, endpoints, plans and prompts of a model are imported when they are used."""
    loaded = all_loaded_by(
        "import unillmrec.cli.recommend.command, unillmrec.cli.recommend.run\n"
        "from unillmrec.judge.registry import build_judge"
    )
    unneeded = {"rich", "unillmrec.endpoint.openai_endpoint", "unillmrec.planning.planner"}

    assert HEAVY & loaded <= {"numpy"}
    assert not unneeded & loaded


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_sizes(path):
    """What does not fit a screen or two does not fit a head."""
    length = len(path.read_text(encoding="utf-8").splitlines())
    # The flags of a command are its parameters, one a line.
    is_command = "cli" in path.parts
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for start in [node.body[0].lineno if is_command else node.lineno]
        if node.end_lineno - start >= LONGEST_FUNCTION
    ]

    assert length <= LONGEST_MODULE
    assert [] == long


def test_modules_are_named_for_what_is_in_them():
    """A thing without a better name than these has no home yet."""
    names = {part for path in modules() for part in path.stem.split("_")}
    names |= {part for path in modules() for part in path.parent.name.split("_")}

    assert set() == names & NOT_A_NAME


def test_every_promised_name_is_there():
    """`__all__` is what can be had, each from where it lives."""
    assert sorted(unillmrec.__all__) == unillmrec.__all__ == sorted(unillmrec._HOMES)
    assert set(unillmrec.__all__) <= set(dir(unillmrec))
    for name in unillmrec.__all__:
        value = getattr(unillmrec, name)
        assert value.__name__ == name
        assert value.__module__.startswith(f"unillmrec.{unillmrec._HOMES[name]}")


def test_type_checkers_see_the_promised_names():
    """The names are imported for types one by one, from the same places."""
    seen = {
        alias.name: node.module.removeprefix("unillmrec.")
        for node in ast.walk(parsed(PACKAGE / "__init__.py"))
        if isinstance(node, ast.ImportFrom) and node.module.startswith("unillmrec.")
        for alias in node.names
    }

    assert unillmrec._HOMES == seen


def test_an_unknown_name_is_an_attribute_error():
    """As with every module."""
    with pytest.raises(AttributeError, match="module 'unillmrec' has no attribute 'nothing'"):
        unillmrec.nothing  # noqa: B018 (asking for it is the test)


def test_the_version_is_that_of_the_project():
    """It is written down once."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["version"] == unillmrec.__version__
