"""Pages the gateway hosts: card fields for an iframe, the contract and a page to browse it, what each error code means."""

from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from gatecrash import __version__
from gatecrash.core.errors import CATALOGUE, Refused
from gatecrash.dialects import registry
from gatecrash.dialects.interface import Asked
from gatecrash.dialects.native.errors import status_of
from gatecrash.server import document

# what a page answers; it may refuse
Page = Callable[[Asked], web.StreamResponse]

_FILES = Path(__file__).with_name("pages")
# the page runs its own script and talks to its own gateway only; this one may be framed by any merchant
_FRAMED = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'"
_ALONE = f"{_FRAMED}; frame-ancestors 'none'; img-src data:"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}


def _file(name: str, policy: str) -> Page:
    """A page that is a file of ours."""
    path = _FILES / name
    headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

    def page(asked: Asked) -> web.StreamResponse:
        return web.Response(
            text=path.read_text(encoding="utf-8"), content_type=_TYPES[path.suffix], charset="utf-8", headers=headers
        )

    return page


def _index(asked: Asked) -> web.StreamResponse:
    """Where everything is: JSON for programs; a browser is sent to the page that shows it."""
    vary = {"Vary": "Accept"}
    if "text/html" in asked.headers.get("Accept", "").lower():
        return web.Response(status=302, headers={"Location": "/docs", **vary})
    url = document.url_by(asked.headers.get("Host"))
    dialects = {name: f"{url}/" if name == "native" else f"{url}/{name}" for name in registry.load()}
    where = {"docs": f"{url}/docs", "openapi": f"{url}/openapi.json", "control": f"{url}/_gatecrash"}
    return web.json_response({"name": "gatecrash", "version": __version__, "dialects": dialects, **where}, headers=vary)


def _openapi(asked: Asked) -> web.StreamResponse:
    return web.Response(body=document.served(asked.headers.get("Host")), content_type="application/json")


def _error(asked: Asked) -> web.StreamResponse:
    code = asked.path_params["code"]
    explained = CATALOGUE.get(code)
    if explained is None:
        known = ", ".join(sorted(CATALOGUE))
        raise Refused("resource_missing", f"no error code {code[:60]!r}; known are: {known}.", "code")
    return web.json_response({"code": code, "title": explained.title, "status": status_of(code), "advice": explained.advice})


PAGES: dict[str, Page] = {
    "/": _index,
    "/hosted/card-fields": _file("card_fields.html", _FRAMED),
    "/hosted/card-fields.js": _file("card_fields.js", _FRAMED),
    "/hosted/card-fields.css": _file("card_fields.css", _FRAMED),
    "/openapi.json": _openapi,
    "/docs": _file("docs.html", _ALONE),
    "/hosted/docs.js": _file("docs.js", _ALONE),
    "/hosted/docs.css": _file("docs.css", _ALONE),
    "/errors/{code}": _error,
}
