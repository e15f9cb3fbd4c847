"""The process that plays: `python -m gatecrash.harness.explore.worker IN OUT`, with two file descriptors.

Reads what makes its player, then what to play: a story, by its name or as a document, a schedule, and whether to look at
states. Answers each with a play or a failure, in order. Ends when nobody is at the other side any more.
"""

import faulthandler
import signal
import sys
import traceback
from importlib import import_module
from multiprocessing.connection import Connection

from gatecrash.harness.explore.fault import Failure, Player

READY = "ready"


def main() -> None:
    faulthandler.enable()
    # whoever waits in vain asks where it hangs
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    tasks = Connection(int(sys.argv[1]), writable=False)
    plays = Connection(int(sys.argv[2]), readable=False)
    try:
        serve(tasks, plays)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def serve(tasks: Connection, plays: Connection) -> None:
    factory, kwargs = tasks.recv()
    try:
        module, _, function = factory.partition(":")
        player: Player = getattr(import_module(module), function)(**kwargs)
    except Exception as error:
        plays.send(_failure(error))
        return
    try:
        answer(player, tasks, plays)
    finally:
        # what it keeps outside of its process goes with it
        getattr(player, "close", lambda: None)()


def answer(player: Player, tasks: Connection, plays: Connection) -> None:
    plays.send(READY)
    while True:
        told, schedule, looks = tasks.recv()
        try:
            play = player.play(told, schedule, looks)
        except Exception as error:
            plays.send(_failure(error))
        else:
            plays.send(play)


def _failure(error: Exception) -> Failure:
    # ours say all there is to say; of others the kind is half of it, and where it came from
    why, _, more = (str(error) if _ours(error) else "".join(traceback.format_exception_only(error)).strip()).partition("\n")
    source = error.__cause__ if _ours(error) else error
    told = "" if source is None or _ours(source) else "".join(traceback.format_exception(source))
    return Failure(why, "\n".join(each for each in (more, told) if each))


def _ours(error: BaseException) -> bool:
    return type(error).__module__.startswith("gatecrash.")


if __name__ == "__main__":
    main()
