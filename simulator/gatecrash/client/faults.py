"""What breaks in a sandbox: its fault rules."""

from collections.abc import Mapping
from types import EllipsisType
from typing import Any
from urllib.parse import quote

from gatecrash.client.call import Calls, Json, Jsons, given

__tracebackhide__ = True  # pytest shows the line of the test instead


class Faults:
    """The fault rules of one sandbox."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        # ids of rules that were armed through this handle and must strike
        self._must_strike: set[str] = set()

    def add(
        self,
        /,
        station: str,
        kind: str,
        *,
        params: Mapping[str, Any] | None = None,
        match: Mapping[str, Any] | None = None,
        nth: int | None = None,
        times: int | EllipsisType | None = ...,
        probability: float | None = None,
        seed: int | str | None = None,
        may_not_strike: bool = False,
        **more: Any,
    ) -> Json:
        """Arm a rule, and return it with its `id`. `times=None` means always; left out, once.

        A rule that never strikes tests nothing: `never_struck` lists it, unless it `may_not_strike`. `more` goes along as it
        is, for fields that this version does not know; the gateway refuses by name what it does not know either.
        """
        rule = given(params=params, match=match, nth=nth, probability=probability, seed=seed)
        if not isinstance(times, EllipsisType):
            rule["times"] = times
        added: Json = self._calls.call("POST", "/_gatecrash/faults", {"station": station, "kind": kind, **rule, **more})
        if not may_not_strike:
            self._must_strike.add(added["id"])
        return added

    def get(self, rule_id: str) -> Json:
        """A rule as it stands: how often it has `seen` a match and `fired`."""
        rule: Json = self._calls.call("GET", f"/_gatecrash/faults/{quote(rule_id, safe='')}")
        return rule

    def list(self) -> Jsons:
        """All rules, in the order they were added."""
        rules: Jsons = self._calls.call("GET", "/_gatecrash/faults")["data"]
        return rules

    def remove(self, rule_id: str) -> Json:
        """Disarm a rule; what it holds goes on. Its last state."""
        rule: Json = self._calls.call("DELETE", f"/_gatecrash/faults/{quote(rule_id, safe='')}")
        return rule

    def clear(self) -> int:
        """Disarm all rules; how many there were."""
        return int(self._calls.call("DELETE", "/_gatecrash/faults")["cleared"])

    def never_struck(self) -> Jsons:
        """The rules that were armed through this handle, are still armed and have never struck."""
        return (
            [rule for rule in self.list() if rule["id"] in self._must_strike and not rule["fired"]] if self._must_strike else []
        )

    def forget(self) -> None:
        """The sandbox begins anew, without rules."""
        self._must_strike.clear()

    def stations(self) -> Jsons:
        """Where a fault can strike, and which kinds make sense there."""
        stations: Jsons = self._calls.call("GET", "/_gatecrash/stations")["data"]
        return stations
