import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec import errors, prompts, usage
from unillmrec.errors import PromptError
from unillmrec.prompts import BUNDLED, Prompt, PromptSet, bundled_folder

CONTRACTS = {
    "choose": frozenset({"profile", "choices"}),
    "rank": frozenset({"profile", "choices"}),
}
CHOOSE = """<!--
Chooses. $unsent costs $5 nothing.
---
-->
You choose for one person.
---
The person: $profile

Choices:
$choices

It costs $$5. Answer with JSON such as {"picks": []}.
---
Thank you.
"""
RANK = "You rank.\n---\n$profile ${choices}\n"


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of two prompts in place of the ones that ship."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    (folder / "choose.md").write_text(CHOOSE)
    (folder / "rank.md").write_text(RANK)
    monkeypatch.setattr(prompts, "bundled_folder", lambda: folder)
    return folder


@pytest.fixture(scope="module")
def rank_prompt(tmp_path_factory: pytest.TempPathFactory) -> Prompt:
    """One prompt for tests that fill it many times."""
    folder = tmp_path_factory.mktemp("prompts")
    (folder / "rank.md").write_text(RANK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompts, "bundled_folder", lambda: folder)
        return PromptSet.load({"rank": CONTRACTS["rank"]})["rank"]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """An empty folder for a user's prompts."""
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def load_error(overlay: Path | None = None) -> str:
    with pytest.raises(PromptError) as caught:
        PromptSet.load(CONTRACTS, overlay)
    return str(caught.value)


@pytest.mark.usefixtures("bundled")
def test_fills_the_system_and_the_user_message() -> None:
    """The comment is not sent, the first dashes part, `$$` is a dollar, JSON stays as it is."""
    system, user = PromptSet.load(CONTRACTS)["choose"].fill(profile="likes Dune", choices="1. Ubik")

    assert "You choose for one person." == system
    assert (
        "The person: likes Dune\n\nChoices:\n1. Ubik\n\n"
        'It costs $5. Answer with JSON such as {"picks": []}.\n---\nThank you.'
    ) == user


@given(value=st.text())
def test_values_are_put_in_as_they_are(rank_prompt: Prompt, value: str) -> None:
    """A value is never scanned for placeholders: a title with a price changes nothing."""
    system, user = rank_prompt.fill(profile=value, choices="$profile $5 {}")

    assert "You rank." == system
    assert f"{value} $profile $5 {{}}" == user


@pytest.mark.usefixtures("bundled")
def test_filling_takes_exactly_the_placeholders() -> None:
    """A value too few or too many is a mistake of the caller."""
    prompt = PromptSet.load(CONTRACTS)["rank"]

    with pytest.raises(TypeError, match=r"'rank' takes \['choices', 'profile'\]; given \['x'\]"):
        prompt.fill(x="1")


@pytest.mark.usefixtures("bundled")
def test_a_prompt_is_known_by_its_digest() -> None:
    """The digest is the beginning of the file's SHA-256, the comment included."""
    prompt = PromptSet.load(CONTRACTS)["choose"]

    assert hashlib.sha256(CHOOSE.encode()).hexdigest()[:12] == prompt.digest
    assert CHOOSE == prompt.text
    assert BUNDLED == prompt.source


@pytest.mark.usefixtures("bundled")
def test_prompts_come_in_the_order_of_the_contracts(own: Path) -> None:
    """A set counts and lists its prompts by stage."""
    (own / "choose.md").write_text(CHOOSE)

    loaded = PromptSet.load(CONTRACTS, own)

    assert ["choose", "rank"] == [prompt.name for prompt in loaded]
    assert 2 == len(loaded)


@pytest.mark.usefixtures("bundled")
def test_an_overlay_replaces_file_by_file(own: Path) -> None:
    """The user's file is used and named; the other prompts stay the bundled ones."""
    (own / "rank.md").write_text("Mine.\n---\n$choices for $profile")
    (own / ".DS_Store").write_bytes(b"\x00")

    loaded = PromptSet.load(CONTRACTS, own)

    assert ("Mine.", "x for y") == loaded["rank"].fill(choices="x", profile="y")
    assert [BUNDLED, str(own / "rank.md")] == [prompt.source for prompt in loaded]


