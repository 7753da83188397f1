"""Serving a model file to the endpoint, with a fake server in place of the engine."""

import sys
from pathlib import Path

import pytest

from tests.local.test_gguf import SMALL, gguf
from unillmrec.endpoint import Message, Request
from unillmrec.errors import MissingExtraError, SettingsError
from unillmrec.judge.from_settings import build_endpoint, endpoint_host, find_price, uses_letters
from unillmrec.local import engine
from unillmrec.local.gguf import read_gguf
from unillmrec.settings import Settings
from unillmrec.testing import FakeServer
from unillmrec.usage import Stage


@pytest.fixture(autouse=True)
def no_engine_is_left():
    yield
    engine.stop_engines()


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "small.gguf"
    path.write_bytes(gguf(*SMALL))
    return path


class Launched:
    """Launches fake servers, and keeps the plans."""

    def __init__(self, address):
        self.address, self.plans = address, []

    def __call__(self, plan):
        self.plans.append(plan)
        return self

    @property
    def listening_address(self):
        return self.address


@pytest.fixture
def launched(monkeypatch):
    with FakeServer() as server:
        fake = Launched(server.base_url.removesuffix("/v1"))
        monkeypatch.setattr(engine.start_engine, "__defaults__", (fake,))
        yield fake


def resolve(path, tmp_path, **environment):
    return Settings.resolve({"model_file": path}, environment, tmp_path)


def test_a_model_file_is_asked_through_the_endpoint(model_file, launched, tmp_path):
    """The engine's address and key reach the client; the user's key does not reach the engine."""
    settings = resolve(model_file, tmp_path, OPENAI_API_KEY="sk-of-the-user-123")

    with build_endpoint(settings, settings.model) as endpoint:
        reply = endpoint.complete(Request(Stage.RANK, (Message("user", "hello"),), 20))

    (plan,) = launched.plans
    assert reply.text
    assert "small" == endpoint.model
    assert len(plan.key) >= 40
    assert "sk-of-the-user-123" != plan.key


def test_one_engine_serves_everybody(model_file, launched, tmp_path):
    """However many endpoints are opened, the file is loaded once."""
    settings = resolve(model_file, tmp_path)

    for _ in range(3):
        build_endpoint(settings, "small").close()

    assert 1 == len(launched.plans)


def test_answers_are_kept_under_a_name_that_does_not_change(model_file, launched, tmp_path):
    """The address is another one in each process; the identity is that of the file."""
    settings = resolve(model_file, tmp_path)
    with build_endpoint(settings, "small") as endpoint:
        one = endpoint.identity
    engine.stop_engines()
    launched.address = "http://127.0.0.1:1"

    with build_endpoint(settings, "small") as endpoint:
        assert one == endpoint.identity

    model_file.write_bytes(gguf(*SMALL, *SMALL))
    engine.stop_engines()
    with build_endpoint(settings, "small") as endpoint:
        assert one != endpoint.identity


def test_the_settings_of_a_model_file(tmp_path):
    """It needs neither a model nor an address, is asked one call at a time, and by letters."""
    settings = resolve(tmp_path / "qwen.gguf", tmp_path, UNILLMREC_MODEL="gpt-4o")

    assert settings.has_endpoint
    assert ("qwen", 1, 600.0) == (settings.model, settings.concurrency, settings.timeout_seconds)
    assert "--model-file" == settings.origin("model")
    assert uses_letters(settings)
    assert engine.HOST == endpoint_host(settings)
    assert find_price(settings) is None


def test_the_settings_say_that_the_file_is_missing(tmp_path):
    """`unillmrec settings` shows the problem before a command is started."""
    settings = resolve(tmp_path / "qwen.gguf", tmp_path)

    assert ["there is no such file"] == [
        each.problem for each in settings.explain() if each.name == "model_file"
    ]


def test_an_embedding_model_is_asked_at_its_own_address(model_file, launched, tmp_path):
    """The model file answers questions; another model stays where it is."""
    settings = resolve(model_file, tmp_path, OPENAI_BASE_URL="http://localhost:9/v1")

    with build_endpoint(settings, "embedder") as endpoint:
        assert "http://localhost:9/v1" == endpoint.base_url
    assert [] == launched.plans


def test_the_context_is_as_long_as_the_model_and_the_memory_allow(model_file):
    """Memory for the context is halved before the file is refused."""
    file = read_gguf(model_file)

    assert 8192 == engine.fitting_context(file, None)
    assert 8192 == engine.fitting_context(file, engine.memory_needed(file, 8192))
    assert 4096 == engine.fitting_context(file, engine.memory_needed(file, 8192) - 1)
    with pytest.raises(SettingsError, match=r"needs about 0\.4 GB of memory, and 0\.0 GB are free"):
        engine.fitting_context(file, 1_000)


def test_a_missing_package_is_named(model_file, tmp_path, monkeypatch):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "xllamacpp", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'unillmrec\[local\]'"):
        build_endpoint(resolve(model_file, tmp_path), "small")


def test_an_old_processor_is_refused(model_file, monkeypatch):
    """Otherwise the process would end with an illegal instruction."""
    monkeypatch.setattr(engine.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "flags : fpu sse sse2")

    with pytest.raises(SettingsError, match="no AVX2"):
        engine.launch_server(engine.EnginePlan(read_gguf(model_file), 4096, 1, "k"))
