"""The JSON Schemas that stand alone are cut out of the contract; `python -m tests.contracts.derive` writes them anew."""

import json
from pathlib import Path
from typing import Any

from gatecrash import resources
from tests.contracts import card_tables
from tests.contracts.checker import Json, load

# file → the component it is
DERIVED = {"fault-rule.schema.json": "FaultRule", "events.schema.json": "Event"}
_TITLES = {"Event": "An event, as a webhook tells it"}
_PREFIX = "#/components/schemas/"


def derive(file: str) -> Json:
    """A component and all it refers to, as a schema of its own."""
    components = load("gateway").document["components"]["schemas"]
    root = DERIVED[file]
    parts: Json = {}

    def take(node: Any) -> Any:
        if isinstance(node, list):
            return [take(each) for each in node]
        if not isinstance(node, dict):
            return node
        if (name := str(node.get("$ref", "")).removeprefix(_PREFIX)) in components and name not in parts:
            parts[name] = {}
            parts[name] = take(components[name])
        return {key: f"#/$defs/{name}" if key == "$ref" else take(value) for key, value in node.items()}

    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": file}
    body = take(components[root])
    title = {"title": _TITLES[root]} if root in _TITLES else {}
    return {**head, **title, **body, "$defs": {name: parts[name] for name in components if name in parts}}


def written(schema: Json) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def path(file: str) -> Path:
    return resources.contracts() / file


if __name__ == "__main__":
    for file in DERIVED:
        path(file).write_text(written(derive(file)), encoding="utf-8")
    card_tables.PAGE.write_text(card_tables.written(card_tables.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
