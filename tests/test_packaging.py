"""What is built from the checkout works without the checkout."""

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import unillmrec

ROOT = Path(unillmrec.__file__).parents[1]

# Without the environment's own hooks: an editable install would lead back to the checkout.
ISOLATED = f"""
import sys
sys.path[:0] = [sys.argv.pop(1)]
sys.path += {sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})!r}
sys.argv[0] = "unillmrec"
"""

LOADED = """
import unillmrec
from unillmrec.catalog import read_catalog
from unillmrec.demo import books, readers
from unillmrec.judge import CONTRACTS
from unillmrec.prompts import PromptSet
from unillmrec.tokens import TokenCounter

assert unillmrec.__file__.startswith(sys.path[0]), unillmrec.__file__
counter = TokenCounter.for_model("gpt-4o")
with books() as path:
    ids = {item.id for item in read_catalog(path)}
prompts = PromptSet.load(CONTRACTS, None)
print(unillmrec.__version__)
print(*sorted(name for name in CONTRACTS if prompts[name].text))
print(counter.method, counter.count("Slow science fiction about first contact"))
print(len(ids) >= 400, all(set(reader.history) <= ids for reader in readers()))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A wheel from the checkout, an sdist, and the wheel that is built from the sdist."""
    folder = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir"]
    for place, kinds in (("direct", ["--wheel"]), ("through", [])):
        done = subprocess.run(
            [*build, str(folder / place), *kinds, str(ROOT)], capture_output=True, text=True
        )
        assert 0 == done.returncode, done.stdout + done.stderr
    (direct,) = (folder / "direct").glob("*.whl")
    (through,) = (folder / "through").glob("*.whl")
    (sdist,) = (folder / "through").glob("*.tar.gz")
    return direct, through, sdist


def contents(wheel):
    """Return the files of a wheel with their check sums; the record itself only repeats those."""
    with zipfile.ZipFile(wheel) as archive:
        return {
            each.filename: each.CRC for each in archive.infolist() if "RECORD" not in each.filename
        }


def test_the_wheel_carries_everything_that_is_read(built):
    """Prompts, token ranks, the demo's catalog, the mark for type checkers, the licence."""
    names = set(contents(built[0]))

    prompts = {f"unillmrec/_prompts/{path.name}" for path in (ROOT / "prompts").iterdir()}
    assert prompts == {name for name in names if name.startswith("unillmrec/_prompts/")}
    assert {
        "unillmrec/tokens/o200k_base.xz",
        "unillmrec/demo/books.jsonl",
        "unillmrec/demo/people.jsonl",
        "unillmrec/py.typed",
    } <= names
    assert {"LICENSE", "NOTICE"} <= {Path(name).name for name in names}


def test_the_wheel_carries_nothing_else(built):
    """Every module of the package, and no test, benchmark, cache or second package."""
    names = set(contents(built[0]))

    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "unillmrec").rglob("*.py")}
    assert modules == {name for name in names if name.endswith(".py")}
    assert {"unillmrec", f"unillmrec-{unillmrec.__version__}.dist-info"} == {
        name.split("/")[0] for name in names
    }


def test_the_sdist_makes_the_same_wheel(built):
    """Whoever builds from the source package gets what was built from the checkout."""
    direct, through, _ = built

    assert contents(direct) == contents(through)


def test_the_sdist_can_be_tested(built):
    """It carries the tests, the benchmarks and the command that runs them."""
    with tarfile.open(built[2]) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}

    assert {"Makefile", "pyproject.toml", "README.md", "CHANGELOG.md", "prompts/rank.md"} <= names
    assert {"tests/conftest.py", "tests/test_packaging.py", "benchmarks/__main__.py"} <= names


def run_isolated(place, code, *arguments):
    """Run *code* where nothing but *place* can give the package, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ISOLATED + code, str(place), *arguments],
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "unpacked", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["unpacked", "zip"]
)
def test_the_wheel_works_without_the_checkout(built, unpacked):
    """Unpacked or as a zip on the path, it finds all that it brings along."""
    place = built[0]
    if unpacked:
        place = Path("site").resolve()
        with zipfile.ZipFile(built[0]) as archive:
            archive.extractall(place)

    names = sorted(path.stem for path in (ROOT / "prompts").iterdir())
    expected = [unillmrec.__version__, " ".join(names), "exact 6", "True True"]
    assert expected == run_isolated(place, LOADED).splitlines()

    listing = "import runpy; runpy.run_module('unillmrec', run_name='__main__', alter_sys=True)"
    listed = run_isolated(place, listing, "prompts", "list")
    assert all(name in listed for name in names)
