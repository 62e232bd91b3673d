"""The edge of the process: what ends a command from outside (Ctrl-C, a pipe that closes, a disk that is full, a package
that is not there) ends it with one line and a status, never a traceback.

Status 0: done. 1: a spec is wrong, or something failed. 2: bad usage. 130: interrupted. 141: nobody reads on.
"""

from __future__ import annotations

import codecs
import errno
import gc
import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

_TYPED = {"×": "x", "·": "*", "…": "...", "→": "->", "–": "-", "−": "-", "±": "+-"}
INTERRUPTED, UNREAD = 130, 141  # what shells call ends by SIGINT and by SIGPIPE


def run() -> NoReturn:
    """The command line of `sys.argv`, as a whole process."""
    interrupted: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        if interrupted:  # again: whatever is still being tidied up
            os._exit(INTERRUPTED)
        interrupted.append(number)
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # nohup and shells' background jobs ignore it
        signal.signal(signal.SIGINT, interrupt)
    try:
        _streams()
        status = _invoke()
        sys.stdout.flush()
        if interrupted:  # a package has swallowed it
            raise KeyboardInterrupt
    except BaseException as error:
        # An interrupt while a package is being imported may come back as whatever the package makes of it.
        told = KeyboardInterrupt() if interrupted else error
        status, message = _told(told)
        if message:
            with suppress(OSError):
                sys.stderr.write(f"archspec: {message}\n")
    _let_go()
    if status == INTERRUPTED:  # Python may end itself by the signal instead, and waits for threads that still work
        gc.collect()  # what was shared with other processes, as semaphores, goes with the objects that held it
        os._exit(status)
    sys.exit(status)


def _streams() -> None:
    """Streams that print any character, if need be as an escape, and that are there."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    if sys.stdout is None:
        raise OSError(errno.EBADF, "standard output is closed")
    codecs.register_error("archspec", _plain)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="archspec")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What an encoding lacks, in its letters: the signs of our own tables as people type them, the rest escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_TYPED.get(c) or ascii(c)[1:-1] for c in lacking), error.end


def _invoke() -> int:
    from archspec.cli import main

    if "_ARCHSPEC_COMPLETE" in os.environ:  # a shell asks for completions
        main(prog_name="archspec")
    with main.make_context("archspec", sys.argv[1:]) as context:
        main.invoke(context)
    return 0


def _told(error: BaseException) -> tuple[int, str]:
    """The status of a process that ends so, and what to say; bugs are raised again."""
    import click

    match error:
        case KeyboardInterrupt() | click.Abort():
            return INTERRUPTED, "interrupted"
        case SystemExit(code=code):
            return (code, "") if isinstance(code, int) else (0, "") if code is None else (1, str(code))
        case click.exceptions.Exit(exit_code=code):
            return code, ""
        case click.ClickException():
            with suppress(OSError):
                error.show()
            return error.exit_code, ""
        case OSError(errno=errno.EPIPE):
            return UNREAD, ""
        case OSError():
            return 1, _reason(error)
        case ModuleNotFoundError(name=str(name)) if name.partition(".")[0] != "archspec":
            return 1, f"this needs the package '{name.partition('.')[0]}', which is not installed"
        case MemoryError():
            return 1, "there is not enough memory"
    raise error


def _reason(error: OSError) -> str:
    what = error.strerror or str(error)
    return f"{error.filename}: {what}" if error.filename else f"cannot write: {what}"


def _let_go() -> None:
    """Points standard streams that cannot be written nowhere: Python writes what is left of them as it ends."""
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            _flush(stream)
        except (OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)


def _flush(stream: Any) -> None:
    if stream is not None:
        stream.flush()
