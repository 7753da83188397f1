from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import trees
from unillmrec.planning.plan import Interval, Plan, PlanLine
from unillmrec.planning.planner import Planner, plan_recommendation, plan_recommendations
from unillmrec.prices import Price
from unillmrec.settings import Settings
from unillmrec.stages import Options, Person
from unillmrec.store import ItemTree
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage, Usage
from unillmrec.usage_log import Calibration, StageCalibration

FOREIGN = TokenCounter.for_model("llama-3")
OURS = TokenCounter.for_model("gpt-4o-mini")
ASKED = {
    Stage.PROFILE: Usage(1, None, None, None, None, 300, 200),
    Stage.RECALL: Usage(5, None, None, None, None, 3_000, 500),
}
CALIBRATION = StageCalibration(9, 1.25, 0.1, 0.1, 50, 0.0, (1.0, 2.0, 4.0))


def calibration(known: StageCalibration = CALIBRATION) -> Calibration:
    return Calibration(dict.fromkeys(map(str, ASKED), known))


@pytest.fixture
def tree(tmp_path_factory) -> ItemTree:
    folder = tmp_path_factory.getbasetemp() / "trees"
    folder.mkdir(exist_ok=True)
    with trees.tree(folder) as opened:
        yield opened


def spans(plan: Plan) -> Sequence[Interval]:
    lines = [*plan.lines.values(), plan.total]
    found = [s for line in lines for s in (line.calls, line.prompt, line.completion, line.tokens)]
    return [*found, *(each for line in lines for each in (line.seconds, line.cost) if each)]


@pytest.mark.parametrize("known", [Calibration(), calibration()])
@pytest.mark.parametrize("counter", [FOREIGN, OURS])
def test_the_likely_value_is_in_the_interval(known, counter):
    """This holds for every quantity, with past calls and without."""
    plan = Planner("m", counter, known, Price(1, 2, 0.5)).plan(ASKED)

    assert all(0 <= each.low <= each.likely <= each.high for each in spans(plan))


def test_without_past_calls_the_counter_sets_the_interval():
    """A count in the model's own vocabulary has a narrower interval than one in another."""
    ours, foreign = (
        Planner("m", each).plan(ASKED).lines[Stage.PROFILE] for each in (OURS, FOREIGN)
    )

    assert ("exact", "estimate") == (ours.counted, foreign.counted)
    assert Interval(300, 294, 306) == ours.prompt
    assert Interval(300, 270, 405) == foreign.prompt
    assert (200, None, None) == (foreign.completion.likely, foreign.seconds, foreign.cost)


def test_past_calls_calibrate_tokens_and_time():
    """Prompts scale by the ratio, replies by the share of their limit, time by the waits."""
    plan = Planner("m", FOREIGN, calibration()).plan(ASKED, {Stage.PROFILE: 1, Stage.RECALL: 2})

    profile, recall = plan.lines.values()
    assert "calibrated(9)" == profile.counted
    assert 375 == pytest.approx(profile.prompt.likely)
    assert 200 * 3 * 0.1 == pytest.approx(profile.completion.likely)
    assert (2.0, 4.0) == (profile.seconds.likely, recall.seconds.likely)


def test_plans_include_retries():
    """A model with many unusable replies costs more."""
    more = StageCalibration(9, 1.0, 0.1, 0.1, 50, 0.0, (1.0, 1.0, 1.0), overhead=1.5)

    plan = Planner("m", FOREIGN, calibration(more)).plan(ASKED)

    assert 450 == pytest.approx(plan.lines[Stage.PROFILE].prompt.likely)


def test_many_prompts_are_less_uncertain_than_one():
    """Their errors cancel out; the uncertainty of the walk stays."""
    planner = Planner("m", FOREIGN, calibration())
    one, many = (
        planner.plan({Stage.PROFILE: Usage(n, None, None, None, None, 100 * n, n)}).total.prompt
        for n in (1, 100)
    )

    assert many.high / many.likely < one.high / one.likely


