"""The contract as it is served: the file, with the URL that this gateway was reached by."""

import re
from functools import cache
from typing import Any

import msgspec

from gatecrash import resources

FILE = "gateway.openapi.yaml"
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


def served(host: str | None) -> bytes:
    """The contract as JSON. Its server is `host`, as the request named it; without a good one, where the document came from."""
    url = url_by(host) or "/"
    return msgspec.json.encode({**_document(), "servers": [{"url": url, "description": "This gateway."}]})


def url_by(host: str | None) -> str:
    """The URL that a request reached this gateway by, from its Host; empty where that is no good one."""
    return f"http://{host}" if host is not None and _HOST.fullmatch(host) else ""


@cache
def _document() -> dict[str, Any]:
    """Read when it is first asked for, by what is loaded then: most gateways never are."""
    from gatecrash import yaml_text

    document: dict[str, Any] = yaml_text.read((resources.contracts() / FILE).read_text(encoding="utf-8"))
    return document
