#!/usr/bin/env python3
"""From Python alone to a working Ambergate: makes `.venv` from the locked requirements, then hands over.

    python3 bootstrap.py demo   # set up and run the demonstration hub (arguments go on to `ambergate demo`)
    python3 bootstrap.py test   # set up and run the checks and tests (arguments go on to pytest)
    python3 bootstrap.py setup  # set up only

Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "ambergate-setup.sha256"
LOCK = ROOT / "requirements.lock"


def wanted_stamp() -> str:
    """Digest of everything that decides what is installed, so that an unchanged set-up is reused."""
    parts = [
        LOCK.read_bytes(),
        (ROOT / "pyproject.toml").read_bytes(),
        sys.version.encode(),
        str(ROOT).encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def set_up() -> None:
    """Create the environment and install the locked requirements with their hashes checked."""
    stamp = wanted_stamp()
    if STAMP.exists() and STAMP.read_text() == stamp:
        return
    print("Setting up .venv (about a minute; once) ...", flush=True)
    venv.EnvBuilder(with_pip=True, clear=VENV.exists()).create(VENV)
    install = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--require-hashes", "-r", str(LOCK)], check=True)
    subprocess.run([*install, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True)
    STAMP.write_text(stamp)


def environment() -> dict[str, str]:
    """This process's own, with the environment's `bin` first on PATH."""
    return {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}


def run(*argv: str) -> int:
    """Run one command of the environment; returns its exit code."""
    return subprocess.run([str(VENV / "bin" / argv[0]), *argv[1:]], env=environment(), cwd=ROOT).returncode


def become(*argv: str) -> NoReturn:
    """Replace this process by one command of the environment, so that Ctrl-C is that command's own."""
    os.chdir(ROOT)
    os.execve(VENV / "bin" / argv[0], list(argv), environment())  # noqa: S606 - no shell is wanted


def test(pytest_arguments: list[str]) -> int:
    """Every check that CI runs, in order, stopping at the first that fails."""
    checks = [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",)]
    for check in checks:
        print("==>", " ".join(check), flush=True)
        if code := run(*check):
            return code
    print("==> pytest", flush=True)
    return run("pytest", *pytest_arguments)


def main() -> int:
    verb, *rest = sys.argv[1:] or ["help"]
    if verb not in {"demo", "test", "setup"}:
        print(__doc__)
        return 0 if verb in {"help", "-h", "--help"} else 2
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        print(f"Ambergate needs Python 3.11, 3.12 or 3.13; this is {sys.version.split()[0]}.", file=sys.stderr)
        return 2
    try:
        set_up()
    except subprocess.CalledProcessError as error:
        print(f"Set-up failed: pip ended with code {error.returncode}; see its message above.", file=sys.stderr)
        return 3
    if verb == "demo":
        become("ambergate", "demo", *rest)
    return test(rest) if verb == "test" else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
