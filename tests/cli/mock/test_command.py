import json
import signal

import openai
import pytest

from tests.cli.conftest import in_process


def started(*arguments):
    """Start the command; return the process and the address it tells."""
    process = in_process("mock", *arguments)
    line = process.stderr.readline().decode()
    example = process.stderr.readline().decode()
    address = next(word for word in line.split() if word.startswith("http")).rstrip(";")
    assert "no language model" in line
    assert f"--base-url {address} --model fake-model" in example
    return process, address


def test_a_client_of_anybody_is_answered_and_ctrl_c_tells_the_bill():
    """The openai client as people use it, then the summary."""
    process, address = started("--json", "--prefix-cache", "5", "--dialect", "schema-ignored")
    with openai.OpenAI(base_url=address, api_key="x") as client:
        asked = [{"role": "user", "content": "1. Cars\n2. Rivers\nSlow rivers? " * 5}]
        answers = [
            client.chat.completions.create(model="m", messages=asked, max_tokens=40)
            for _ in range(2)
        ]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)

    result = json.loads(out)
    usages = [answer.usage for answer in answers]
    assert (0, b"") == (process.returncode, err)
    assert (2, {"200": 2}, 1) == (result["requests"], result["statuses"], result["most_at_once"])
    assert {
        "calls": 2,
        "prompt": sum(usage.prompt_tokens for usage in usages),
        "completion": sum(usage.completion_tokens for usage in usages),
        "cached": usages[1].prompt_tokens_details.cached_tokens,
        "reasoning": 0,
    } == result["billed"]
    assert 0 < result["billed"]["cached"] < result["billed"]["prompt"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--fault", "503"], "--fault is a name and a rate"),
        (["--fault", "nothing:0.1"], "a fault is a status such as 503, or one of 429, 429-wait"),
        (["--fault", "503:0.8", "--fault", "429:0.3"], "add up to 1.1"),
        (["--latency", "3-1"], "--latency is a number of seconds"),
        (["--dialect", "klingon"], "--dialect is one of strict-schema"),
        (["--port", "70000"], "less than or equal to 65535"),
    ],
)
def test_flags_that_make_no_sense_are_wrong_usage(flags, words, run):
    """Each says what would."""
    ended = run("mock", *flags)

    assert 2 == ended.code
    assert words in ended.err


def test_a_port_in_use_is_an_error(run, server):
    """In one sentence."""
    port = server.base_url.split(":")[2].split("/")[0]

    ended = run("mock", "--port", port)

    assert 3 == ended.code
    assert f"Error: nothing can listen on port {port}: " in ended.err
