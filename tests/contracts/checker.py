"""Holds answers against an OpenAPI contract: status, headers, content type and body. What is not in the contract is a breach.

A breach says what to add to the contract, or which answer to mend.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from gatecrash import resources, yaml_text

Json = dict[str, Any]
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_BY_SCHEMA_TYPE = {"integer": int, "number": float}

# what the HTTP edge answers, whatever was asked, unless the operation has its own: code → response
AT_THE_EDGE = {
    "http_malformed": "HttpMalformed", "request_timeout": "RequestTimeout", "too_many_connections": "TooManyConnections",
    "control_from_elsewhere": "FaultForbidden", "control_token_required": "FaultUnauthorized",
    "host_not_allowed": "HostNotAllowed", "content_encoding_unsupported": "EncodingUnsupported",
    "body_incomplete": "BodyUnreadable", "body_malformed": "BodyUnreadable", "body_too_large": "TooLargeForBrowsers",
    "parameter_repeated": "GivenTwice",
}  # fmt: skip


class Breach(AssertionError):
    """An answer that the contract does not know."""


class Operation(NamedTuple):
    """One operation, with what it has from its path."""

    id: str
    method: str
    path: str
    spec: Json
    parameters: list[Json]

    @property
    def success(self) -> list[str]:
        return [status for status in self.spec["responses"] if status[0] in "23"]


class Contract:
    """A contract, looked up by request."""

    def __init__(self, document: Json, file: str = "the contract") -> None:
        self.document, self.file = document, file
        self.operations = {operation.id: operation for operation in self._operations()}
        # a path without a parameter comes before one with, as in the router
        ordered = sorted(document["paths"], key=lambda path: ("{" in path, path))
        self._paths = [(re.compile(re.sub(r"\{[^}]+\}", "[^/{}]+", path)), path) for path in ordered]
        self._by_route = {(each.method, each.path): each for each in self.operations.values()}
        self._validators: dict[int, Draft202012Validator] = {}
        self._quick: dict[int, jsonschema_rs.Draft202012Validator] = {}
        self._known_headers = {name.lower() for name in self._header_names()}

    def _operations(self) -> Iterator[Operation]:
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    spec = item[method]
                    parameters = [self.resolve(one) for one in (*item.get("parameters", ()), *spec.get("parameters", ()))]
                    yield Operation(spec["operationId"], method.upper(), path, spec, parameters)

    def responses(self) -> Iterator[tuple[str, Json]]:
        """Every response there is, with a name to tell of it by."""
        for operation in self.operations.values():
            for status, response in operation.spec["responses"].items():
                yield f"{operation.id} {status}", self.resolve(response)
        for name, response in self.document["components"].get("responses", {}).items():
            yield name, response

    def _header_names(self) -> Iterator[str]:
        for _, response in self.responses():
            yield from response.get("headers", {})

    def resolve(self, node: Json) -> Json:
        """What a reference points to; anything else is itself."""
        while "$ref" in node:
            found: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            node = found
        return node

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that a request is for; HEAD is GET without the body (RFC 9110 §9.3.2)."""
        if method == "OPTIONS":  # of a path with surplus slashes it is that of the path that is meant
            path = "/" + "/".join(part for part in path.split("/") if part)
        template = self._template(path)
        return None if template is None else self._by_route.get(("GET" if method == "HEAD" else method, template))

    def _template(self, path: str) -> str | None:
        return next((template for pattern, template in self._paths if pattern.fullmatch(path.partition("?")[0])), None)

    def _response(self, method: str, path: str, status: int, body: bytes) -> tuple[str, Json]:
        operation, shared = self.find(method, path), self.document["components"]["responses"]
        for code, name in AT_THE_EDGE.items():
            if status >= 400 and b'"code":"%s"' % code.encode() in body and not self._names(operation, status, code):
                return name, shared[name]
        if operation is None and method == "OPTIONS" and status == 204:
            return "Options", shared["Options"]
        if operation is None:
            name = "RouteUnknown" if self._template(path) is None else "MethodNotAllowed"
            if str(status) != {"RouteUnknown": "404", "MethodNotAllowed": "405"}[name]:
                raise Breach(
                    f"{method} {path} was answered {status}, and is not in the contract: add it under `paths` of {self.file}, "
                    "with an operationId, its parameters, and every status it answers with."
                )
            return name, shared[name]
        responses = operation.spec["responses"]
        if str(status) not in responses:
            raise Breach(
                f"{operation.id} ({method} {operation.path}) answered {status}; the contract has {', '.join(responses)}: "
                f"add '{status}' to its `responses` in {self.file}, or mend the answer, which was {body[:500]!r}"
            )
        return f"{operation.id} {status}", self.resolve(responses[str(status)])

    def _names(self, operation: Operation | None, status: int, code: str) -> bool:
        """Whether an operation has this code under this status."""
        response = {} if operation is None else self.resolve(operation.spec["responses"].get(str(status), {}))
        schema = response.get("content", {}).get("application/problem+json", {}).get("schema")
        return schema is not None and code in self.codes_of(schema["properties"]["code"])

    def codes_of(self, schema: Json) -> set[str]:
        """The codes a schema of `code` lets through."""
        schema = self.resolve(schema)
        found = set(schema.get("enum", ())) | ({schema["const"]} if "const" in schema else set())
        return found.union(*(self.codes_of(part) for part in schema.get("anyOf", ())))

    def check(self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Raise Breach unless the contract has this answer to this request."""
        name, response = self._response(method, path, status, body)
        self._check_headers(name, response, headers)
        if method != "HEAD":  # RFC 9110 §9.3.2: the headers of an answer, without the body
            self._check_body(name, response, headers, body)

    def _check_headers(self, name: str, response: Json, headers: Mapping[str, str]) -> None:
        documented = {header.lower(): self.resolve(spec) for header, spec in response.get("headers", {}).items()}
        given = {header.lower(): value for header, value in headers.items()}
        for header, spec in documented.items():
            if header in given:
                value: Any = given[header]
                convert = _BY_SCHEMA_TYPE.get(self.resolve(spec["schema"]).get("type", ""), str)
                self.check_value(f"{name}, header {header}", spec["schema"], convert(value))
            elif spec.get("required"):
                raise Breach(f"{name} lacks the header {header}")
        surplus = (given.keys() & self._known_headers) - documented.keys()
        if surplus:
            raise Breach(f"{name} carries headers that the contract does not have there: {', '.join(sorted(surplus))}")

    def _check_body(self, name: str, response: Json, headers: Mapping[str, str], body: bytes) -> None:
        content = response.get("content")
        if content is None:
            if body:
                raise Breach(f"{name} has a body where the contract has none: {body[:200]!r}")
            return
        media = headers.get("Content-Type", "").partition(";")[0]
        if media not in content:
            raise Breach(f"{name} came as {media!r}; the contract has {', '.join(content)}")
        try:
            value: Any = body.decode()
            if media.endswith("json"):
                value = json.loads(value)
        except ValueError as error:
            raise Breach(f"{name} is not readable as {media}: {error}") from error
        self.check_value(name, content[media]["schema"], value)

    def check_value(self, name: str, schema: Json, value: Any) -> None:
        """Raise Breach unless a value is what a schema says. Judged by the quick validator, explained by the talkative one."""
        quick = self._quick.get(id(schema))
        if quick is None:
            quick = jsonschema_rs.Draft202012Validator(self._whole(schema), validate_formats=True)
            self._quick[id(schema)] = quick
        if not quick.is_valid(value):
            flaw = best_match(self.validator(schema).iter_errors(value))
            at, said = (flaw.json_path, flaw.message) if flaw is not None else ("$", next(quick.iter_errors(value)).message)
            raise Breach(f"{name}: at {at}: {said}; mend the answer, or the schema in {self.file}")

    def validator(self, schema: Json) -> Draft202012Validator:
        """A validator of a schema of this document, references and all."""
        if id(schema) not in self._validators:
            self._validators[id(schema)] = Draft202012Validator(
                self._whole(schema), format_checker=Draft202012Validator.FORMAT_CHECKER
            )
        return self._validators[id(schema)]

    def _whole(self, schema: Json) -> Json:
        return {"allOf": [schema], "components": self.document["components"]}

    def component(self, name: str) -> Json:
        """A schema of the components."""
        return dict(self.document["components"]["schemas"][name])


@cache
def load(name: str) -> Contract:
    """`gateway` or `merchant`."""
    file = f"{name}.openapi.yaml"
    return Contract(read(resources.contracts() / file), f"contracts/{file}")


def read(path: Path) -> Any:
    """A document; a name that stands twice in one place is an error, not the last one's."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # noqa: S506 - a safe loader, stricter still


class _StrictLoader(yaml_text.LOADER):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {name for name in names if names.count(name) > 1}
        assert not twice, f"{twice} stands twice{node.start_mark}"
        return super().construct_mapping(node, deep)
