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
    """A folder with two prompts that replaces the bundled ones."""
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
    """An empty folder for prompts of a user."""
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def load_error(overlay: Path | None = None) -> str:
    with pytest.raises(PromptError) as caught:
        PromptSet.load(CONTRACTS, overlay)
    return str(caught.value)


@pytest.mark.usefixtures("bundled")
def test_a_prompt_fills_the_system_and_the_user_message() -> None:
    """The comment is not sent, the first dashes separate, `$$` is a dollar, JSON is unchanged."""
    system, user = PromptSet.load(CONTRACTS)["choose"].fill(profile="likes Dune", choices="1. Ubik")

    assert "You choose for one person." == system
    assert (
        "The person: likes Dune\n\nChoices:\n1. Ubik\n\n"
        'It costs $5. Answer with JSON such as {"picks": []}.\n---\nThank you.'
    ) == user


@given(value=st.text())
def test_values_are_inserted_literally(rank_prompt: Prompt, value: str) -> None:
    """Values are not scanned for placeholders, so a title may contain a price in dollars."""
    system, user = rank_prompt.fill(profile=value, choices="$profile $5 {}")

    assert "You rank." == system
    assert f"{value} $profile $5 {{}}" == user


@pytest.mark.usefixtures("bundled")
def test_filling_needs_exactly_the_placeholders() -> None:
    """A missing or extra value is a mistake of the caller."""
    prompt = PromptSet.load(CONTRACTS)["rank"]

    with pytest.raises(TypeError, match=r"'rank' takes \['choices', 'profile'\]; given \['x'\]"):
        prompt.fill(x="1")


@pytest.mark.usefixtures("bundled")
def test_a_prompt_is_identified_by_its_digest() -> None:
    """The digest is the start of the SHA-256 of the whole file."""
    prompt = PromptSet.load(CONTRACTS)["choose"]

    assert hashlib.sha256(CHOOSE.encode()).hexdigest()[:12] == prompt.digest
    assert CHOOSE == prompt.text
    assert BUNDLED == prompt.source


@pytest.mark.usefixtures("bundled")
def test_prompts_come_in_the_order_of_the_contracts(own: Path) -> None:
    """A set has a length and lists its prompts by stage."""
    (own / "choose.md").write_text(CHOOSE)

    loaded = PromptSet.load(CONTRACTS, own)

    assert ["choose", "rank"] == [prompt.name for prompt in loaded]
    assert 2 == len(loaded)


@pytest.mark.usefixtures("bundled")
def test_an_overlay_replaces_single_files(own: Path) -> None:
    """The file of the user is used and named; the other prompts are the bundled ones."""
    (own / "rank.md").write_text("Mine.\n---\n$choices for $profile")
    (own / ".DS_Store").write_bytes(b"\x00")

    loaded = PromptSet.load(CONTRACTS, own)

    assert ("Mine.", "x for y") == loaded["rank"].fill(choices="x", profile="y")
    assert [BUNDLED, str(own / "rank.md")] == [prompt.source for prompt in loaded]


@pytest.mark.usefixtures("bundled")
def test_files_of_other_systems_are_read(own: Path) -> None:
    """A byte-order mark and carriage returns change only the digest."""
    (own / "rank.md").write_bytes(b"\xef\xbb\xbf" + RANK.replace("\n", "\r\n").encode())

    prompt = PromptSet.load(CONTRACTS, own)["rank"]

    assert ("You rank.", "a b") == prompt.fill(profile="a", choices="b")
    assert hashlib.sha256((own / "rank.md").read_bytes()).hexdigest()[:12] == prompt.digest


@pytest.mark.usefixtures("bundled")
@pytest.mark.parametrize("name", ["rnak.md", "rank.txt", "rank.MD", "Rank.md", "rank.md~"])
def test_a_file_named_after_no_stage_is_an_error(own: Path, name: str) -> None:
    """The error suggests the nearest name."""
    (own / name).write_text(RANK)

    assert (
        f"{own / name}: no prompt has this name. The nearest is 'rank.md'.\n"
        "  The prompts are choose.md, rank.md.\n"
        "  Try: rename the file, or move it out of the folder."
    ) == load_error(own)


@pytest.mark.usefixtures("bundled")
def test_missing_and_unknown_placeholders_are_errors(own: Path) -> None:
    """Both are named."""
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
            ":4: a $ is not followed by a name: '$5",
        ),
        (b"Rank.\n---\n$profile $choices $", ":3: a $ is not followed by a name: '$'."),
        (b"Rank.\n---\n$profile caf\xe9", ":3: the prompt is not UTF-8: byte 0xe9."),
        (b"", ": the prompt needs a system message"),
    ],
)
def test_a_malformed_prompt_is_an_error(own: Path, content: bytes, expected: str) -> None:
    """The error names the file and, if there is one, the line."""
    (own / "rank.md").write_bytes(content)

    assert load_error(own).startswith(f"{own / 'rank.md'}{expected}")


