"""What the merchant prints and logs, kept in memory: in a simulating process nothing else has anything to say."""

import io
import logging
import sys
import traceback
from typing import Self

_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}


class Output(logging.Handler):
    """Takes the place of stdout, of stderr and of the root logger's handlers."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._buffer = io.StringIO()

    @classmethod
    def install(cls) -> Self:
        """For good."""
        output = cls()
        sys.stdout = sys.stderr = output._buffer
        logging.root.handlers[:] = [output]
        logging.root.setLevel(logging.INFO)
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it complains of what a killed host leaves behind
        return output

    def emit(self, record: logging.LogRecord) -> None:
        extra = {name: value for name, value in vars(record).items() if name not in _KNOWN}
        told = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        self._buffer.write(f"{record.levelname} {record.name} {record.getMessage()} {extra or ''}\n{told}")

    def text(self) -> str:
        return self._buffer.getvalue()

    def clear(self) -> None:
        self._buffer.seek(0)
        self._buffer.truncate()
