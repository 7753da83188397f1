import pytest

from unillmrec.judge import Choice, Interest, Profile, PromptWriter, Question
from unillmrec.usage import Stage


@pytest.fixture(scope="session")
def writer(prompts, counter):
    return PromptWriter(prompts, counter)


@pytest.fixture(scope="session")
def asking():
    """Return a function that builds a question about lines, of any kind."""

    def ask(kind="pick", lines=("a book", "a film", "a song"), limit=3, likes="quiet things"):
        choices = tuple(Choice(n, line, 100 + n) for n, line in enumerate(lines, start=1))
        profile = Profile((Interest(likes, 1.0),))
        return Question(kind, Stage.RECALL, profile, choices, limit)

    return ask
