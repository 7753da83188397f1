from dataclasses import replace

import pytest

from unillmrec.endpoint import Reply, RequestStyle
from unillmrec.endpoint.capabilities.capability_store import Capabilities, CapabilityStore
from unillmrec.errors import PromptError, SettingsError
from unillmrec.judge import (
    Choice,
    EstimatingJudge,
    Interest,
    LanguageModelJudge,
    Profile,
    Question,
    SimilarityJudge,
)
from unillmrec.judge.from_settings import build_endpoint, build_writer
from unillmrec.judge.registry import AT_ONCE, build_estimating_judge, build_judge
from unillmrec.settings import Settings
from unillmrec.store import ROOT
from unillmrec.testing import ScriptedEndpoint
from unillmrec.usage import Stage, Usage

LOCAL = Settings(base_url="http://127.0.0.1:9/v1", model="m")
KEYED = Settings(api_key="sk-1", model="m", origins={"api_key": "OPENAI_API_KEY"})


@pytest.mark.parametrize(
    ("settings", "choice", "kind"),
    [
        (Settings(), None, SimilarityJudge),
        (Settings(model="m"), None, SimilarityJudge),
        (Settings(api_key="sk-1"), None, SimilarityJudge),
        (LOCAL, None, LanguageModelJudge),
        (KEYED, None, LanguageModelJudge),
        (LOCAL, "endpoint", LanguageModelJudge),
        (LOCAL, "embedded", SimilarityJudge),
        (Settings(base_url=LOCAL.base_url, model="m", judge="embedded"), None, SimilarityJudge),
        (
            Settings(base_url=LOCAL.base_url, model="m", judge="embedded"),
            "auto",
            LanguageModelJudge,
        ),
    ],
)
def test_the_settings_decide_which_judge_answers(tree, settings, choice, kind):
    """ "auto" asks a model if one is configured; the caller's choice overrides the settings."""
    assert kind is type(build_judge(tree, settings, choice=choice))


@pytest.mark.parametrize("settings", [Settings(), Settings(model="m"), Settings(api_key="sk-1")])
def test_a_required_model_must_be_configured(tree, settings):
    """Without a model or an endpoint there is an error, and no other judge."""
    with pytest.raises(SettingsError):
        build_judge(tree, settings, choice="endpoint")


def test_the_judge_is_named_after_model_and_host(tree):
    """The name in every output says which model answers, and where."""
    assert "m at 127.0.0.1:9" == build_judge(tree, LOCAL).name


def test_the_wrapped_endpoint_is_asked(tree):
    """*wrap* gets the endpoint and returns the one that the judge asks."""
    wrapped = []

    def wrap(endpoint):
        wrapped.append(endpoint)
        return ScriptedEndpoint([], model="other", name="elsewhere")

    judge = build_judge(tree, LOCAL, wrap=wrap)

    assert "other at elsewhere" == judge.name
    assert ["m"] == [endpoint.model for endpoint in wrapped]


def test_concurrency_limits_the_walk(tree):
    """A walk asks a few questions in parallel, but never more than the concurrency limit."""
    few = Settings(base_url=LOCAL.base_url, model="m", concurrency=2)

    assert (AT_ONCE, 2) == (build_judge(tree, LOCAL).at_once, build_judge(tree, few).at_once)


def test_an_estimate_walks_like_a_model(tree):
    """It asks as many questions in parallel as the model would be asked."""
    judge = build_estimating_judge(tree, LOCAL)

    assert isinstance(judge, EstimatingJudge)
    assert build_judge(tree, LOCAL).at_once == judge.at_once


def test_errors_can_say_where_the_key_is_from(tree):
    """The endpoint gets the key under the name of its variable."""
    plain = Settings(base_url="http://far.example/v1", api_key="sk-1", model="m")

    with pytest.raises(Exception, match="the key from OPENAI_API_KEY would be sent unencrypted"):
        build_endpoint(plain, "m")


def test_own_prompts_are_checked_before_anything_is_asked(tree, tmp_path):
    """An unusable prompt is an error when the judge is built."""
    (tmp_path / "rank.md").write_text("nothing")

    with pytest.raises(PromptError):
        build_judge(tree, Settings(base_url=LOCAL.base_url, model="m", prompts=tmp_path))


def remember(tmp_path, settings, **known):
    """Store capabilities as doctor would."""
    path = tmp_path / "endpoints.json"
    CapabilityStore(path, settings.base_url, "m").write(Capabilities(**known))
    return replace(settings, endpoint_memory=path)


def branches(tree):
    """Ask about the branches below the root."""
    children = tree.children(ROOT)[:20]
    choices = tuple(Choice(n, "a line", child.id) for n, child in enumerate(children, start=1))
    return Question("choose", Stage.RECALL, Profile((Interest("x", 1.0),)), choices, 1)


LABELS = RequestStyle(labels=True)


@pytest.mark.parametrize(
    ("style", "ask", "by_letters"),
    [
        (LABELS, "auto", True),
        (LABELS, "schema", False),
        (LABELS, "text", False),
        (RequestStyle(labels=False), "auto", False),
        (RequestStyle(labels=False), "labels", True),
        (RequestStyle(), "auto", False),
    ],
)
def test_letters_are_used_where_they_work_or_are_requested(tree, tmp_path, style, ask, by_letters):
    """doctor's result is used, the user's setting overrides it, and plans agree with runs."""
    settings = replace(remember(tmp_path, LOCAL, style=style), ask=ask)

    assert by_letters == build_judge(tree, settings).asks_by_letters
    question = branches(tree)
    planned = build_estimating_judge(tree, settings).choose(question).usage
    assert by_letters == (planned.estimated_completion == 1)


@pytest.mark.parametrize(("digest", "used"), [("its own", True), ("of another", False)])
def test_a_bias_belongs_to_the_prompt_it_was_measured_with(tree, tmp_path, digest, used):
    """A user's own prompt may have another bias, so none is corrected."""
    own = build_writer(LOCAL).prompts["label"].digest
    prompt = own if used else digest
    settings = remember(
        tmp_path, LOCAL, style=LABELS, label_bias={"A": 0.9, "B": 0.1}, label_prompt=prompt
    )
    reply = Reply("A", Usage(1), "labels", "length", None, 0.0, shares=(("A", 0.6), ("B", 0.4)))
    judge = build_judge(tree, settings, wrap=lambda endpoint: ScriptedEndpoint([reply]))
    choices = (Choice(1, "a", 1), Choice(2, "b", 2))
    profile = Profile((Interest("x", 1.0),))

    verdict = judge.choose(Question("choose", Stage.RECALL, profile, choices, 1))

    assert (2 if used else 1) == verdict.shares[0][0]


def test_nothing_is_stored_where_the_memory_is_off(tree, tmp_path):
    """Every process then finds out for itself."""
    settings = replace(LOCAL, endpoint_memory="off")

    with build_endpoint(settings, "m") as endpoint:
        assert endpoint.capabilities.path is None
    with build_endpoint(LOCAL, "m") as endpoint:
        assert tmp_path / "state" / "unillmrec" / "endpoints.json" == endpoint.capabilities.path
