"""Rests: an endpoint that fails again and again is asked less often, so that a dead one costs the living little."""

_GRACE = 20  # failures in a row that count for nothing
_STEP_S, _LONGEST_S = 0.05, 1.0


class Rests:
    """Of one sandbox's endpoints, in real seconds: it is this machine that is spared. A success ends all rest."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def note(self, endpoint_id: str, *, accepted: bool, now_s: float) -> None:
        """Keep how an attempt went."""
        if accepted:
            self._failures.pop(endpoint_id, None)
            self._until.pop(endpoint_id, None)
            return
        failures = self._failures[endpoint_id] = self._failures.get(endpoint_id, 0) + 1
        if failures > _GRACE:
            self._until[endpoint_id] = now_s + min(_LONGEST_S, (failures - _GRACE) * _STEP_S)

    def left_s(self, endpoint_id: str, now_s: float) -> float:
        """How long it rests yet."""
        return max(0.0, self._until.get(endpoint_id, 0.0) - now_s)
