#!/usr/bin/env python3
"""Builds the clients in Go, Java and Node: build_languages.py

A language whose tools or packages are missing is named and left out. What is built is below target/bench/languages,
with a program for each client, which `cells.py` names.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from cells import CLIENTS_FOLDER as CLIENTS
from cells import LANGUAGES_FOLDER as BUILT
from cells import ROOT

sys.path.insert(0, str(ROOT / "tests/pulsar"))
sys.path.insert(0, str(ROOT / "tests"))
import languages as suites
import toolchain

Environment = dict[str, str]

WS = "ws@8.23.0"


def go(at: Environment) -> None:
    """Build a program for each of the folders."""
    folders = ["./stargate-go", "./pulsar-client-go", "./gorilla-websocket"]
    run(["go", "build", "-o", f"{BUILT}/", *folders], at, CLIENTS / "go")


def java(at: Environment) -> None:
    """Compile the clients together with the package, against the jars of the broker: they have Pulsar's client."""
    jars, classes = toolchain.find_jars(), BUILT / "java"
    package = (ROOT / "bindings/java/src/main/java/stargate").rglob("*.java")
    sources = [str(path) for path in (*package, *(CLIENTS / "java").glob("*.java"))]
    run(["javac", "-nowarn", "-d", str(classes), "-cp", f"{jars}/*", *sources], at)
    for name, main in (
        ("stargate-java", "StargateJava"),
        ("pulsar-client-java", "PulsarJava"),
        ("jdk-websocket", "JdkWebSocket"),
    ):
        command = [shutil.which("java", path=at["PATH"]) or "java", "--enable-native-access=ALL-UNNAMED"]
        write_program(name, [*command, "-cp", f"{classes}:{jars}/*", main])


def node(at: Environment) -> None:
    """Install the packages; the clients are run where they are."""
    folder = BUILT / "node"
    folder.mkdir(parents=True, exist_ok=True)
    install = ["npm", "install", "--loglevel=error", "--no-save", "--install-links", "--prefix", str(folder)]
    run([*install, str(ROOT / "bindings/node"), WS], at)
    command = ["env", f"NODE_PATH={folder}/node_modules", "node"]
    for name, script in (("stargate-node", "stargate.js"), ("ws", "ws.js")):
        write_program(name, [*command, str(CLIENTS / "node" / script)])


def write_program(name: str, command: list[str]) -> None:
    """Write a program that becomes the command, with the arguments that it gets."""
    program = BUILT / name
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)


def run(command: list[str], at: Environment, folder: Path = ROOT) -> None:
    """Run a command, which must succeed."""
    subprocess.run(command, cwd=folder, env=at, check=True)


LANGUAGES = {
    "go": (go, [suites.GO, suites.CC]),
    "java": (java, [suites.JAVAC, suites.MVN]),
    "node": (node, [suites.NODE, suites.NPM]),
}


def main() -> None:
    """Build what can be built."""
    shutil.rmtree(BUILT, ignore_errors=True)  # so that what is left out is not there
    BUILT.mkdir(parents=True)
    at = suites.environment(ROOT / "target/release/libstargate.so")
    for name, (build, tools) in LANGUAGES.items():
        lacking = [reason for tool in tools if (reason := suites.missing(tool, at))]
        try:
            if not lacking:
                build(at)
        except (subprocess.CalledProcessError, toolchain.PulsarError) as error:
            lacking = [str(error)]
        if lacking:
            print(f"left out: {name}: {'; '.join(lacking)}", flush=True)


if __name__ == "__main__":
    main()
