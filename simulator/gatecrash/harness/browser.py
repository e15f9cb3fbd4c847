"""The browser of one customer: it keeps cookies, follows redirects, and visits the pages of the profile before the first call."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from gatecrash.harness.templates import Call, resolve
from gatecrash.harness.world import Host, Reply, World

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Redirects after which the same call is made again; after the others, a GET.
_SAME_AGAIN = frozenset({307, 308})
_REDIRECTS_MAX = 10
#: Statuses of an answer to a customer who is not logged in any more, or whose CSRF token is too old.
_STRANGER = frozenset({401, 403, 419})
#: Header in which the answer to a followed redirect keeps where the first one led.
_LED_TO = "Location"


@dataclass(slots=True)
class Browser:
    """One customer's. `taken` holds the placeholders that the visits filled; `astray` what a visit did not find, in words."""

    world: World
    customer: str
    cookies: dict[str, str] = field(default_factory=dict)
    taken: dict[str, Any] = field(default_factory=dict)
    visits: list[tuple[Call, Reply]] = field(default_factory=list)
    astray: str = ""
    _landed: str = ""

    def remembered(self) -> object:
        """What the next call depends on, besides the state of the shop that set it."""
        return sorted(self.cookies), sorted(self.taken)

    async def call(self, call: Call, values: Mapping[str, Any]) -> Reply:
        """Make a call of the profile, with the visits before it when there were none yet, or when the shop takes this customer
        for a stranger: then the call is made once more.
        """
        profile = self.world.profile
        if not profile.visits:
            return await self._follow(call.fill(self.values(values)))
        if not self.visits:
            await self._visit()
        reply = await self._follow(call.fill(self.values(values)))
        sent_back = self._landed in {urlsplit(each.call.path).path for each in profile.visits} and self._landed != call.path
        if reply.status in _STRANGER or sent_back:
            await self._visit()
            reply = await self._follow(call.fill(self.values(values)))
        return reply

    def values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """These, those of the world, and what the visits took: an empty text where one did not find it."""
        names = (name for visit in self.world.profile.visits for name in visit.take)
        return {**self.world.values, **dict.fromkeys(names, ""), **self.taken, **values}

    async def _visit(self) -> None:
        self.visits, self.astray = [], ""
        for index, visit in enumerate(self.world.profile.visits):
            reply = await self._follow(visit.call.fill(self.values({"customer": self.customer})))
            self.visits.append((visit.call, reply))
            answered = f"{visit.call.told()} was answered {reply.told()}"
            if not reply.ok:
                self.astray = self.astray or f"{self.world.profile.at('visit', index)}: {answered}; expected a 2xx"
                continue
            for name, where in visit.take.items():
                found = self.find(reply, where)
                if found is not None:
                    self.taken[name] = found
                    continue
                at = self.world.profile.at("visit", index, "take", name)
                self.astray = self.astray or f"{at}: {answered}; expected {{{name}}} at {where!r}"

    def find(self, reply: Reply, where: str) -> Any:
        """The value at a place of an answer, as the profile writes places; None when there is none."""
        kind, _, name = where.partition(":")
        match kind:
            case "header":
                return reply.header(name)
            case "cookie":
                return self.cookies.get(name)
            case "field":
                return _Fields.of(reply.text).get(name)
            case "location":
                return _part_of(reply.header(_LED_TO), name)
        return resolve(reply.body, where)

    async def _follow(self, call: Call) -> Reply:
        """Make a call that is filled, and go where the shop sends the browser; not to another host."""
        led_to: str | None = None
        for _ in range(_REDIRECTS_MAX):
            self._landed = urlsplit(call.path).path
            reply = await self._exchange(call)
            location = reply.header(_LED_TO)
            led_to = led_to or location
            target = urlsplit(urljoin(self.world.values["merchant_url"] + call.path, location or ""))
            here = urlsplit(self.world.values["merchant_url"])
            if reply.status not in _REDIRECTS or not location or target.netloc != here.netloc:
                break
            path = target.path + (f"?{target.query}" if target.query else "")
            call = (
                replace(call, path=path) if reply.status in _SAME_AGAIN else Call(method="GET", path=path, headers=call.headers)
            )
        return replace(reply, headers=((_LED_TO, led_to), *reply.headers)) if led_to else reply

    async def _exchange(self, call: Call) -> Reply:
        headers = dict(call.headers)
        if self.cookies:
            own = [value for name, value in headers.items() if name.lower() == "cookie"]
            headers = {name: value for name, value in headers.items() if name.lower() != "cookie"}
            headers["Cookie"] = "; ".join([*own, *(f"{name}={value}" for name, value in self.cookies.items())])
        reply = await self.world.request(
            Host.MERCHANT, call.method, call.path, call.body,
            form=call.form, headers=headers, timeout_s=self.world.profile.page_s, redirects=False,
        )  # fmt: skip
        for line in reply.all_headers("Set-Cookie"):
            self._keep(line)
        return reply

    def _keep(self, line: str) -> None:
        """A cookie as the shop set it, or its end. Which paths and hosts it is for does not matter: there is one shop."""
        try:
            parsed = SimpleCookie(line)
        except CookieError:
            return
        for name, cookie in parsed.items():
            if cookie["max-age"] == "0" or not cookie.value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = cookie.coded_value


def _part_of(location: str | None, template: str) -> str | None:
    """The part of a URL that stands where the template has {order_id}; without one, the last part of its path."""
    if location is None:
        return None
    if not template:
        parts = [part for part in urlsplit(location).path.split("/") if part]
        return unquote(parts[-1]) if parts else None
    before, _, after = template.partition("{order_id}")
    _, found, rest = location.partition(before)
    if not found:
        return None
    part = rest.partition(after)[0] if after else rest.partition("/")[0].partition("?")[0].partition("&")[0]
    return unquote(part) or None


class _Fields(HTMLParser):
    """The values of the form fields and meta tags of a page, by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    @classmethod
    def of(cls, page: str) -> dict[str, str]:
        parser = cls()
        parser.feed(page)
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name, value = given.get("name") or given.get("id"), given.get("content" if tag == "meta" else "value")
        if tag in ("input", "meta") and name and value is not None:
            self.found.setdefault(name, value)
