"""Make the source distribution and check it: what is in it, and that pip builds a wheel from it which works.

python tools/check_sdist.py

pip builds without optimising and shares the folder `target` with the other builds, so that it takes seconds; the source
is that of the archive alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from check_wheel import check_smoke

ROOT = Path(__file__).resolve().parents[2]

EXPECTED = {
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "PKG-INFO",
    "THIRD-PARTY-LICENSES",
    "build_backend.py",
    "cli/Cargo.toml",
    "cli/src/main.rs",
    "core/Cargo.toml",
    "core/src/lib.rs",
    "pyproject.toml",
    "python/src/lib.rs",
    "stargate-python.cdx.json",
    "stargate/__init__.py",
    "stargate/py.typed",
}
MAX_BYTES = 1_000_000


def main() -> int:
    """Check it all; the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        manifest = str(ROOT / "python" / "Cargo.toml")
        command = [sys.executable, "-m", "maturin", "sdist", "--manifest-path", manifest, "--out", folder]
        subprocess.run(command, check=True, capture_output=True)
        [archive] = made.glob("stargate-*.tar.gz")
        with tarfile.open(archive) as tar:
            names = {name.partition("/")[2] for name in tar.getnames()}
        if missing := EXPECTED - names:
            sys.exit(f"missing: {', '.join(sorted(missing))}")
        if foreign := [name for name in names if name.endswith((".so", ".pyc", ".a"))]:
            sys.exit(f"does not belong there: {', '.join(sorted(foreign))}")
        if archive.stat().st_size > MAX_BYTES:
            sys.exit(f"too large: {archive.stat().st_size:,} bytes")
        environment = os.environ | {"CARGO_TARGET_DIR": str(ROOT / "target"), "MATURIN_PEP517_ARGS": "--profile dev"}
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        command = [*pip, "wheel", "--no-deps", "--wheel-dir", folder, str(archive)]
        subprocess.run(command, check=True, cwd="/", env=environment)
        [wheel] = made.glob("stargate-*.whl")
        check_smoke(wheel)
        print(f"{archive.name}: {archive.stat().st_size:,} bytes, what pip builds from it works")
    return 0


if __name__ == "__main__":
    sys.exit(main())