def test_the_cost_is_known_if_the_price_is():
    """Cached tokens are cheaper; an unknown price is noted."""
    cached = StageCalibration(9, 1.0, 0.1, 0.1, 50, 0.5, (1.0, 1.0, 1.0))
    asked = {Stage.PROFILE: Usage(1, None, None, None, None, 1_000_000, 0)}

    plan = Planner("m", FOREIGN, calibration(cached), Price(2, 4, cached=1)).plan(asked)
    unknown = Planner("m", FOREIGN).plan(asked)

    assert ("USD", 1.5) == (plan.currency, plan.total.cost.likely)
    assert (None, None) == (unknown.total.cost, unknown.as_dict()["total"]["cost"])
    assert any("What m costs is not known" in each for each in unknown.notes)


def test_the_total_is_the_sum_of_the_stages():
    """A quantity that is unknown in one stage is unknown in total."""
    plan = Planner("m", FOREIGN, Calibration({"profile": CALIBRATION}), Price(1, 1)).plan(ASKED)
    output = plan.as_dict()

    assert output["total"]["tokens"] == sum(
        output[name]["tokens"] for name in ("profile", "recall")
    )
    assert output["profile"]["seconds"] is not None
    assert output["total"]["seconds"] is None
    assert PlanLine() == Plan({}).total


def test_two_plans_can_be_combined():
    """Embedding and describing use two models; two currencies have no sum."""
    embed = Planner("e", FOREIGN, price=Price(1, 0)).plan(
        {Stage.EMBED: Usage(1, None, None, None, None, 500, 0)}
    )
    other = Planner("m", FOREIGN, price=Price(1, 1, currency="EUR")).plan(ASKED)

    both = embed.combined_with(other)

    assert [Stage.EMBED, *ASKED] == list(both.lines)
    assert 0 == both.lines[Stage.EMBED].completion.high
    assert ("USD", "") == (embed.combined_with(embed).currency, both.currency)


def test_a_plan_counts_the_real_prompts(tree):
    """The walk is the embedded judge's; the first prompt is the one that would be sent."""
    person = Person(("item-000", "item-006"))

    planned = plan_recommendation(
        tree,
        Settings(model="m"),
        lambda recommender, trace: recommender.recommend_to(person, Options(), trace=trace),
    )

    assert [Stage.PROFILE, Stage.RECALL, Stage.RANK] == list(planned.plan.lines)
    assert "A tale of the sea" in planned.first_prompt[1]["content"]
    assert 10 == len(planned.recommendation.items)


def test_a_batch_is_planned_from_a_sample(tree):
    """Tokens grow with the number of people, and the interval includes the sampling error."""
    people = [Person((f"item-{number:03}",)) for number in range(8)]
    settings = Settings(model="gpt-4o-mini")

    few = plan_recommendations(tree, people, Options(), settings)
    many = plan_recommendations(tree, iter(people), Options(), settings, count=800, sample=8)

    assert 8 == few.lines[Stage.PROFILE].calls.likely
    assert 100 * few.total.tokens.likely == pytest.approx(many.total.tokens.likely)
    assert many.total.tokens.high > 100 * few.total.tokens.high
    assert {} == plan_recommendations(tree, [], Options(), settings).lines


def test_a_plan_reads_the_usage_log_of_its_tree(tmp_path):
    """Past calls count if they were to the same model at the same endpoint."""
    from unillmrec.usage_log import Call, UsageLog

    tree = tmp_path / "shop.tree"
    call = Call("rank", "chat", "m", "127.0.0.1:9", Usage(1, 120, 5, 0, 0, 100, 5), max_output=300)
    with UsageLog(Path(f"{tree}.usage"), command="test", tree=tree, warn=print) as log:
        for _ in range(3):
            log.add(call)
    settings = Settings(base_url="http://127.0.0.1:9/v1", model="m")

    assert 1.2 == Planner.from_settings(settings, tree).calibration.by_stage["rank"].prompt_ratio
    assert {} == Planner.from_settings(settings, tree, "other").calibration.by_stage
    assert {} == Planner.from_settings(Settings(model="m"), tree).calibration.by_stage
