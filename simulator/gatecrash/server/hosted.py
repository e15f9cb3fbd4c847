"""Pages the gateway hosts: the card fields for an iframe, and what each error code means."""

from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from gatecrash.core.errors import CATALOGUE, Refused
from gatecrash.dialects.interface import Asked
from gatecrash.dialects.native.errors import status_of

# what a page answers; it may refuse
Page = Callable[[Asked], web.StreamResponse]

_FILES = Path(__file__).with_name("pages")
# the page may be framed by any merchant; it runs its own script and talks to its own gateway only
_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


def _file(name: str) -> web.StreamResponse:
    path = _FILES / name
    headers = {
        "Content-Security-Policy": _POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }
    return web.Response(
        text=path.read_text(encoding="utf-8"),
        content_type=_TYPES[path.suffix],
        charset="utf-8",
        headers=headers,
    )


def _card_fields(asked: Asked) -> web.StreamResponse:
    return _file("card_fields.html")


def _card_fields_script(asked: Asked) -> web.StreamResponse:
    return _file("card_fields.js")


def _card_fields_style(asked: Asked) -> web.StreamResponse:
    return _file("card_fields.css")


def _error(asked: Asked) -> web.StreamResponse:
    code = asked.path_params["code"]
    explained = CATALOGUE.get(code)
    if explained is None:
        known = ", ".join(sorted(CATALOGUE))
        raise Refused("resource_missing", f"no error code {code[:60]!r}; known are: {known}.", "code")
    return web.json_response({"code": code, "title": explained.title, "status": status_of(code), "advice": explained.advice})


PAGES: dict[str, Page] = {
    "/hosted/card-fields": _card_fields,
    "/hosted/card-fields.js": _card_fields_script,
    "/hosted/card-fields.css": _card_fields_style,
    "/errors/{code}": _error,
}
