"""A real PostgreSQL server for tests: Debian's package, a folder of its own, a free port of the loopback interface."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import psutil
import psycopg

from tests.tools import missing_tool

_START_S = 30.0


def _program(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(debian[-1]) if debian else shutil.which(name)


def require() -> None:
    """Skip the test where there is no PostgreSQL; with CI=true that is an error."""
    if _program("postgres") is None or _program("initdb") is None:
        missing_tool("PostgreSQL (Debian's postgresql)")


class Postgres:
    """One server; `stop` and `start` again keep its data."""

    def __init__(self) -> None:
        # as root another user runs it: PostgreSQL refuses root
        self._user = "postgres" if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="dm-postgres-"))
        if self._user:
            shutil.chown(self.folder, self._user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "--no-sync")

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    @property
    def url(self) -> str:
        return f"postgresql://postgres:secret-word@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        self._process = subprocess.Popen(
            self._as_user("postgres", "-D", self.data, "-p", str(self.port), *settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_S
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """At once: every connection breaks."""
        if self._process is not None:
            self._run("pg_ctl", "stop", "-D", self.data, "-m", "immediate", "-w")
            self._process.wait(10)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It runs and takes what comes, but answers nobody."""
        assert self._process is not None
        main = psutil.Process(self._process.pid)
        everyone = [main, *main.children(recursive=True)]
        for one in everyone:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
        try:
            yield
        finally:
            for one in everyone:
                with suppress(psutil.NoSuchProcess):
                    one.resume()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _as_user(self, name: str, *arguments: str) -> list[str]:
        program = _program(name)
        assert program is not None
        before = ["setpriv", "--reuid", self._user, "--regid", self._user, "--init-groups"] if self._user else []
        return [*before, program, *arguments]

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(self._as_user(name, *arguments), check=True, capture_output=True, timeout=60, cwd=self.folder)
