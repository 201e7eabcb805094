"""The command `deepfake-monitor`: from its start to an exit code (docs/cli.md), without a traceback on the way.

Nothing heavy is imported above: a Ctrl-C while the commands are being loaded must meet `main`, not the import.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from analyzer.errors import DeepfakeMonitorError
from stream_server.cli.exit_codes import Exit, exit_code_of


@contextmanager
def _terminate_like_ctrl_c() -> Iterator[None]:
    """SIGTERM ends the program as Ctrl-C does, so that files in the making and threads are cleaned up then too."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def main() -> None:
    """Run the command line; every error that we raise on purpose is one line, without a traceback."""
    try:
        with _terminate_like_ctrl_c():
            _run()
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(Exit.INTERRUPTED)


def _run() -> None:
    from rich.markup import escape  # noqa: PLC0415  # see the top

    from stream_server.cli.commands import app, say  # noqa: PLC0415

    try:
        app(prog_name="deepfake-monitor")
    except DeepfakeMonitorError as error:
        say.print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(exit_code_of(error))
    except BrokenPipeError:
        sys.exit(Exit.OK)  # `| head` has seen enough


if __name__ == "__main__":
    main()
