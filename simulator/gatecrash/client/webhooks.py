"""Whom a sandbox tells: its webhook endpoints, and what became of the deliveries."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from gatecrash.client.call import Calls, Json, Jsons, given

if TYPE_CHECKING:
    from gatecrash.client.catch import Answers, Caught

__tracebackhide__ = True  # pytest shows the line of the test instead

_ALL = ("*",)


class Webhooks:
    """The webhook endpoints of one sandbox."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(self, url: str, *, events: Sequence[str] = _ALL, description: str | None = None) -> Json:
        """Have the sandbox tell `url` from now on. The endpoint, with the `secret` that it signs with."""
        body = given(url=url, events=list(events), description=description)
        endpoint: Json = self._calls.call("POST", "/v1/webhook_endpoints", body)
        return endpoint

    def list(self) -> Jsons:
        """All endpoints, newest first; without their secrets."""
        return self._calls.every("/v1/webhook_endpoints")

    def get(self, endpoint_id: str) -> Json:
        endpoint: Json = self._calls.call("GET", _path(endpoint_id))
        return endpoint

    def delete(self, endpoint_id: str) -> Json:
        """Tell it nothing any more; what is on its way to it is called off."""
        endpoint: Json = self._calls.call("DELETE", _path(endpoint_id))
        return endpoint

    def rotate_secret(self, endpoint_id: str, *, overlap_s: float | None = None) -> Json:
        """The endpoint with its new `secret`; for `overlap_s` of sandbox time (a day, if not given) both sign."""
        endpoint: Json = self._calls.call("POST", _path(endpoint_id) + "/rotate_secret", given(overlap_s=overlap_s))
        return endpoint

    def deliveries(self, event_id: str) -> Jsons:
        """The deliveries of an event, newest first, each with its attempts."""
        return self._calls.every(f"/v1/events/{quote(event_id, safe='')}/deliveries")

    def resend(self, event_id: str, *, endpoint_id: str | None = None) -> Jsons:
        """Tell an event once more, to one endpoint or to all that want it; the new deliveries."""
        path = f"/v1/events/{quote(event_id, safe='')}/resend"
        sent: Jsons = self._calls.call("POST", path, given(endpoint_id=endpoint_id))["data"]
        return sent

    def catch(
        self,
        *,
        events: Sequence[str] = _ALL,
        answer: "Answers" = 200,
        path: str = "/webhooks",
        host: str = "127.0.0.1",
    ) -> "Caught":
        """A local receiver in threads of its own, registered on entering: `with sandbox.webhooks.catch() as caught:`.

        It verifies and records what comes, and answers `answer`: a status, an `Answer`, a function of the webhook that gives
        one of them, or a list of these, one after another, the last again and again. `[500, 500, 200]` fails twice.
        """
        from gatecrash.client.catch import Caught

        return Caught(self, events, answer, path, host)


def _path(endpoint_id: str) -> str:
    return f"/v1/webhook_endpoints/{quote(endpoint_id, safe='')}"
