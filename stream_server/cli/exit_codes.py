"""What the exit code of `deepfake-monitor` says; docs/cli.md repeats it."""

from __future__ import annotations

from enum import IntEnum

from analyzer.errors import ConfigError, DeepfakeMonitorError, EvidenceError, MediaError, SeriesError, SourceError


class Exit(IntEnum):
    """0 is good; every other one says what kind of trouble it is."""

    OK = 0
    FOUND = 1
    """Something was found: a deepfake (`score`), an alert (`replay`), a problem (`doctor`), a change (`verify`)."""
    USAGE = 2
    """The command line is wrong."""
    BAD_INPUT = 3
    """A file, setting or address that was given cannot be used."""
    CANNOT_WORK = 4
    """This machine lacks something: weights, a free port, a working device."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM before the work was done (128 + SIGINT); `serve` that was ready ends with 0 instead."""


def exit_code_of(error: DeepfakeMonitorError) -> Exit:
    """What an error that ended the program is."""
    bad_input = isinstance(error, ConfigError | EvidenceError | MediaError | SeriesError | SourceError)
    return Exit.BAD_INPUT if bad_input else Exit.CANNOT_WORK
