import pytest

from unillmrec.errors import PromptError, SettingsError
from unillmrec.judge import EstimatingJudge, LanguageModelJudge, SimilarityJudge
from unillmrec.judge.making import AT_ONCE, make_endpoint, make_estimating_judge, make_judge
from unillmrec.settings import Settings
from unillmrec.testing import ScriptedEndpoint

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
def test_the_judge_is_what_the_settings_allow(tree, settings, choice, kind):
    """auto asks a model where one can be asked; a choice of the caller's wins."""
    assert kind is type(make_judge(tree, settings, choice=choice))


@pytest.mark.parametrize("settings", [Settings(), Settings(model="m"), Settings(api_key="sk-1")])
def test_a_model_that_is_demanded_must_be_set(tree, settings):
    """Without a model or an endpoint there is an error, and no other judge."""
    with pytest.raises(SettingsError):
        make_judge(tree, settings, choice="endpoint")


def test_the_judge_is_named_after_model_and_host(tree):
    """The name in every output says which model answers, and where."""
    assert "m at 127.0.0.1:9" == make_judge(tree, LOCAL).name


def test_what_stands_in_for_the_endpoint_is_asked(tree):
    """*wrap* gets the endpoint and returns what the judge asks."""
    wrapped = []

    def wrap(endpoint):
        wrapped.append(endpoint)
        return ScriptedEndpoint([], model="other", name="elsewhere")

    judge = make_judge(tree, LOCAL, wrap=wrap)

    assert "other at elsewhere" == judge.name
    assert ["m"] == [endpoint.model for endpoint in wrapped]


def test_concurrency_bounds_the_walk(tree):
    """A walk takes steps of a few questions, never of more than may be in flight."""
    few = Settings(base_url=LOCAL.base_url, model="m", concurrency=2)

    assert (AT_ONCE, 2) == (make_judge(tree, LOCAL).at_once, make_judge(tree, few).at_once)


def test_an_estimate_walks_like_a_model(tree):
    """What is planned takes steps of the same size as what is done."""
    judge = make_estimating_judge(tree, LOCAL)

    assert isinstance(judge, EstimatingJudge)
    assert make_judge(tree, LOCAL).at_once == judge.at_once


def test_errors_can_say_where_the_key_is_from(tree):
    """The key goes to the endpoint under the name of its variable."""
    plain = Settings(base_url="http://far.example/v1", api_key="sk-1", model="m")

    with pytest.raises(Exception, match="the key from OPENAI_API_KEY would travel unencrypted"):
        make_endpoint(plain, "m")


def test_own_prompts_are_checked_before_anything_is_asked(tree, tmp_path):
    """A prompt that cannot be used is an error of the judge's making."""
    (tmp_path / "rank.md").write_text("nothing")

    with pytest.raises(PromptError):
        make_judge(tree, Settings(base_url=LOCAL.base_url, model="m", prompts=tmp_path))
