import logging

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from unillmrec.endpoint import CallError, FailureKind, instrument
from unillmrec.endpoint.wrappers.instrumentation import InstrumentedEndpoint
from unillmrec.endpoint.wrappers.telemetry import TracedEndpoint
from unillmrec.testing import Fault, FaultKind, ScriptedEndpoint

SECRETS = ("slow rivers", "Slow rivers", "You choose", "sk-secret-key-123456", "Bearer")


@pytest.fixture
def events(caplog):
    """The logged events of the endpoint, at every level."""
    caplog.set_level(logging.DEBUG, logger="unillmrec")
    return lambda: [record.msg for record in caplog.records if record.name.startswith("unillmrec")]


@pytest.fixture
def telemetry(monkeypatch):
    """In-memory providers of spans and metrics, and functions that return these."""
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    traces, meters = TracerProvider(), MeterProvider([reader])
    traces.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(
        "opentelemetry.trace.get_tracer", lambda *name: traces.get_tracer(*name), raising=True
    )
    monkeypatch.setattr("opentelemetry.metrics.get_meter", lambda *name: meters.get_meter(*name))

    def points():
        data = reader.get_metrics_data()
        found = data.resource_metrics[0].scope_metrics[0].metrics if data else ()
        return {each.name: list(each.data.data_points) for each in found}

    yield exporter.get_finished_spans, points
    traces.shutdown()
    meters.shutdown()


def test_every_call_is_one_event(server_with, endpoint_to, question, events):
    """With stage, model, time, tokens, retries and outcome."""
    server = server_with(faults=[503, None])

    InstrumentedEndpoint(endpoint_to(server)).complete(question)

    (call,) = [event for event in events() if event.name == "call"]
    fields = call.fields
    assert ("recall", "fake-model", "answered", 1) == tuple(
        fields[name] for name in ("stage", "model", "outcome", "retries")
    )
    assert (server.billed.prompt, server.billed.completion) == (
        fields["prompt"],
        fields["completion"],
    )
    assert ["concurrency lowered", "retry", "call"] == [event.name for event in events()]
    assert str(call).startswith("call stage=recall model=fake-model endpoint=127.0.0.1:")


@pytest.mark.parametrize(
    ("fault", "outcome"), [(401, "key"), (Fault.quota(), "money"), (FaultKind.FILTER, "filtered")]
)
def test_a_failed_call_is_logged_with_its_kind(
    fault, outcome, server_with, endpoint_to, question, events
):
    """And with what it cost."""
    endpoint = InstrumentedEndpoint(endpoint_to(server_with(faults=[fault])))

    with pytest.raises(Exception, match="fake-model"):
        endpoint.complete(question)

    assert outcome == events()[-1].fields["outcome"]


def test_events_contain_no_text(server_with, endpoint_to, question, events):
    """Neither prompt nor answer nor key, at any level and for any failure."""
    said = "slow rivers, Bearer sk-secret-key-123456"
    faults = [
        Fault.status(429, message=said),
        FaultKind.DROP,
        None,
        Fault.status(400, message=said),
    ]
    endpoint = InstrumentedEndpoint(endpoint_to(server_with(faults=faults)))

    endpoint.complete(question)
    with pytest.raises(CallError):
        endpoint.complete(question)

    logged = " ".join(str(event) for event in events())
    assert not [secret for secret in SECRETS if secret in logged]


def test_embeddings_are_logged():
    """They cost tokens, too."""
    vectors, usage = instrument(ScriptedEndpoint([])).embed(["one", "two"])

    assert 2 == len(vectors)
    assert 1 == usage.calls


def test_a_call_is_a_span_after_the_conventions(server_with, endpoint_to, question, telemetry):
    """With the names of the GenAI semantic conventions, and without any text."""
    spans, _ = telemetry
    server = server_with()
    address = server.base_url.split("/")[2]

    TracedEndpoint(endpoint_to(server)).complete(question)

    (span,) = spans()
    assert ("chat fake-model", SpanKind.CLIENT) == (span.name, span.kind)
    assert {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "fake-model",
        "gen_ai.request.max_tokens": 200,
        "gen_ai.response.model": "fake-model",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": server.billed.prompt,
        "gen_ai.usage.output_tokens": server.billed.completion,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "server.address": "127.0.0.1",
        "server.port": int(address.split(":")[1]),
        "unillmrec.stage": "recall",
    } == dict(span.attributes)
    assert not [secret for secret in SECRETS if secret in span.to_json()]


def test_a_failed_span_has_the_kind_of_failure(server_with, endpoint_to, question, telemetry):
    """Without the server's message, which may quote the prompt."""
    spans, points = telemetry
    server = server_with(faults=[Fault.status(401, message="slow rivers")])

    with pytest.raises(CallError) as caught:
        TracedEndpoint(endpoint_to(server)).complete(question)

    (span,) = spans()
    assert FailureKind.KEY is caught.value.kind
    assert (StatusCode.ERROR, "key") == (span.status.status_code, span.attributes["error.type"])
    assert () == tuple(span.events)
    assert "slow rivers" not in span.to_json()
    (duration,) = points()["gen_ai.client.operation.duration"]
    assert "key" == duration.attributes["error.type"]
    assert "gen_ai.client.token.usage" not in points()


def test_time_and_tokens_are_histograms(server_with, endpoint_to, question, telemetry):
    """Input and output tokens are separate, with the buckets of the conventions."""
    _, points = telemetry
    server = server_with()
    endpoint = TracedEndpoint(endpoint_to(server))
    for _ in range(3):
        endpoint.complete(question)

    found = points()
    (duration,) = found["gen_ai.client.operation.duration"]
    tokens = {
        point.attributes["gen_ai.token.type"]: point for point in found["gen_ai.client.token.usage"]
    }
    assert 3 == duration.count
    assert (0.01, 81.92) == (duration.explicit_bounds[0], duration.explicit_bounds[-1])
    assert server.billed.prompt == tokens["input"].sum
    assert server.billed.completion == tokens["output"].sum
    assert 67_108_864 == tokens["input"].explicit_bounds[-1]
    assert "fake-model" == tokens["input"].attributes["gen_ai.response.model"]


def test_unknown_tokens_are_not_measured(server_with, endpoint_to, question, telemetry):
    """They are not zero."""
    spans, points = telemetry
    TracedEndpoint(endpoint_to(server_with(dialect="no-usage"))).complete(question)

    assert "gen_ai.client.token.usage" not in points()
    assert "gen_ai.usage.input_tokens" not in spans()[0].attributes


def test_embeddings_are_a_separate_operation(server_with, endpoint_to, telemetry):
    """With the name from the conventions."""
    spans, _ = telemetry
    TracedEndpoint(endpoint_to(server_with())).embed(["one", "two"])

    assert "embeddings fake-model" == spans()[0].name
    assert "embeddings" == spans()[0].attributes["gen_ai.operation.name"]
