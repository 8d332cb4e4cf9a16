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
CACHE = HERE.parents[1] / "target" / "pulsar"
VERSION = "4.0.8"
"""The Pulsar that is started unless another one is asked for."""
VERSIONS = ("3.0.0", "4.0.0", VERSION)
MAVEN = "3.9.9"
"""A Maven that resolves the jars of every version in seconds; Debian's 3.8 collects those of 3.0.0 without an end."""
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
    """Return the path of a `java` of version 17 or later: of JAVA_HOME if that is set, else the first on PATH."""
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
    """Return the path of the `openssl` command, which makes the certificates."""
    return _find("openssl", "`apt install openssl`")


def find_jars(version: str = VERSION) -> Path:
    """Return the folder with the jars of a version of Pulsar."""
    if version not in VERSIONS:
        raise PulsarError(f"there is no Pulsar {version} here: one of {', '.join(VERSIONS)}")
    what = f"Pulsar {version} (about 230 MB"
    if version == VERSION:
        return _resolved(what, "lib", "pom.xml")
    return _resolved(what, f"lib-{version}", f"pom-{version}.xml", with_newer_maven=True)


def find_extra_jars(name: str) -> Path:
    """The folder with the jars of `oidc`, which a broker needs for OAuth2 tokens, or of the `issuer` of such tokens."""
    return _resolved(f"{name} (about 20 MB", f"lib-{name}", f"pom-{name}.xml")


def _resolved(what: str, folder: str, pom_name: str, with_newer_maven: bool = False) -> Path:
    """Return the folder with the jars of a pom. Maven fills it the first time, and again when the pom changes.

    Maven writes to a folder beside it, renamed when complete, so that a killed run leaves nothing that looks usable.
    The copy of the pom among the jars says what they were resolved from. Of two runs at once the second waits.
    """
    pom, jars = HERE / pom_name, CACHE / folder
    if _are_current(jars, pom):
        return jars
    maven = _find("mvn", "`apt install maven`")
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / "lock") as lock:
        if _are_current(jars, pom):
            return jars
        print(f"pulsar: resolving the jars of {what}, once) with Maven", file=sys.stderr)
        partial = CACHE / f"{folder}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        if with_newer_maven:
            maven = _newer_maven(maven, lock)
        collect = ["-Daether.dependencyCollector.impl=bf"] if with_newer_maven else []
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial}"]
        _run_maven([maven, "-f", str(pom), *collect, *goal], lock)
        shutil.copy(pom, partial / pom.name)
        shutil.rmtree(jars, ignore_errors=True)
        partial.rename(jars)
    return jars


def _are_current(jars: Path, pom: Path) -> bool:
    resolved_from = jars / pom.name
    return resolved_from.exists() and resolved_from.read_bytes() == pom.read_bytes()


def _newer_maven(maven: str, lock: int) -> str:
    """Return the path of a Maven that the installed one fetched."""
    folder = CACHE / f"apache-maven-{MAVEN}"
    if not folder.exists():
        artifact = f"-Dartifact=org.apache.maven:apache-maven:{MAVEN}:zip:bin"
        _run_maven([maven, "dependency:copy", artifact, f"-DoutputDirectory={CACHE}"], lock)
        shutil.unpack_archive(CACHE / f"{folder.name}-bin.zip", CACHE)
        (folder / "bin/mvn").chmod(0o755)  # The archive's own permissions are not unpacked.
    return str(folder / "bin/mvn")


def _run_maven(command: list[str], lock: int) -> None:
    """Run Maven, which holds the lock too: it goes on writing for a while if this process is killed."""
    done = subprocess.run([command[0], "-q", "-B", *command[1:]], stdout=sys.stderr, pass_fds=[lock], check=False)
    if done.returncode != 0:
        raise PulsarError(f"`{' '.join(command)}` failed with status {done.returncode}, its output is above")


def _find(program: str, advice: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise MissingTool(f"no {program} on PATH: {advice}")
    return path
