#!/usr/bin/env python3
"""Says which tools that `make demo`, `test`, `bench`, `lint`, `site` or `languages` need are missing.

They come with how to get them: tools.py demo|test|bench|lint|site|languages [mock|real]
"""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple


class Tool(NamedTuple):
    """A program, what it is for, and where it comes from."""

    name: str
    use: str
    source: str


CARGO = Tool("cargo", "builds the Rust code (1.95 or later)", "rustup, or `apt install cargo` where that is new enough")
CC = Tool("cc", "links, and compiles the C examples", "apt install gcc")
CXX = Tool("c++", "compiles the C++ tests", "apt install g++")
CMAKE = Tool("cmake", "builds and runs the tests in C", "apt install cmake")
PKG_CONFIG = Tool("pkg-config", "finds the installed library in a test of the installation", "apt install pkg-config")
JAVA = Tool(
    "java",
    "runs the real Pulsar broker and a Java client (JDK 17 or later)",
    "apt install openjdk-17-jdk-headless",
)
MAVEN = Tool("mvn", "fetches the real Pulsar broker", "apt install maven")
OPENSSL = Tool("openssl", "makes the certificates of the secure broker", "apt install openssl")
SQUID = Tool("squid", "is a proxy in the tests", "apt install squid")
TINYPROXY = Tool("tinyproxy", "is a proxy in the tests", "apt install tinyproxy")
MICROSOCKS = Tool("microsocks", "is a SOCKS proxy in the tests", "apt install microsocks")
CLIPPY = Tool("cargo-clippy", "looks for mistakes in the Rust code", "rustup component add clippy")
RUSTFMT = Tool("rustfmt", "holds the Rust code to one format", "rustup component add rustfmt")

DOXYGEN = Tool("doxygen", "makes the reference of C and C++", "apt install doxygen")

NGINX = Tool("nginx", "is a gateway before the broker in tests", "apt install nginx-light")
HAPROXY = Tool("haproxy", "is a gateway before the broker, and a proxy with TLS, in tests", "apt install haproxy")

# With the programs of the administrator, among which Debian puts servers.
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"

BROKER = [JAVA, MAVEN, OPENSSL]
NEEDED = {
    "demo": [CARGO, CC],
    "test": [CARGO, CC, CXX, CMAKE, PKG_CONFIG, NGINX, HAPROXY, SQUID, TINYPROXY, MICROSOCKS, *BROKER],
    "bench": [CARGO, CC, *BROKER],
    "lint": [CARGO, CLIPPY, RUSTFMT],
    "site": [CARGO, DOXYGEN],
    "languages": [CARGO, CC],
}


def problems(task: str, pulsar: str) -> list[str]:
    """Return what is missing for a task, a sentence each."""
    needed = NEEDED[task] + (BROKER if task == "demo" and pulsar == "real" else [])
    found = [f"{tool.name}: {tool.use}; {tool.source}" for tool in needed if shutil.which(tool.name, path=PATH) is None]
    if sys.version_info < (3, 11):
        found.append(f"python3 3.11 or later: this is {sys.version.split()[0]}; set PYTHON to a newer one")
    elif subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode:
        found.append(
            "python3's venv: the wheel and its tests get an environment of their own; apt install python3-venv"
        )
    return found


def main() -> int:
    """Say what is missing; 2 if anything is."""
    task = sys.argv[1]
    missing = problems(task, sys.argv[2] if len(sys.argv) > 2 else "mock")
    if missing:
        print(f"make {task} needs what is not on this machine:", file=sys.stderr)
        print("".join(f"  {problem}\n" for problem in missing), end="", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
