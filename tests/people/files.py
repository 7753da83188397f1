"""Files of people, as tests need them."""

import json


def write_people(folder, rows, name="people.jsonl"):
    """Write *rows*, objects or raw lines, to a file in *folder* and return its path."""
    path = folder / name
    lines = [each if isinstance(each, str) else json.dumps(each) for each in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
