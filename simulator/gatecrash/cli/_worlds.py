"""What verbs that run worlds share: whoever stops them leaves nothing running, and a set-up that is wrong is told as such."""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TextIO, TypeVar

import click

from gatecrash.cli._failed import WrongUse

if TYPE_CHECKING:
    from gatecrash.harness.explore.pool import PlayerFailed

P = ParamSpec("P")
T = TypeVar("T")


def runs_worlds(verb: Callable[P, T]) -> Callable[P, T]:
    """Decorate a verb: exit code 2 and one message when its set-up is wrong, 130 when it was interrupted. A reader of its output
    that goes away (`| head`) changes nothing: the reports are written, and the exit code is that of the verdict.
    """

    @wraps(verb)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        from gatecrash.harness.merchant_profile import ProfileError
        from gatecrash.harness.story import StoryError
        from gatecrash.harness.world import SetupFailed

        name = click.get_current_context().info_name
        try:
            with _outlasting_readers():
                return verb(*args, **kwargs)
        except (ProfileError, StoryError, SetupFailed, FileNotFoundError) as error:
            raise WrongUse(f"{name}: {error}") from error
        except WrongUse as error:
            raise WrongUse(f"{name}: {error.message}") from error
        except (KeyboardInterrupt, asyncio.CancelledError):
            click.echo(f"gatecrash {name}: interrupted; everything it had started is stopped", err=True)
            sys.exit(130)

    return guarded


class _Outlasting:
    """A stream of text that drops what is written once its reader has gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def _drop(self) -> None:
        """Point the stream at nothing, with what it has not written yet."""
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self._stream.fileno())
        os.close(nothing)


@contextmanager
def _outlasting_readers() -> Iterator[None]:
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(_Outlasting, streams)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams


def not_simulated(error: "PlayerFailed", profile: Path | str | None = None) -> WrongUse:
    """What to raise where nobody could be made who plays the merchant of this profile, or else ours; what that process had to
    say is told before.
    """
    if error.detail:
        click.echo(error.detail, err=True)
    who = "the merchant" if profile else "the reference merchant"
    return WrongUse(f"{who} cannot be simulated: {error}{look_closer(profile)}")


def look_closer(profile: Path | str | None) -> str:
    """The end of a message about a merchant of the user's that cannot be played."""
    return f"\n  what it is asked and answers, step by step: gatecrash check {shlex.quote(str(profile))}" if profile else ""


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, in which a polite kill and a terminal that is closed clean up as Ctrl-C does."""

    async def stoppable() -> T:
        task = asyncio.current_task()
        assert task is not None
        for each in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(each) is not signal.SIG_IGN:  # nohup
                asyncio.get_running_loop().add_signal_handler(each, task.cancel)
        return await main

    return asyncio.run(stoppable())
