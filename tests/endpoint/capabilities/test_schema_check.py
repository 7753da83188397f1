import pytest

from unillmrec.endpoint.capabilities.schema_check import text_conforms

SCHEMA = {
    "type": "object",
    "properties": {
        "picks": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "number": {"type": "integer", "minimum": 1},
                    "score": {"type": "number", "maximum": 100},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                },
                "required": ["number", "score"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["picks"],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"picks": []}', True),
        ('{"picks": [{"number": 1, "score": 2.5}]}', True),
        ('{"picks": [{"number": 1.0, "score": 2, "kind": "a"}], "more": 1}', True),
        (' {"picks": []}\n', True),
        ('```json\n{"picks": []}\n```', False),
        ("3: 80", False),
        ('{"picks": [3]}', False),
        ('{"picks": [{"number": 1}]}', False),
        ('{"picks": [{"number": 1, "score": 2, "title": "x"}]}', False),
        ('{"picks": [{"number": true, "score": 2}]}', False),
        ('{"picks": [{"number": 0, "score": 2}]}', False),
        ('{"picks": [{"number": 1, "score": 101}]}', False),
        ('{"picks": [{"number": 1, "score": 1, "kind": "c"}]}', False),
        ('{"picks": [{"number": 1.5, "score": 1}]}', False),
        ('{"order": []}', False),
        ("[" * 100_000, False),
    ],
)
def test_checks_whether_a_text_conforms_to_its_schema(text, expected):
    """Only JSON with nothing around it, and with every field of the right type, conforms."""
    assert expected is text_conforms(text, SCHEMA)
