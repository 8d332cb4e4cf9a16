"""Check a built wheel: what is in it, its size, the glibc it needs, and that package and command work when installed.

python tools/check_wheel.py [--profile demo] dist/stargate-*.whl

The bounds of the size are those of a release; a wheel of another profile has none.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

# Of the wheel as it is downloaded, and unpacked.
MAX_BYTES = 7_500_000
MAX_UNPACKED = 16_000_000

EXPECTED = {
    "data/scripts/stargate",
    "dist-info/licenses/LICENSE",
    "dist-info/licenses/THIRD-PARTY-LICENSES",
    "dist-info/sboms/stargate-python.cdx.json",
    "stargate/__init__.py",
    "stargate/_native.abi3.so",
    "stargate/_native.pyi",
    "stargate/aio/__init__.py",
    "stargate/aio/client.py",
    "stargate/py.typed",
    "stargate/pytest_plugin.py",
    "stargate/testing.py",
}

SMOKE = """
import asyncio, importlib.metadata, pathlib, subprocess, sys, warnings
import stargate
from stargate.testing import MockBroker

assert importlib.metadata.version("stargate") == stargate.__version__
assert pathlib.Path(stargate.__file__).is_relative_to(sys.prefix), stargate.__file__

async def with_asyncio(url):
    asyncio.get_running_loop().slow_callback_duration = 60  # a busy machine is no finding
    async with stargate.AsyncClient(url) as client, client.producer("t") as producer:
        async with client.reader("t", starting_message="earliest") as reader:
            await producer.send(b"asyncio")
            assert [m.data for m in await reader.receive_many(2, timeout=10)] == [b"plain", b"asyncio"]

broker = MockBroker()
with stargate.Client(broker.url) as client, client.producer("t") as producer:
    producer.send(b"plain")
asyncio.run(with_asyncio(broker.url))
command = [pathlib.Path(sys.executable).parent / "stargate", "read", "t", "-e"]
read = subprocess.run(command, env={"STARGATE_URL": broker.url}, check=True, capture_output=True)
assert (read.stdout.split(), read.stderr) == ([b"plain", b"asyncio"], b""), read
# An exit with work pending.
client = stargate.Client(broker.url)
producer = client.producer("t")
consumer = client.consume("t", "s", lambda message: None)
futures = [producer.send_nowait(b"x") for _ in range(100)]
if "--leave" in sys.argv:
    warnings.simplefilter("ignore", ResourceWarning)  # what is left open is left on purpose
    sys.exit()
client.close()
broker.close()
print("works")
"""


def main(wheel: Path, profile: str) -> int:
    """Check it all; the exit status."""
    check_contents(wheel)
    if profile == "release":
        check_size(wheel)
    check_smoke(wheel)
    needed = needed_glibc(wheel)
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, needs {needed}, complete, and works in an empty environment")
    return 0


def check_smoke(wheel: Path) -> None:
    """Exit if it does not work in an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder)
        venv.create(environment, with_pip=True)
        python = str(environment / "bin" / "python")
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--no-index", str(wheel.resolve())], check=True)
        run = [python, "-X", "dev", "-W", "error", "-c", SMOKE]
        done = subprocess.run(run, cwd="/", check=True, capture_output=True, text=True, timeout=60)
        if (done.stdout, done.stderr) != ("works\n", ""):
            sys.exit(f"the smoke test said: {done.stdout}{done.stderr}")
        for _ in range(10):
            done = subprocess.run([*run, "--leave"], cwd="/", check=True, capture_output=True, text=True, timeout=60)
            if done.stderr:
                sys.exit(f"the exit with work pending said: {done.stderr}")


def needed_glibc(wheel: Path) -> str:
    """Give the version of glibc that the wheel asks for; exit if its name promises an older one."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith((".abi3.so", "/scripts/stargate"))]
        native = b"".join(archive.read(name) for name in names)
    # The names of the versions needed, as they stand in the tables of strings.
    versions = {(int(major), int(minor)) for major, minor in re.findall(rb"\0GLIBC_(\d+)\.(\d+)", native)}
    promised = re.search(r"manylinux_(\d+)_(\d+)", wheel.name)
    if promised and versions and max(versions) > (int(promised[1]), int(promised[2])):
        sys.exit(f"{wheel.name} needs glibc {max(versions)}, which is newer than its name says")
    return "no glibc" if not versions else "glibc {}.{}".format(*max(versions))


def check_contents(wheel: Path) -> None:
    """Exit if something is missing or too much."""
    if not re.fullmatch(r"stargate-[\d.]+-cp311-abi3-(manylinux|musllinux|macosx|linux)[\w.]+\.whl", wheel.name):
        sys.exit(f"{wheel.name} is not for every CPython from 3.11 on")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    # The folder with the version in its name is that of the wheel.
    if missing := EXPECTED - {re.sub(r"^stargate-[\d.]+\.(data|dist-info)/", r"\1/", name) for name in names}:
        sys.exit(f"missing: {', '.join(sorted(missing))}")
    foreign = [name for name in names if not name.startswith(("stargate/", "stargate-"))]
    foreign += [name for name in names if name.endswith((".rs", ".pyc")) or "/tests/" in name]
    if foreign:
        sys.exit(f"does not belong there: {', '.join(sorted(foreign))}")


def check_size(wheel: Path) -> None:
    """Exit if it is too large, as it is downloaded or unpacked."""
    with zipfile.ZipFile(wheel) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if wheel.stat().st_size > MAX_BYTES or unpacked > MAX_UNPACKED:
        sys.exit(f"too large: {wheel.stat().st_size:,} bytes, {unpacked:,} unpacked")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--profile", default="release")
    arguments.add_argument("wheel", type=Path)
    given = arguments.parse_args()
    sys.exit(main(given.wheel, given.profile))
