"""Running the hub as a child: one hub a state folder, ready when it answers, gone with everything it started."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

from ambergate_datasets.state import StateFolder, private_folder
from ambergate_hub.settings import HubSettings, require_free
from ambergate_hub.tether import end_with_parent
from ambergate_policies.errors import OperatorError

START_SECONDS = 120
STOP_SECONDS = 60
CONFIGURATION = Path(__file__).resolve().parent / "jupyterhub_config.py"
READY = ("hub/login", "services/admin/")
"""The hub answers early while it starts; its last service, which asks for a login, answers when everything does."""
INHERITED = ("LANG", "LC_ALL", "TZ", "TMPDIR", "HOME")


class Hub:
    """A hub process of ours. `stop` is orderly first and final in the end."""

    def __init__(self, process: subprocess.Popen[bytes], settings: HubSettings) -> None:
        self.process = process
        self.settings = settings

    def wait_until_ready(self) -> None:
        """Returns when hub and services answer. Raises OperatorError when the hub ends or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise OperatorError(f"the hub ended while starting; its last words are in {log_file(self.settings)}")
            if all(_answers(self.settings.address + page) for page in READY):
                return
            time.sleep(0.2)
        raise OperatorError(f"the hub did not answer within {START_SECONDS} s; see {log_file(self.settings)}")

    def wait(self) -> int:
        """The exit code of the hub when it ends by itself."""
        return self.process.wait()

    def stop(self) -> None:
        """Ask the hub to stop servers, services and proxy; kill it when it does not. All it started ends with it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def log_file(settings: HubSettings) -> Path:
    return settings.state.hub / "hub.log"


@contextmanager
def running_hub(settings: HubSettings) -> Iterator[Hub]:
    """Start a hub, wait until it answers, and stop it on leaving, however that happens."""
    with _only_hub(settings.state) as lock:
        require_free(settings.port)
        hub = Hub(_start(settings, lock), settings)
        with _signals_as_exceptions():
            try:
                hub.wait_until_ready()
                yield hub
            finally:
                hub.stop()


def _start(settings: HubSettings, lock: IO[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "jupyterhub", f"--config={CONFIGURATION}"]
    with log_file(settings).open("ab") as log:
        log_file(settings).chmod(0o600)
        return subprocess.Popen(
            command,
            env=_environment(settings, os.environ),
            cwd=settings.state.hub,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            umask=0o077,
            start_new_session=True,  # Ctrl-C reaches us only, and we stop the hub in order
            pass_fds=[lock.fileno()],
            preexec_fn=end_with_parent(),
        )


def _environment(settings: HubSettings, environ: Mapping[str, str]) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    kept = {name: environ[name] for name in INHERITED if name in environ}
    return {**kept, "PATH": path, "PYTHONUNBUFFERED": "1", **settings.environment()}


@contextmanager
def _only_hub(state: StateFolder) -> Iterator[IO[str]]:
    """Holds the state folder's hub lock. The hub inherits it, so that a hub that outlived us still counts."""
    private_folder(state.hub)
    with (state.hub / "hub.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OperatorError(f"a hub is already running on {state.root}; stop that one first") from None
        yield lock


@contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """Within, SIGTERM and SIGHUP leave like Ctrl-C does, also where a shell had SIGINT ignored: `finally` runs."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {sig: signal.signal(sig, interrupt) for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes through a proxy
    try:
        with opener.open(url, timeout=2) as response:
            return int(response.status) == 200
    except (urllib.error.URLError, OSError):
        return False
