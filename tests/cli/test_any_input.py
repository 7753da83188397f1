"""Any text, number and depth in every input: one sentence, and never a traceback."""

import json
import random
import re

import numpy as np
import pytest

DEEP = "[" * 100_000
ODD = [
    DEEP,
    '{"a":' * 5_000,
    "[" * 5_000 + "]" * 5_000,
    "[" + "9" * 5_000 + "]",
    '{"id": ' + "9" * 5_000 + ', "title": "x"}',
    '["\\ud83d"]',
    '{"id": "\\ud83d", "title": "\\udc00"}',
    '{"id": "a", "title": "b", "year": 1e400}',
    '{"id": "a", "title": "b", "year": -1' + "0" * 400 + "}",
    '{"id": "a", "title": "b", "deep": ' + "[" * 2_000 + "]" * 2_000 + "}",
    "[NaN]",
    "\x00",
    "[1, [2, [3]]]",
    "\ud83d",
    "\u202e\u200b",
    "9" * 5_000,
    "x" * 1_000_000,
]
# Characters of every kind, in an order that is the same each time.
RANDOM = random.Random(5)
ODD += ["".join(chr(RANDOM.randrange(0xD800)) for _ in range(40)) for _ in range(5)]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "UNILLMREC_MODEL"):
        monkeypatch.delenv(name, raising=False)


def check(ended):
    assert ended.code in (0, 2, 3)
    assert "Traceback" not in ended.err
    assert len(ended.err) < 4_000


@pytest.mark.parametrize(
    "arguments",
    [
        ("recommend", "shop.tree", "--history"),
        ("recommend", "shop.tree", "--like"),
        ("recommend", "shop.tree", "--profile"),
        ("recommend", "shop.tree", "--like", "red", "--where"),
        ("recommend", "shop.tree", "--like", "red", "--exclude"),
        ("insert", "shop.tree", "--dry-run", "--item"),
        ("delete", "shop.tree", "--dry-run"),
        ("tree", "shop.tree", "--find"),
    ],
)
def test_any_text_for_an_argument(arguments, shop, run):
    """Read as it is, or refused."""
    for text in ODD:
        check(run(*arguments[:-1], f"{arguments[-1]}={text}"))


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_any_text_in_a_file(name, shop, run, tmp_path):
    """As a history, as items, and as a catalog."""
    for odd in ODD:
        (tmp_path / name).write_bytes(f"id,title\n{odd}\n{odd}".encode("utf-8", "surrogatepass"))
        check(run("recommend", shop, "--history", name))
        check(run("insert", shop, name, "--dry-run"))
        check(run("build", name, "-o", "new.tree", "--dry-run"))


@pytest.mark.parametrize("odd", ODD)
def test_one_row_never_ends_a_batch(odd, shop, run, tmp_path):
    """It is skipped, and the others get their lists."""
    row = {"id": "odd", "history": odd}
    raw = f'{{"id": "raw", "history": {odd}}}'.replace("\n", " ")
    lines = [
        '{"id": "a", "history": "item-000"}',
        json.dumps(row),
        raw,
        '{"id": "b", "history": "item-001"}',
    ]
    content = "\n".join(lines).encode("utf-8", "replace")
    (tmp_path / "people.jsonl").write_bytes(content)

    check(run("batch", shop, "people.jsonl", "-o", "out.jsonl"))

    ids = [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {"a", "b"} <= set(ids)


@pytest.mark.parametrize(
    "content",
    [
        "x = " + DEEP,
        "x = " + "[" * 5_000 + "]" * 5_000,
        "concurrency = " + "9" * 5_000,
        "timeout_seconds = 1e308",
        "[extra_body]\nx = " + "[" * 400 + "]" * 400,
        'usage_log = "a\\u0000b"',
        'model = "\\u0000"',
        '"\\uD83D" = 1',
        "[prices.a]\nprompt = " + "9" * 5_000,
        "[prices.a]\nprompt = 1e308\ncompletion = -1e308",
    ],
)
def test_any_settings_file(content, shop, run, tmp_path):
    """A mistake in it is one sentence."""
    (tmp_path / "unillmrec.toml").write_text(content)
    check(run("settings"))
    check(run("recommend", shop, "--like", "red"))


@pytest.mark.parametrize(
    "header",
    [
        "(" * 5_000,
        "{'descr': " + "[" * 5_000,
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 5_000 + ",)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, -1)}",
        "{'descr': '\x00', 'fortran_order': 1, 'shape': 3}",
    ],
)
def test_any_header_of_vectors(header, run, tmp_path):
    """A `.npy` file names its shape in Python."""
    (tmp_path / "a.jsonl").write_text('{"id": "a", "title": "b"}\n' * 1)
    encoded = header.encode("latin-1")
    magic = b"\x93NUMPY\x02\x00" + len(encoded).to_bytes(4, "little")
    (tmp_path / "v.npy").write_bytes(magic + encoded)

    ended = run("build", "a.jsonl", "-o", "new.tree", "--vectors", "v.npy")

    check(ended)
    assert re.search(r"v\.npy", ended.err)


def test_infinite_vectors(run, tmp_path):
    """Named with their row."""
    (tmp_path / "a.jsonl").write_text('{"id": "a", "title": "b"}\n')
    np.save(tmp_path / "v.npy", np.array([[np.inf, 1]]))

    check(run("build", "a.jsonl", "-o", "new.tree", "--vectors", "v.npy"))
