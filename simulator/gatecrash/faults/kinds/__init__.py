"""The kinds of fault, by name. Each is a small class: its fields are its params, `strike` is what it does."""

from gatecrash.faults.kinds.answers import Status
from gatecrash.faults.kinds.connection import Close, Reset
from gatecrash.faults.kinds.deliveries import Drop, Duplicate, Hold
from gatecrash.faults.kinds.kind import Kind
from gatecrash.faults.kinds.messages import Forge, Stale, Tamper
from gatecrash.faults.kinds.outcomes import Decline, RateLimit
from gatecrash.faults.kinds.process import Crash
from gatecrash.faults.kinds.timing import Delay, Hang
from gatecrash.faults.kinds.wire import Drip, Garbage, Truncate

KINDS: dict[str, type[Kind]] = {
    "crash": Crash,
    "hang": Hang,
    "delay": Delay,
    "reset": Reset,
    "close": Close,
    "truncate": Truncate,
    "drip": Drip,
    "garbage": Garbage,
    "status": Status,
    "decline": Decline,
    "rate_limit": RateLimit,
    "drop": Drop,
    "duplicate": Duplicate,
    "hold": Hold,
    "forge": Forge,
    "tamper": Tamper,
    "stale": Stale,
}