@pytest.mark.usefixtures("bundled")
def test_files_of_other_systems_are_read(own: Path) -> None:
    """A byte-order mark and carriage returns change the digest and nothing else."""
    (own / "rank.md").write_bytes(b"\xef\xbb\xbf" + RANK.replace("\n", "\r\n").encode())

    prompt = PromptSet.load(CONTRACTS, own)["rank"]

    assert ("You rank.", "a b") == prompt.fill(profile="a", choices="b")
    assert hashlib.sha256((own / "rank.md").read_bytes()).hexdigest()[:12] == prompt.digest


@pytest.mark.usefixtures("bundled")
@pytest.mark.parametrize("name", ["rnak.md", "rank.txt", "rank.MD", "Rank.md", "rank.md~"])
def test_a_file_named_after_no_stage_is_an_error(own: Path, name: str) -> None:
    """A misspelt override is never ignored; the nearest name is given."""
    (own / name).write_text(RANK)

    assert (
        f"{own / name}: no prompt has this name. The nearest is 'rank.md'.\n"
        "  The prompts are choose.md, rank.md.\n"
        "  Try: rename the file, or move it out of the folder."
    ) == load_error(own)


@pytest.mark.usefixtures("bundled")
def test_placeholders_are_compared_both_ways(own: Path) -> None:
    """A placeholder left out and one that is never filled are both named."""
    (own / "rank.md").write_text("You rank $n.\n---\n$histroy $choices")

    assert (
        f"{own / 'rank.md'}: the placeholders do not fit the rank stage.\n"
        "  missing $profile; unknown $histroy, $n.\n"
        "  Try: compare with `unillmrec prompts show rank`."
    ) == load_error(own)


@pytest.mark.usefixtures("bundled")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"Rank.\n$profile $choices", ": the prompt needs a system message, a line ---, and a us"),
        (b"---\n$profile $choices", ": the prompt needs a system message, a line ---, and a user"),
        (b"$profile $choices\n---\n ", ": the prompt needs a system message, a line ---, and a u"),
        (b"<!-- Ranks.\nRank.\n---\n$profile", ": the comment on top is not closed."),
        (
            b"<!-- $5 -->\nRank.\n---\n$profile $choices for $5",
            ":4: a $ stands before no name: '$5",
        ),
        (b"Rank.\n---\n$profile $choices $", ":3: a $ stands before no name: '$'."),
        (b"Rank.\n---\n$profile caf\xe9", ":3: the prompt is not UTF-8: byte 0xe9."),
        (b"", ": the prompt needs a system message"),
    ],
)
def test_a_malformed_prompt_is_an_error(own: Path, content: bytes, expected: str) -> None:
    """What cannot become two messages is refused with the file and, if it has one, the line."""
    (own / "rank.md").write_bytes(content)

    assert load_error(own).startswith(f"{own / 'rank.md'}{expected}")


@pytest.mark.usefixtures("bundled")
def test_an_empty_message_is_named() -> None:
    """The error says whether the line is missing or which of the two messages is empty."""
    details = []
    for text in ("a", "---\na", "a\n---\n"):
        with pytest.raises(PromptError) as caught:
            prompts._split(text, "rank.md")
        details.append(caught.value.detail)

    assert [
        "The line is missing.",
        "The system message is empty.",
        "The user message is empty.",
    ] == details


@pytest.mark.usefixtures("bundled")
def test_an_unreadable_prompt_is_an_error(own: Path) -> None:
    """A file that the system does not give is named with the system's reason."""
    (own / "rank.md").mkdir()

    assert f"{own / 'rank.md'}: the prompt cannot be read: Is a directory." == load_error(own)


