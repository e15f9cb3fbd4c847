"""The tables of docs/prove.md, told by the schemas; `python -m tests.harness.told` writes them anew."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gatecrash.harness.documents import schema
from tests.support.pages import filled

PAGE = Path(__file__).parents[2] / "docs" / "prove.md"


def profile() -> str:
    """A row for each field of a profile, under its table; what every call on the shop has is told once, as `CALL.path`."""
    document = schema("merchant-profile")
    rows = ["| field | what it says | unless given |", "|---|---|---|"]
    for name, field in document["properties"].items():
        tables = field.get("items", {})  # of an array of tables
        inner = field.get("properties") or tables.get("properties", {})
        if not inner:
            rows.append(_row(f"`{name}`", field, document, required=name in document["required"]))
            continue
        spelled = f"[[{name}]]" if tables else f"[{name}]"
        rows.append(_row(f"**`{spelled}`**", field, document, required=name in document["required"]))
        if name == "statuses":
            rows.append(f"| {', '.join(f'`{word}`' for word in inner)} | A list of the shop's words for it. | |")
            continue
        calls = [key for key in inner if key in _SHARED] if "method" in inner else []
        for key, given in inner.items():
            if key not in calls or name == "place_order":
                told = f"`CALL.{key}`" if key in calls else f"`{name}.{key}`"
                rows.append(_row(told, given, document, required=key in field.get("required", ())))
    return "\n".join(rows)


#: What every call on the shop has.
_SHARED = ("method", "path", "headers", "body", "form")


def _row(name: str, field: Mapping[str, Any], document: Mapping[str, Any], *, required: bool = False) -> str:
    given = _resolved(field, document)
    usual = f"`{json.dumps(given['default'])}`" if "default" in given else "required" if required else ""
    return f"| {name} | {_cell(given.get('description', ''))} | {usual} |"


def story() -> str:
    rows = ["| field | what it says |", "|---|---|"]
    document = schema("story")
    for name, field in document["properties"].items():
        given = _resolved(field, document)
        one_of = f" One of {', '.join(f'`{each}`' for each in given['enum'])}." if "enum" in given else ""
        rows.append(f"| `{name}`{'' if name in document['required'] else '?'} | {_cell(given.get('description', ''))}{one_of} |")
    return "\n".join(rows)


def steps() -> str:
    """A row for each verb of a step, with what it takes."""
    document = schema("story")
    words, verbs = document["$defs"]["step"]["oneOf"]
    rows = ["| step | what happens |", "|---|---|"]
    for name, verb in verbs["properties"].items():
        given = _resolved(verb, document)
        alone = " or alone" if name in words["enum"] else ""
        rows.append(f"| `{name}: {_argument(verb, document)}`{alone} | {_cell(given['description'])} |")
    rows += [f"| `{name}` | {_ALONE[name]} |" for name in words["enum"] if name not in verbs["properties"]]
    return "\n".join(rows)


#: Steps without an argument, which the schema has no place to describe.
_ALONE = {
    "restart_merchant": "The merchant is started again on its old port and data.",
    "kill_gateway": "SIGKILL of the gateway; its supervisor brings it back.",
    "next_timer": "Sandbox time moves to the next timer, such as a webhook's next attempt.",
    "look": "The customer looks at the page of the order.",
    "cancel": "The customer cancels the order.",
}


_WORDS = {"integer": "NUMBER", "string": "TYPE"}


def _argument(verb: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    given = _resolved(verb, document)
    for name, shape in (("CARD", "card"), ("STATION", "station"), ("RULE", "fault_rule")):
        if verb.get("$ref") == f"#/$defs/{shape}":
            return name
    if "oneOf" in given:
        return "CARD"
    if given["type"] in _WORDS:
        return _WORDS[given["type"]]
    required = given.get("required", ())
    inside = ", ".join(f"{key}{'' if key in required else '?'}" for key in given.get("properties", {}))
    return "{" + (inside or "name: value") + "}"


def _resolved(field: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The field with what it refers to; its own words come first."""
    if "$ref" not in field:
        return dict(field)
    return {**document["$defs"][field["$ref"].rpartition("/")[2]], **field}


def _cell(text: str) -> str:
    return (text[:1].upper() + text[1:]).replace("|", "\\|")


def told(page: str) -> str:
    """The page with its tables as the schemas tell them."""
    return filled(page, {"profile": profile(), "story": story(), "steps": steps()})


if __name__ == "__main__":
    PAGE.write_text(told(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
