import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from unillmrec import settings
from unillmrec.errors import SettingsError
from unillmrec.settings import Setting, Settings

KEY = "sk-" + "x" * 48


def test_every_setting_has_a_default(tmp_path: Path) -> None:
    """With nothing set, the origin of every setting is "default"."""
    actual = Settings.resolve({}, {}, tmp_path)

    assert Settings() == actual
    assert {"default"} == {setting.origin for setting in actual.explain()}


@pytest.mark.parametrize("present", [*itertools.product([False, True], repeat=3)])
def test_a_flag_overrides_a_variable_overrides_the_file(
    present: tuple[bool, bool, bool], tmp_path: Path
) -> None:
    """The first source in this order provides the value and is its origin."""
    flag, variable, file = present
    if file:
        (tmp_path / "unillmrec.toml").write_text('model = "from-file"')
    flags = {"model": "from-flag" if flag else None}
    environment = {"UNILLMREC_MODEL": "from-variable"} if variable else {}
    order = [
        (flag, "from-flag", "--model"),
        (variable, "from-variable", "UNILLMREC_MODEL"),
        (file, "from-file", "unillmrec.toml"),
        (True, None, "default"),
    ]
    expected = next((value, origin) for given, value, origin in order if given)

    actual = Settings.resolve(flags, environment, tmp_path)

    assert expected == (actual.model, actual.origin("model"))


def test_every_setting_can_come_from_its_variable(tmp_path: Path) -> None:
    """Each variable sets its setting, with the right type."""
    environment = {
        "OPENAI_BASE_URL": "http://localhost:8080/v1",
        "OPENAI_API_KEY": KEY,
        "UNILLMREC_MODEL": "llama-3",
        "UNILLMREC_JUDGE": "endpoint",
        "UNILLMREC_EMBED_MODEL": "nomic",
        "UNILLMREC_PROMPTS": "prompts",
        "UNILLMREC_USAGE_LOG": "off",
        "UNILLMREC_TIMEOUT_SECONDS": "2.5",
        "UNILLMREC_CONCURRENCY": "4",
    }

    actual = Settings.resolve({}, environment, tmp_path)

    expected = Settings(
        base_url="http://localhost:8080/v1",
        api_key=KEY,
        model="llama-3",
        judge="endpoint",
        embed_model="nomic",
        prompts=Path("prompts"),
        usage_log="off",
        timeout_seconds=2.5,
        concurrency=4,
    )
    assert expected == actual
    assert set(environment) == set(actual.origins.values())


def test_every_setting_but_the_key_can_come_from_the_file(tmp_path: Path) -> None:
    """The file sets each setting with the right type, and the table of extra fields."""
    (tmp_path / "unillmrec.toml").write_text(
        """
base_url = "http://localhost:8080/v1"
model = "llama-3"
judge = "embedded"
embed_model = "nomic"
prompts = "prompts"
usage_log = "usage.jsonl"
timeout_seconds = 30
concurrency = 2

[extra_body]
top_k = 20
options = { num_ctx = 8192 }
"""
    )

    actual = Settings.resolve({}, {}, tmp_path)

    expected = Settings(
        base_url="http://localhost:8080/v1",
        model="llama-3",
        judge="embedded",
        embed_model="nomic",
        prompts=tmp_path / "prompts",
        usage_log=tmp_path / "usage.jsonl",
        timeout_seconds=30.0,
        concurrency=2,
        extra_body={"top_k": 20, "options": {"num_ctx": 8192}},
    )
    assert expected == actual


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    """The value comes from the next source."""
    (tmp_path / "unillmrec.toml").write_text('model = "from-file"')
    environment = {"UNILLMREC_MODEL": " ", "UNILLMREC_SETTINGS": "", "OPENAI_API_KEY": ""}

    actual = Settings.resolve({}, environment, tmp_path)

    assert ("from-file", None) == (actual.model, actual.api_key)


def test_the_process_provides_environment_and_folder_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its variables and the settings file in its working directory are used."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UNILLMREC_SETTINGS", raising=False)
    monkeypatch.setenv("UNILLMREC_MODEL", "from-variable")
    Path("unillmrec.toml").write_text("concurrency = 3")

    actual = Settings.resolve()

    assert ("from-variable", 3) == (actual.model, actual.concurrency)