@pytest.mark.usefixtures("bundled")
def test_a_folder_without_prompts_is_an_error(own: Path) -> None:
    """A folder that is empty, missing or none is not taken for "no changes"."""
    (own / ".hidden").touch()

    assert load_error(own).startswith(f"{own}: the folder of prompts is empty.")
    assert load_error(own / "no").startswith(
        f"{own / 'no'}: the folder of prompts cannot be read: No such file or directory."
    )
    assert load_error(own / ".hidden").startswith(
        f"{own / '.hidden'}: the folder of prompts cannot be read: Not a directory."
    )


def test_a_missing_bundled_prompt_is_an_error(bundled: Path) -> None:
    """An installation without one of its prompts says so and how to mend it."""
    (bundled / "rank.md").unlink()

    assert (
        "the prompt 'rank' did not come with this installation.\n"
        f"  It was looked for in {bundled}.\n"
        "  Try: pip install --force-reinstall unillmrec"
    ) == load_error()


def test_a_bundled_prompt_is_held_to_its_contract(bundled: Path) -> None:
    """Our own prompts are checked like everybody's."""
    (bundled / "rank.md").write_text("Rank.\n---\n$profile")

    assert "missing $choices." in load_error()


@pytest.mark.usefixtures("bundled")
def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    """Asking for a prompt that is not there names the nearest and all there are."""
    with pytest.raises(PromptError) as caught:
        PromptSet.load(CONTRACTS)["rnak"]

    assert (
        "there is no prompt 'rnak'. The nearest is 'rank'.\n  The prompts are choose, rank."
    ) == str(caught.value)


@pytest.mark.usefixtures("bundled")
def test_checking_reports_every_problem(own: Path) -> None:
    """Checking a folder lists all that is wrong with it, and nothing for a good one."""
    loaded = PromptSet.load(CONTRACTS)
    assert (f"{own}: the folder of prompts is empty.",) == tuple(
        error.problem for error in loaded.check(own)
    )
    (own / "choose.md").write_text(CHOOSE)
    assert () == loaded.check(own)
    (own / "rank.md").write_text("Rank.")
    (own / "zzz.md").write_text(RANK)

    actual = [error.problem for error in loaded.check(own)]

    assert [
        f"{own / 'rank.md'}: the prompt needs a system message, a line ---, and a user message.",
        f"{own / 'zzz.md'}: no prompt has this name.",
    ] == actual


@pytest.mark.usefixtures("bundled")
def test_exported_prompts_are_the_same_prompts(tmp_path: Path) -> None:
    """An export makes the folder, writes each file as it is, and can be used at once."""
    loaded = PromptSet.load(CONTRACTS)
    target = tmp_path / "deep" / "mine"

    written = loaded.export(target)

    assert (target / "choose.md", target / "rank.md") == written
    assert sorted(written) == sorted(target.iterdir())
    assert () == loaded.check(target)
    exported = PromptSet.load(CONTRACTS, target)
    assert [prompt.digest for prompt in loaded] == [prompt.digest for prompt in exported]


@pytest.mark.usefixtures("bundled")
def test_an_export_overwrites_nothing(own: Path) -> None:
    """One file that is there already is named, and keeps all from being written."""
    (own / "rank.md").write_text("mine")

    with pytest.raises(PromptError) as caught:
        PromptSet.load(CONTRACTS).export(own)

    assert (
        f"1 of 2 prompts are already in {own}: '{own / 'rank.md'}'.\n"
        "  Nothing was written.\n"
        "  Try: export into an empty folder, or remove the files to be replaced."
    ) == str(caught.value)
    assert ["rank.md"] == [file.name for file in own.iterdir()]
    assert "mine" == (own / "rank.md").read_text()


