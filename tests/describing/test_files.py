"""Describe through files that a person moves, and through a Batch API."""

import json
from shutil import copyfile

import pytest

from tests import trees
from unillmrec.describing.batch_api import BatchApiRun
from unillmrec.describing.files import Manifest, export_round, import_results
from unillmrec.describing.run import DescribeOptions
from unillmrec.endpoint import OpenAIEndpoint
from unillmrec.endpoint.batch_api import write_request_files
from unillmrec.errors import EndpointError, StoreError
from unillmrec.judge.from_settings import build_writer
from unillmrec.settings import Settings
from unillmrec.store import EditableTree
from unillmrec.testing import BatchServer, sensible_answer


class Killed(BaseException):
    """Stands for the end of a process at any point."""


@pytest.fixture
def tree(tmp_path_factory, tmp_path):
    folder = tmp_path_factory.getbasetemp() / "trees"
    folder.mkdir(exist_ok=True)
    trees.tree(folder).close()
    copyfile(folder / "words.tree", tmp_path / "words.tree")
    with EditableTree.open(tmp_path / "words.tree") as opened:
        yield opened


@pytest.fixture
def writer():
    return build_writer(Settings(model="fake-model"))


@pytest.fixture
def endpoint():
    with OpenAIEndpoint("fake-model", base_url="http://127.0.0.1:9/v1") as endpoint:
        yield endpoint


def answer(path, into, spoil=lambda number, result: result):
    """Answer a file of requests as a server would."""
    results = []
    for number, line in enumerate(path.read_text().splitlines()):
        request = json.loads(line)
        prompt = request["body"]["messages"][-1]["content"]
        message = {"content": sensible_answer(prompt, "descriptions")}
        usage = {"prompt_tokens": 10, "completion_tokens": 5}
        body = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
        result = {"custom_id": request["custom_id"], "error": None}
        result["response"] = {"status_code": 200, "body": body}
        results.append(json.dumps(spoil(number, result)))
    into.write_text("\n".join(reversed(results)) + "\n")
    return into


def undescribed(tree):
    rows = tree.rows("SELECT depth, description FROM node WHERE depth > 0")
    return [depth for depth, text in rows if not json.loads(text)["summary"]]


def test_a_round_is_a_level(tree, endpoint, writer, tmp_path):
    """A level is written when its parents have their descriptions."""
    rounds = 0
    while True:
        depths = set(undescribed(tree))
        manifest = Manifest(tree.path)
        path = tmp_path / "requests.jsonl"
        if not export_round(tree, endpoint, writer, DescribeOptions(), manifest, path):
            break
        rounds += 1
        # While answers are pending, no request is written again.
        again = export_round(tree, endpoint, writer, DescribeOptions(), manifest, path)
        results = answer(path, tmp_path / "results.jsonl")
        report = import_results(tree, endpoint, writer, Manifest(tree.path), [results])

        assert [] == again
        assert 0 == report.failed == report.waiting
        assert depths - set(undescribed(tree)) == {min(depths)}
        path.unlink()

    assert [] == undescribed(tree)
    assert rounds == len(set(tree.rows("SELECT depth FROM node WHERE depth > 0")))


def test_the_lines_are_those_of_the_batch_api(tree, endpoint, writer, tmp_path):
    """Every line has the route, a unique name, and the body of a call."""
    path = tmp_path / "requests.jsonl"
    export_round(tree, endpoint, writer, DescribeOptions(), Manifest(tree.path), path)

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == len({each["custom_id"] for each in lines})
    for line in lines:
        assert {"custom_id", "method", "url", "body"} == line.keys()
        assert ("POST", "/v1/chat/completions") == (line["method"], line["url"])
        wanted = {"model", "messages", "max_completion_tokens", "response_format"}
        assert wanted <= line["body"].keys()


def test_results_are_imported_once(tree, endpoint, writer, tmp_path):
    """Importing a file again changes nothing; its results count as foreign."""
    path = tmp_path / "requests.jsonl"
    export_round(tree, endpoint, writer, DescribeOptions(), Manifest(tree.path), path)
    results = answer(path, tmp_path / "results.jsonl")
    paid = []

    first = import_results(
        tree, endpoint, writer, Manifest(tree.path), [results], on_answer=paid.append
    )
    second = import_results(tree, endpoint, writer, Manifest(tree.path), [results])

    assert first.described > 0
    assert len(paid) == len(path.read_text().splitlines())
    assert (0, len(paid)) == (second.described, second.foreign)