def test_settings_are_immutable() -> None:
    """Assigning to a field is an error."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().model = "other"


def test_every_setting_is_explained(tmp_path: Path) -> None:
    """With its value, its origin and its problem."""
    (tmp_path / "unillmrec.toml").write_text('judge = "endpoint"\nextra_body = { top_k = 20 }')
    environment = {
        "OPENAI_BASE_URL": "http://ann:secret@models.example.org",
        "OPENAI_API_KEY": KEY,
        "UNILLMREC_MODLE": "llama-3",
        "UNILLMREC_USAGE_LOG": "off",
        "UNRELATED": "x",
    }

    actual = Settings.resolve({"concurrency": 2, "prompts": "none"}, environment, tmp_path)

    assert [
        Setting(
            "base_url",
            "http://…@models.example.org",
            "OPENAI_BASE_URL",
            "there is no path in it; most servers answer under /v1; "
            "the key travels to it unencrypted; use https",
        ),
        Setting("api_key", "set, 51 characters", "OPENAI_API_KEY"),
        Setting("model", "not set", "default", "the endpoint is not asked without one"),
        Setting("model_file", "not set", "default"),
        Setting(
            "judge", "endpoint", "unillmrec.toml", "needs a model (UNILLMREC_MODEL or --model)"
        ),
        Setting("ask", "auto", "default"),
        Setting("endpoint_memory", "not set", "default"),
        Setting("embed_model", "not set", "default"),
        Setting("prompts", "none", "--prompts", "there is no such folder"),
        Setting("usage_log", "off", "UNILLMREC_USAGE_LOG"),
        Setting("timeout_seconds", "60.0", "default"),
        Setting("concurrency", "2", "--concurrency"),
        Setting("extra_body", '{"top_k": 20}', "unillmrec.toml"),
        Setting("prices", "none", "default"),
        Setting(
            "UNILLMREC_MODLE",
            "ignored",
            "environment",
            "no setting reads this variable. The nearest is 'UNILLMREC_MODEL'.",
        ),
    ] == actual.explain()


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:8080/v1",
        "http://127.0.0.1/v1",
        "http://[::1]/v1",
        "https://example.org/v1",
    ],
)
def test_a_local_or_encrypted_address_is_no_problem(address: str) -> None:
    """A key may be sent in plain text to this machine, and over https anywhere."""
    shown = Settings(base_url=address, api_key=KEY, model="x").explain()

    assert [] == [setting for setting in shown if setting.problem]


def test_a_usage_log_needs_its_folder(tmp_path: Path) -> None:
    """A log in a missing folder is reported as a problem."""
    problems = {s.name: s.problem for s in Settings(usage_log=tmp_path / "no" / "log").explain()}

    assert f"there is no folder {tmp_path / 'no'}" == problems["usage_log"]


def test_the_key_is_never_shown(tmp_path: Path) -> None:
    """No printed form of the settings contains the key or a part of it."""
    actual = Settings.resolve({}, {"OPENAI_API_KEY": KEY}, tmp_path)

    printed = f"{actual} {actual!r} {actual.explain()} {[actual]}"

    assert KEY == actual.api_key
    assert "sk-" not in printed
    assert "api_key: set, 51 characters" in printed


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            Settings(),
            "asking a language model needs a model (UNILLMREC_MODEL or --model) and an endpoint "
            "(OPENAI_BASE_URL or --base-url, or OPENAI_API_KEY).",
        ),
        (
            Settings(model="llama-3"),
            "asking a language model needs an endpoint "
            "(OPENAI_BASE_URL or --base-url, or OPENAI_API_KEY).",
        ),
        (
            Settings(api_key=KEY),
            "asking a language model needs a model (UNILLMREC_MODEL or --model).",
        ),
    ],
)
def test_missing_settings_for_a_model_are_named(given: Settings, expected: str) -> None:
    """Each is named with the variable that sets it."""
    with pytest.raises(SettingsError) as caught:
        given.require_endpoint()

    assert expected == caught.value.problem
    assert "The judge is 'auto' (default)." == caught.value.detail
    assert not given.has_endpoint


@pytest.mark.parametrize(
    "given",
    [
        Settings(model="llama-3", base_url="http://localhost:8080/v1"),
        Settings(model="gpt-5", api_key=KEY),
    ],
)
def test_a_model_and_an_address_or_a_key_are_enough(given: Settings) -> None:
    """A local server needs no key, and OpenAI no address."""
    given.require_endpoint()

    assert given.has_endpoint


def test_resolving_loads_the_standard_library_only() -> None:
    """There is no heavy import, and no TOML reader without a file."""
    code = (
        "import sys; from unillmrec.settings import Settings; Settings.resolve(environment={}); "
        "print([m for m in ('pydantic', 'openai', 'typer', 'tomllib') if m in sys.modules])"
    )
    root = Path(settings.__file__).parents[2]

    actual = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )

    assert "[]\n" == actual.stdout
