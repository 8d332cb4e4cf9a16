"""What a broker needs from the machine: a Java runtime, openssl, and Pulsar's jars by way of Maven."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
POM = HERE / "pom.xml"
CACHE = HERE.parents[1] / "target" / "pulsar"
LIB = CACHE / "lib"
OLDEST_JAVA = 17


class PulsarError(Exception):
    """Something went wrong; the text is for the person who ran the command."""

    exit_status = 1


class MissingTool(PulsarError):
    """A program is not installed; the text says which, and how to get it."""

    exit_status = 2


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Hold an exclusive lock on the file `path`. The kernel drops it when this process has ended, however it ended,
    and with it every process that was given the descriptor.
    """
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def find_java() -> str:
    """The path of a `java` of version 17 or later: of JAVA_HOME if that is set, else the first on PATH."""
    advice = "install a JDK, e.g. `apt install openjdk-17-jdk-headless`, and set JAVA_HOME or PATH"
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java" if home else "java")
    if java is None:
        where = f"JAVA_HOME ({home})" if home else "PATH"
        raise MissingTool(f"no java in {where}: {advice}")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', answer)
    if version is None or int(version[1]) < OLDEST_JAVA:
        found = f"version {version[1]}" if version else f"of unknown version ({answer.strip()!r})"
        raise MissingTool(f"{java} is {found}, Pulsar needs {OLDEST_JAVA} or later: {advice}")
    return java


def find_openssl() -> str:
    """The path of the `openssl` command, which makes the certificates."""
    return _find("openssl", "`apt install openssl`")


def find_jars() -> Path:
    """The folder with Pulsar's jars, kept from run to run; Maven fills it the first time and when pom.xml changes.

    Maven writes to a folder beside it, renamed when complete, so that a killed run leaves nothing that looks usable.
    The copy of pom.xml among the jars says what they were resolved from. Of two runs at once the second waits.
    """
    if _jars_are_current():
        return LIB
    maven = _find("mvn", "`apt install maven`")
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / "lock") as lock:
        if _jars_are_current():
            return LIB
        print("pulsar: resolving Pulsar's jars with Maven (232 MB, once)", file=sys.stderr)
        partial = CACHE / "lib.partial"
        shutil.rmtree(partial, ignore_errors=True)
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={partial}"]
        # Maven holds the lock too: it goes on writing for a while if this process is killed.
        command = [maven, "-q", "-B", "-f", str(POM), *goal]
        done = subprocess.run(command, stdout=sys.stderr, pass_fds=[lock], check=False)
        if done.returncode != 0:
            raise PulsarError(
                f"Maven could not resolve the jars of {POM} (exit status {done.returncode}, its output is above)"
            )
        shutil.copy(POM, partial / POM.name)
        shutil.rmtree(LIB, ignore_errors=True)
        partial.rename(LIB)
    return LIB


def _jars_are_current() -> bool:
    resolved_from = LIB / POM.name
    return resolved_from.exists() and resolved_from.read_bytes() == POM.read_bytes()


def _find(program: str, advice: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise MissingTool(f"no {program} on PATH: {advice}")
    return path