def test_a_failed_request_is_sent_again_once(tree, endpoint, writer, tmp_path):
    """After two failures the node no longer delays the levels below it."""

    def spoil(number, result):
        if number == 0:
            result["response"] = {"status_code": 500, "body": {"error": {"message": "broken"}}}
        return result

    path, found = tmp_path / "requests.jsonl", tmp_path / "results.jsonl"
    sent = []
    for _ in range(3):
        manifest = Manifest(tree.path)
        export_round(tree, endpoint, writer, DescribeOptions(), manifest, path)
        sent.append([json.loads(each)["custom_id"] for each in path.read_text().splitlines()])
        results = answer(path, found, spoil)
        report = import_results(tree, endpoint, writer, Manifest(tree.path), [results])

        assert 1 == report.failed
        assert "status 500" in report.problems[0]

    assert sent[0][0] == sent[1][0]
    assert sent[0][0] not in sent[2]


def test_an_incomplete_line_of_the_manifest_is_skipped(tree, endpoint, writer, tmp_path):
    """A process that was killed while writing it has not acted on it."""
    path = tmp_path / "requests.jsonl"
    manifest = Manifest(tree.path)
    export_round(tree, endpoint, writer, DescribeOptions(), manifest, path)
    with manifest.path.open("a") as file:
        file.write('{"answered": "descr')

    again = Manifest(tree.path)
    again.add({"answered": next(iter(again.waiting)), "vain": []})

    assert len(manifest.waiting) - 1 == len(Manifest(tree.path).waiting)


def test_a_broken_file_of_results(tree, endpoint, writer, tmp_path):
    """The error names the line; the results before it are imported."""
    path = tmp_path / "requests.jsonl"
    export_round(tree, endpoint, writer, DescribeOptions(), Manifest(tree.path), path)
    results = answer(path, tmp_path / "results.jsonl")
    results.write_text(results.read_text() + "<html>")

    with pytest.raises(StoreError, match=r"results\.jsonl:\d+ is not a result of a batch"):
        import_results(tree, endpoint, writer, Manifest(tree.path), [results])

    assert {} == Manifest(tree.path).waiting


def test_large_files_are_split(tmp_path):
    """A file ends at the limit of requests or of bytes, whichever comes first."""
    lines = [f"line {number}" for number in range(10)]

    by_number = write_request_files(lines, tmp_path / "a.jsonl", most_requests=4)
    by_size = write_request_files(lines, tmp_path / "b.jsonl", most_bytes=18)

    assert ["a.jsonl", "a-2.jsonl", "a-3.jsonl"] == [each.name for each in by_number]
    assert [4, 4, 2] == [len(each.read_text().splitlines()) for each in by_number]
    assert lines == [line for each in by_size for line in each.read_text().splitlines()]
    assert max(each.stat().st_size for each in by_size) <= 18


def batch_run(tree, endpoint, writer, **how):
    return BatchApiRun(
        tree,
        endpoint,
        endpoint.batches,
        writer,
        DescribeOptions(),
        **{"sleep": lambda seconds: None, **how},
    )


def test_all_of_a_tree_through_a_batch_api(tree, writer, tmp_path):
    """Every level is a batch; failed requests go into another batch."""
    with (
        BatchServer(broken=frozenset({2})) as server,
        OpenAIEndpoint("fake-model", base_url=server.base_url) as endpoint,
    ):
        paid = []
        report = batch_run(tree, endpoint, writer, on_answer=paid.append).run()

        assert [] == undescribed(tree)
        assert server.billed.prompt == sum(each.usage.prompt for each in paid)
        assert report.result.usage.prompt == server.billed.prompt
        assert 1 == report.result.failed
        assert server.batched == len(paid) + 1
    assert not list(tmp_path.glob("words.tree.describing*"))


@pytest.mark.parametrize("at", ["waiting", "started", "fetched"])
def test_a_killed_run_resumes_its_batches(tree, writer, monkeypatch, at):
    """No file is uploaded or paid twice."""

    def killed(*_, **__):
        raise Killed

    with (
        BatchServer() as server,
        OpenAIEndpoint("fake-model", base_url=server.base_url) as endpoint,
    ):
        with monkeypatch.context() as patch:
            how = {"sleep": killed} if at == "waiting" else {}
            if at == "started":
                real = Manifest.add
                patch.setattr(
                    Manifest,
                    "add",
                    lambda self, event: killed() if "batch" in event else real(self, event),
                )
            if at == "fetched":
                patch.setattr("unillmrec.describing.batch_api.import_results", killed)
            with pytest.raises(Killed):
                batch_run(tree, endpoint, writer, **how).run()
        report = batch_run(tree, endpoint, writer).run()

        assert [] == undescribed(tree)
        assert report.rounds == len(server.batches)
        assert server.billed.calls == server.batched


def test_an_endpoint_without_batches(tree, writer):
    """It is an error, and no answer stays pending."""
    from unillmrec.testing import FakeServer

    with (
        FakeServer() as server,
        OpenAIEndpoint("fake-model", base_url=server.base_url) as endpoint,
        pytest.raises(EndpointError),
    ):
        batch_run(tree, endpoint, writer).run()

    assert not Manifest(tree.path).waiting