@pytest.mark.usefixtures("bundled")
def test_an_empty_message_is_named() -> None:
    """The error tells a missing separator from an empty message."""
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
    """The error has the reason from the operating system."""
    (own / "rank.md").mkdir()

    assert f"{own / 'rank.md'}: the prompt cannot be read: Is a directory." == load_error(own)


@pytest.mark.usefixtures("bundled")
def test_a_folder_without_prompts_is_an_error(own: Path) -> None:
    """An empty or missing folder, or a file, does not count as "no changes"."""
    (own / ".hidden").touch()

    assert load_error(own).startswith(f"{own}: the folder of prompts is empty.")
    assert load_error(own / "no").startswith(
        f"{own / 'no'}: the folder of prompts cannot be read: No such file or directory."
    )
    assert load_error(own / ".hidden").startswith(
        f"{own / '.hidden'}: the folder of prompts cannot be read: Not a directory."
    )


def test_a_missing_bundled_prompt_is_an_error(bundled: Path) -> None:
    """The error names the prompt and the repair of the installation."""
    (bundled / "rank.md").unlink()

    assert (
        "the prompt 'rank' did not come with this installation.\n"
        f"  It was looked for in {bundled}.\n"
        "  Try: pip install --force-reinstall unillmrec"
    ) == load_error()


def test_bundled_prompts_are_checked_too(bundled: Path) -> None:
    """Against their contracts, like those of a user."""
    (bundled / "rank.md").write_text("Rank.\n---\n$profile")

    assert "missing $choices." in load_error()


@pytest.mark.usefixtures("bundled")
def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    """The error has all names."""
    with pytest.raises(PromptError) as caught:
        PromptSet.load(CONTRACTS)["rnak"]

    assert (
        "there is no prompt 'rnak'. The nearest is 'rank'.\n  The prompts are choose, rank."
    ) == str(caught.value)


@pytest.mark.usefixtures("bundled")
def test_checking_reports_every_problem(own: Path) -> None:
    """All problems of a folder are listed, and none for a good one."""
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
def test_exported_prompts_equal_the_bundled_ones(tmp_path: Path) -> None:
    """An export creates the folder, copies each file unchanged, and can be used at once."""
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
    """An existing file is named in the error, and nothing is written."""
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
def test_a_failed_export_leaves_no_files(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the second file cannot be written, the first is removed."""
    write_bytes = Path.write_bytes

    def full(file: Path, content: bytes) -> int:
        if "rank" in file.name:
            raise OSError(28, "No space left on device", str(file))
        return write_bytes(file, content)

    monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(PromptError, match="the prompts cannot be written: No space left on device"):
        PromptSet.load(CONTRACTS).export(own)
    assert [] == list(own.iterdir())


def test_a_checkout_has_its_prompts_beside_the_package() -> None:
    """Without a copy inside the package, that folder is used."""
    assert Path(prompts.__file__).parents[1] / "prompts" == bundled_folder()


@pytest.mark.parametrize("zipped", [False, True])
def test_an_installed_package_contains_its_prompts(tmp_path: Path, zipped: bool) -> None:
    """They are read from the package, also if it is a zip file."""
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
def test_blocks_can_be_swapped(bundled: Path, first: str, expected: str) -> None:
    """The named block comes first; text outside of blocks keeps its position."""
    assert ("Say.", expected) == loaded(bundled, BLOCKS).fill(first, a="$b", b="2", limit="7")


def test_a_prompt_without_block_marks_is_unchanged(bundled: Path) -> None:
    """Other comments in it are ordinary text."""
    prompt = loaded(bundled, "Say.\n---\n<!-- note -->\nA $a\n\n\nB $b $limit")

    assert "<!-- note -->\nA 1\n\n\nB 2 7" == prompt.fill("b", a="1", b="2", limit="7")[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<!-- a -->\n$a\n<!-- b -->\nb\n<!-- end -->\n$b $limit", "the block 'b' needs $b"),
        ("<!-- a -->\n$a\n<!-- a -->\n$a $b $limit", "the block 'a' needs $a, and is there once"),
        ("<!-- a -->\n$a\n<!-- b -->\n$b $a $limit", "$a is outside of its block"),
        ("$a\n<!-- a -->\n$a\n<!-- b -->\n$b $limit", "$a is outside of its block"),
    ],
)
def test_malformed_blocks_are_refused(bundled: Path, text: str, problem: str) -> None:
    """The error names the file and the problem, and explains the marks."""
    with pytest.raises(PromptError) as caught:
        loaded(bundled, f"Say.\n---\n{text}")

    assert caught.value.problem.startswith(f"{bundled / 'rank.md'}: {problem}")
    assert "<!-- end -->" in caught.value.detail
