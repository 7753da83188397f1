from tests.cli.conftest import names_in
from unillmrec.cli.settings.command import FIELDS

KEY = "sk-abcdefghijklmnopqrstuvwxyz"


def test_shows_values_and_where_they_come_from(run, monkeypatch, tmp_path):
    """Every setting has a line; a key is never shown in part."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (tmp_path / "unillmrec.toml").write_text('model = "qwen3:8b"\ntimeout_seconds = 12.5\n')

    ended = run("settings")
    lines = [line.split() for line in ended.out.splitlines()]

    assert 0 == ended.code
    assert ["model", "qwen3:8b", "unillmrec.toml"] in lines
    assert ["timeout_seconds", "12.5", "unillmrec.toml"] in lines
    assert ["api_key", "set,", "29", "characters", "OPENAI_API_KEY"] in lines
    assert "With these settings, qwen3:8b is asked.\n" in ended.out
    assert KEY[:6] not in ended.out + run("settings", "--json").out


def test_json_has_the_fields_it_promises(run):
    """The JSON is one object with the fields of the help."""
    result = run("settings", "--json").json

    assert names_in(FIELDS) == sorted(result)
    assert {"name": "judge", "value": "auto", "origin": "default", "problem": None} in (
        result["settings"]
    )
    assert not result["has_endpoint"]


def test_says_what_will_not_work(run, monkeypatch):
    """Problems stand below the table, and what follows from all of it."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8080")
    monkeypatch.setenv("UNILLMREC_MODLE", "x")

    out = run("settings").out

    assert "base_url: there is no path in it; most servers answer under /v1\n" in out
    assert "UNILLMREC_MODLE: no setting reads this variable." in out
    assert "With these settings, no language model is asked.\n" in out


def test_a_broken_settings_file_is_named(run, tmp_path):
    """An unusable value is an error with the line it stands on."""
    (tmp_path / "unillmrec.toml").write_text('\nmodle = "x"\n')

    ended = run("settings")

    assert 3 == ended.code
    assert "unillmrec.toml:2: there is no setting 'modle'. The nearest is 'model'." in ended.err
