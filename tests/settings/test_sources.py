from pathlib import Path

import pytest

from unillmrec.errors import SettingsError
from unillmrec.settings import Settings

OTHERS = (
    "base_url, model, model_file, judge, ask, endpoint_memory, embed_model, prompts, usage_log, "
    "timeout_seconds, concurrency, extra_body, prices"
)
WHERE = "  Try: `unillmrec settings`, which shows every value and where it is from."


def problem_of(folder: Path, text: str | bytes) -> str:
    content = text.encode() if isinstance(text, str) else text
    (folder / "unillmrec.toml").write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        Settings.resolve(environment={}, directory=folder)
    return str(caught.value)


def test_an_unknown_name_is_an_error_with_the_nearest(tmp_path: Path) -> None:
    """The error has the line of the name, the nearest name and all names."""
    actual = problem_of(tmp_path, '# ours\nmodle = "llama-3"\n')

    assert (
        "unillmrec.toml:2: there is no setting 'modle'. The nearest is 'model'.\n"
        f"  The settings are {OTHERS}.\n"
        "  Try: correct the name, or take it out."
    ) == actual


@pytest.mark.parametrize(
    "text",
    [
        'api_key = "sk-secret"',
        'OPENAI_API_KEY = "sk-secret"',
        'apikey = "sk-secret"',
        '[extra_body]\napi-key = "sk-secret"',
        'endpoint = { api_key = "sk-secret" }',
    ],
)
def test_a_key_in_the_file_is_refused(tmp_path: Path, text: str) -> None:
    """The error gives the reason and quotes nothing of the key."""
    actual = problem_of(tmp_path, text)

    assert actual == (
        "unillmrec.toml:1: a key cannot be given in a settings file.\n"
        "  Such files are copied, shown and committed.\n"
        "  Try: take it out, and export OPENAI_API_KEY=…"
    )


def test_a_key_as_a_flag_is_refused() -> None:
    """The error gives the reason and quotes nothing of the key."""
    with pytest.raises(SettingsError) as caught:
        Settings.resolve({"api_key": "sk-secret"}, environment={})

    assert (
        "the key cannot be given on the command line.\n"
        "  Others can see the commands that run, and the shell keeps them on disk.\n"
        "  Try: export OPENAI_API_KEY=…"
    ) == str(caught.value)


def test_an_unknown_flag_is_a_programming_mistake() -> None:
    """It is not an error of the user."""
    with pytest.raises(TypeError, match="there are no flags for \\['extra_body', 'modle'\\]"):
        Settings.resolve({"modle": "x", "extra_body": {}, "judge": None}, environment={})


def test_a_wrong_type_is_an_error_with_its_line(tmp_path: Path) -> None:
    """A number in quotes is refused with the file, line, value and expected type."""
    actual = problem_of(tmp_path, 'model = "x"\n\ntimeout_seconds = "60"\n')

    assert (
        "unillmrec.toml:3: timeout_seconds is '60'.\n"
        f"  Expected a number of seconds above 0, up to 1,000,000.\n{WHERE}"
    ) == actual


@pytest.mark.parametrize(
    ("flags", "environment", "expected"),
    [
        ({}, {"UNILLMREC_JUDGE": "llm"}, "UNILLMREC_JUDGE: judge is 'llm'."),
        ({"judge": "llm"}, {}, "--judge: judge is 'llm'."),
        ({}, {"UNILLMREC_CONCURRENCY": "many"}, "UNILLMREC_CONCURRENCY: concurrency is 'many'."),
        (
            {"base_url": "ann:secret@host"},
            {},
            "--base-url: base_url is …@host.",
        ),
        ({}, {"OPENAI_API_KEY": "sk-geheim ü"}, "OPENAI_API_KEY: api_key is set, 11 characters."),
    ],
)
def test_an_error_quotes_the_origin_and_no_secret(
    flags: dict[str, object], environment: dict[str, str], expected: str, tmp_path: Path
) -> None:
    """The flag or variable is named, and its value unless it contains a secret."""
    with pytest.raises(SettingsError) as caught:
        Settings.resolve(flags, environment, tmp_path)

    assert expected == caught.value.problem
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"model = llama\n", "unillmrec.toml: the settings file is not TOML: Invalid value"),
        (b"model = '\xff'\n", "unillmrec.toml: the settings file cannot be read: it is not UTF-8"),
    ],
)
def test_a_broken_file_is_an_error(tmp_path: Path, content: bytes, expected: str) -> None:
    """A file that is not TOML or not UTF-8 is named with the problem."""
    assert problem_of(tmp_path, content).startswith(expected)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """The error names the variable that names the file."""
    with pytest.raises(SettingsError) as caught:
        Settings.resolve(environment={"UNILLMREC_SETTINGS": "shop.toml"}, directory=tmp_path)

    assert (
        "shop.toml: the settings file cannot be read: No such file or directory.\n"
        "  It was named by UNILLMREC_SETTINGS."
    ) == str(caught.value)


def test_a_named_file_replaces_the_one_in_the_folder(tmp_path: Path) -> None:
    """Relative paths in it start in its own folder."""
    (tmp_path / "unillmrec.toml").write_text('model = "here"')
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "ours.toml").write_text('model = "there"\nprompts = "prompts"')

    actual = Settings.resolve(
        environment={"UNILLMREC_SETTINGS": "shop/ours.toml"}, directory=tmp_path
    )

    assert "there" == actual.model
    assert tmp_path / "shop" / "prompts" == actual.prompts
    assert "shop/ours.toml" == actual.origin("model")


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    """Some editors write one at the start of a UTF-8 file."""
    (tmp_path / "unillmrec.toml").write_bytes(b'\xef\xbb\xbfmodel = "llama-3"')

    assert "llama-3" == Settings.resolve(environment={}, directory=tmp_path).model