@pytest.mark.usefixtures("bundled")
def test_a_failed_export_leaves_nothing(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk refuses the second file, the first is not left behind."""
    write_bytes = Path.write_bytes

    def full(file: Path, content: bytes) -> int:
        if "rank" in file.name:
            raise OSError(28, "No space left on device", str(file))
        return write_bytes(file, content)

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(PromptError, match="the prompts cannot be written: No space left on device"):
        PromptSet.load(CONTRACTS).export(own)
    assert [] == list(own.iterdir())


def test_a_checkout_keeps_its_prompts_beside_the_package() -> None:
    """Without a packaged copy, the prompts are the folder beside the package."""
    assert Path(prompts.__file__).parents[1] / "prompts" == bundled_folder()


@pytest.mark.parametrize("zipped", [False, True])
def test_an_installed_package_brings_its_prompts(tmp_path: Path, zipped: bool) -> None:
    """The copy inside the package is found and read, also when the package is a zip."""
    package = tmp_path / "site" / "unillmrec"
    (package / "_prompts").mkdir(parents=True)
    (package / "__init__.py").touch()
    for module in (prompts, errors, usage):
        shutil.copy(Path(module.__file__), package)
    (package / "_prompts" / "rank.md").write_text(RANK)
    place = tmp_path / "site"
    if zipped:
        place = tmp_path / "site.zip"
        with zipfile.ZipFile(place, "w") as archive:
            for file in package.rglob("*.*"):
                archive.write(file, file.relative_to(tmp_path / "site"))
    code = (
        f"import sys; sys.path.insert(0, {str(place)!r}); "
        "from unillmrec.prompts import PromptSet; "
        "prompt = PromptSet.load({'rank': frozenset({'profile', 'choices'})})['rank']; "
        "print(prompt.source, prompt.fill(profile='a', choices='b'))"
    )

    actual = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )

    assert "bundled ('You rank.', 'a b')\n" == actual.stdout


BLOCKS = "Say.\n---\nFirst $limit.\n<!-- a -->\nA $a\n\n<!-- b -->\nB $b\n<!-- end -->\nThe end."


def loaded(bundled: Path, text: str) -> Prompt:
    (bundled / "rank.md").write_text(text)
    return PromptSet.load({"rank": frozenset({"a", "b", "limit"})})["rank"]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("", "First 7.\n\nA $b\n\nB 2\n\nThe end."),
        ("a", "First 7.\n\nA $b\n\nB 2\n\nThe end."),
        ("b", "First 7.\n\nB 2\n\nA $b\n\nThe end."),
        ("c", "First 7.\n\nA $b\n\nB 2\n\nThe end."),
    ],
)
def test_blocks_change_places(bundled: Path, first: str, expected: str) -> None:
    """The named one comes first; what is outside of blocks stays where it is."""
    assert ("Say.", expected) == loaded(bundled, BLOCKS).fill(first, a="$b", b="2", limit="7")


def test_a_prompt_without_marks_stays_as_it_is(bundled: Path) -> None:
    """Other comments in it are the author's text."""
    prompt = loaded(bundled, "Say.\n---\n<!-- note -->\nA $a\n\n\nB $b $limit")

    assert "<!-- note -->\nA 1\n\n\nB 2 7" == prompt.fill("b", a="1", b="2", limit="7")[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!-- a -->\n$a\n<!-- b -->\nb\n<!-- end -->\n$b $limit", "the block 'b' needs $b"),
        ("<!-- a -->\n$a\n<!-- a -->\n$a $b $limit", "the block 'a' needs $a, and is there once"),
        ("<!-- a -->\n$a\n<!-- b -->\n$b $a $limit", "$a stands outside of its block"),
        ("$a\n<!-- a -->\n$a\n<!-- b -->\n$b $limit", "$a stands outside of its block"),
    ],
)
def test_blocks_that_cannot_change_places_are_refused(
    bundled: Path, text: str, problem: str
) -> None:
    """The error names the file, what is wrong, and what a mark is."""
    with pytest.raises(PromptError) as caught:
        loaded(bundled, f"Say.\n---\n{text}")

    assert caught.value.problem.startswith(f"{bundled / 'rank.md'}: {problem}")
    assert "<!-- end -->" in caught.value.detail
