"""A run over one tree: its judge, usage log, reply cache, recording, and plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, Unpack

from unillmrec.budget import Budget, BudgetTracker
from unillmrec.events import logger
from unillmrec.judge import Judge, SimilarityJudge
from unillmrec.prices import Money, Price
from unillmrec.recommending.recommender import Recommender, Trace
from unillmrec.session.reply_files import ReplyFiles, ReplyStorage
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.usage_log import UsageLog, log_path

if TYPE_CHECKING:
    from unillmrec.endpoint import Endpoint, OpenAIEndpoint
    from unillmrec.judge.voting import Votes
    from unillmrec.planning.planner import RecommendationPlan
    from unillmrec.recommending.recommendation import Recommendation
    from unillmrec.stages import Options, WalkStep
    from unillmrec.stages.asker import OnCall

WrapEndpoint: TypeAlias = "Callable[[Endpoint], Endpoint]"
Notify = Callable[[str], None]


class PersonArguments(TypedDict, total=False):
    """What `Recommender.recommend` takes beside the history and the budget."""

    like: str
    profile: str
    limit: int | None
    options: Options | None
    where: str | None
    exclude: Iterable[str]
    on_call: OnCall | None


class RecommendArguments(PersonArguments, total=False):
    """The same, and the callbacks of a walk."""

    watch: Callable[[WalkStep], None] | None
    trace: Trace | None


class Session:
    """One run over a tree, with the judge that the settings ask for.

    Every paid call goes to the usage log. *cache* stores replies, so that the same request is
    paid for only once; *record* writes a new recording of the run, and *replay* answers from one
    without sending anything. *plan* estimates what a recommendation would cost.

        with Session("films.tree", {"model": "qwen3:8b"}, cache="replies.cache") as session:
            recommendation = session.recommend(like="quiet science fiction", limit=5)
            print(session.run, session.cost_of(recommendation))

    *settings* are `Settings`, or values by the setting's name; the environment and
    `unillmrec.toml` supply what is missing. *votes* is how often a model is asked about each
    branch. *command* is the name in the usage log. *notify* is called with everything the user
    should know, such as which host gets the key; without it, notices go to the logger
    `unillmrec.session`.

    Raises:
        SettingsError: a setting or a file cannot be used, or no endpoint is set whose replies
            could be stored.
        StoreError: *tree* is not a tree file.
    """

    def __init__(
        self,
        tree: ItemTree | str | Path,
        settings: Settings | Mapping[str, object] | None = None,
        *,
        record: str | Path | None = None,
        replay: str | Path | None = None,
        cache: str | Path | None = None,
        votes: Votes = 1,
        command: str = "session",
        notify: Notify | None = None,
    ) -> None:
        files = ReplyFiles(*(Path(each) if each else None for each in (record, replay, cache)))
        if not isinstance(settings, Settings):
            settings = Settings.resolve(settings)
        self.settings = files.adjust(settings)
        self.votes: Votes = votes
        self.notify = notify or logger("session").info
        with ExitStack() as stack:
            if not isinstance(tree, ItemTree):
                tree = stack.enter_context(ItemTree.open(tree))
            self.tree = tree
            self.log = open_usage_log(tree.path, self.settings, command, self.notify)
            stack.enter_context(self.log)
            self.storage = ReplyStorage(files, self.settings, self.log.run, self.notify)
            stack.callback(self.storage.close)
            self._stack = stack.pop_all()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The tree explains errors that come from a damaged file.
        self._stack.__exit__(kind, error, traceback)

    def close(self) -> None:
        """Close the endpoint, the files, and the tree if it was opened here."""
        self._stack.close()

    @property
    def run(self) -> str:
        """The name of the run in the usage log; of a replay, that of the recorded run."""
        return self.storage.run

    @cached_property
    def judge(self) -> Judge:
        """The judge that answers."""
        return self.build_judge()

    @property
    def asks_model(self) -> bool:
        """Whether the judge asks a language model."""
        return not isinstance(self.judge, SimilarityJudge)

    @cached_property
    def price(self) -> Price | None:
        """What tokens cost: nothing if the embedded judge answers, None if unknown."""
        if self.settings.judge == "embedded" or not self.settings.has_endpoint:
            return Price(0, 0)
        from unillmrec.judge.from_settings import find_price

        return find_price(self.settings)

    def cost_of(self, recommendation: Recommendation) -> Money | None:
        """Return what *recommendation* cost; None if a price or a token count is unknown."""
        usage = recommendation.total_usage()
        if not usage.calls and usage.prompt == 0:
            return Money(0.0, "")
        return self.price.cost_of(usage) if self.price else None

    def prompt_digests(self) -> dict[str, str]:
        """Return the digests of the prompts in use, by name."""
        from unillmrec.judge import CONTRACTS
        from unillmrec.prompts import PromptSet

        prompts = PromptSet.load(CONTRACTS, self.settings.prompts)
        return {each.name: each.digest for each in prompts}

    def recommend(
        self,
        history: Sequence[str] = (),
        *,
        budget: Budget | None = None,
        **arguments: Unpack[RecommendArguments],
    ) -> Recommendation:
        """Recommend with the judge of the session, as `Recommender.recommend` does.

        A *budget* of cost is counted at the model's price.

        Raises:
            PersonError: nothing is known about the person, or an id is not in the tree.
            PredicateError: *where* cannot be read, or does not fit the attributes.
            EndpointError: a call failed, and there is no *budget*.
        """
        recommender = Recommender(self.tree, self.judge)
        tracker = _track(budget, self.price)
        recommendation = recommender.recommend(history, budget=tracker, **arguments)
        seconds = self.storage.measurement("seconds", recommendation.seconds)
        return replace(recommendation, seconds=seconds)

    def plan(
        self,
        history: Sequence[str] = (),
        *,
        budget: Budget | None = None,
        **arguments: Unpack[PersonArguments],
    ) -> RecommendationPlan:
        """Estimate what the same recommendation would cost; nothing is sent.

        The walk is made by the embedded judge, with the real prompts.
        """
        from unillmrec.judge.from_settings import find_price
        from unillmrec.planning.planner import plan_recommendation

        def walk(recommender: Recommender, trace: Trace) -> Recommendation:
            tracker = _track(budget, find_price(self.settings))
            return recommender.recommend(history, budget=tracker, trace=trace, **arguments)

        return plan_recommendation(self.tree, self.settings, walk, self.votes)

    def cache_report(self) -> dict[str, Any]:
        """Return the cache's `hits`, the replies `asked` for, and the usage `saved`; or nothing."""
        return self.storage.cache_report()

    def build_judge(self, wrap: WrapEndpoint | None = None) -> Judge:
        """Return a judge of the settings; *wrap* goes around its endpoint, outside all else."""
        from unillmrec.judge.registry import build_judge

        self._explain_default()
        wrap = wrap or (lambda endpoint: endpoint)

        def connect(endpoint: OpenAIEndpoint) -> Endpoint:
            from unillmrec.judge.from_settings import build_writer, load_label_bias

            if self.storage.recording is not None:
                # A replay must correct the same bias as the recorded run, to send the same prompts.
                bias = load_label_bias(endpoint, build_writer(self.settings))
                self.storage.recording.add_about("label_bias", bias)
            return wrap(self._connect(endpoint))

        replayed = self.storage.replayed
        return build_judge(
            self.tree,
            self.settings,
            wrap=connect,
            endpoint=wrap(replayed) if replayed else None,
            label_bias=replayed.about.get("label_bias") if replayed else None,
            votes=self.votes,
        )

    def open_endpoint(self) -> Endpoint:
        """Return the endpoint of the settings, logged, cached and recorded; or the replay.

        Raises:
            SettingsError: no endpoint or no model is set.
        """
        from unillmrec.judge.from_settings import build_endpoint

        if self.storage.replayed:
            return self.storage.replayed
        self.settings.require_endpoint()
        return self._connect(build_endpoint(self.settings, self.settings.model or ""))

    def _connect(self, endpoint: OpenAIEndpoint) -> Endpoint:
        from unillmrec.endpoint import instrument
        from unillmrec.usage_log import LoggedEndpoint

        self._stack.enter_context(endpoint)
        if endpoint.notice:
            self.notify(endpoint.notice)
        logged = LoggedEndpoint(instrument(endpoint), self.log, self.price)
        return self.storage.wrap(logged, endpoint.identity)

    def _explain_default(self) -> None:
        """Explain why no model is asked, if the user may have expected one."""
        settings = self.settings
        if settings.judge != "auto" or settings.has_endpoint:
            return
        why = "No language model is set (`unillmrec settings`)"
        if settings.model:
            why = "A model but no endpoint is set (OPENAI_BASE_URL)"
        elif settings.base_url or settings.api_key:
            why = "An endpoint but no model is set (UNILLMREC_MODEL)"
        self.notify(f"{why}; the embedded judge answers.")


def _track(budget: Budget | None, price: Price | None) -> BudgetTracker | None:
    if budget is None:
        return None
    return BudgetTracker(budget, price.at_most if price and budget.cost is not None else None)


def open_usage_log(tree: Path, settings: Settings, command: str, notify: Notify) -> UsageLog:
    """Return the log for calls about *tree*; *notify* is called if it cannot be written."""
    path = log_path(tree, settings.usage_log)
    return UsageLog(path, command=command, tree=tree, warn=notify)
