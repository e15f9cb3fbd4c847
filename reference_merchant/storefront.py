"""The page where somebody buys something. The card fields belong to the gateway and live in its iframe.

The page is a template without a template language: names in `$` are filled in once and escaped.
"""

from __future__ import annotations

import html
from functools import cache
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from aiohttp import web

from .orders import CATALOGUE


@cache
def read(name: str) -> str:
    """A file that lies beside this one."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def page(gateway_url: str) -> web.Response:
    """The storefront; only the gateway may be framed, and only our own script runs."""
    parts = urlsplit(gateway_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    goods = "\n".join(
        f'        <label><span>{html.escape(name)}</span> <span class="price">${cents / 100:,.2f}</span>'
        f' <input type="number" name="{html.escape(sku)}" min="0" max="99" value="0"></label>'
        for sku, (name, cents) in CATALOGUE.items()
    )
    text = Template(read("storefront.html")).substitute(goods=goods, gateway_url=html.escape(gateway_url))
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; connect-src 'self';"
        f" frame-src {origin}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    return web.Response(
        text=text,
        content_type="text/html",
        headers={
            "Content-Security-Policy": policy,
            "Referrer-Policy": "strict-origin",
        },
    )


def script() -> web.Response:
    """What the page does."""
    return web.Response(text=read("storefront.js"), content_type="text/javascript")
