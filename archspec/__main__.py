"""`python -m archspec` and the command `archspec` are the command line."""

from __future__ import annotations

import gc
import sys
from typing import NoReturn


def main() -> NoReturn:
    """The command line as a process of its own; it is loaded here, so that an interrupt meanwhile is met too."""
    gc.disable()  # modules are not garbage: looking for it among them takes a twentieth of `summary`
    try:
        from archspec.cli.edge import run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
