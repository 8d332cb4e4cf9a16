"""Build what `pip` installs: maturin's wheel, with the command `stargate` inside.

A build backend of PEP 517. Arguments for maturin come in MATURIN_PEP517_ARGS, as with maturin's own backend.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import maturin  # type: ignore[import-untyped]
from maturin import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

HERE = Path(__file__).resolve().parent
# What maturin packs as the data of the wheel. An installer puts what is in `scripts` on the PATH.
DATA = HERE / "stargate._native.data"


def build_wheel(directory: str, settings: dict[str, Any] | None = None, metadata: str | None = None) -> str:
    """Build a wheel into `directory`. Returns its file name."""
    with command():
        name: str = maturin.build_wheel(directory, settings, metadata)
    return name


def build_editable(directory: str, settings: dict[str, Any] | None = None, metadata: str | None = None) -> str:
    """Build a wheel that imports the sources of the package from here."""
    with command():
        name: str = maturin.build_editable(directory, settings, metadata)
    return name


@contextmanager
def command() -> Iterator[None]:
    """Build the command with the arguments of the wheel, and keep it where maturin packs it from."""
    arguments = shlex.split(os.environ.get("MATURIN_PEP517_ARGS", ""))
    if not {"--release", "--profile"} & set(arguments):
        arguments.append("--release")
    # The source distribution has it beside this file.
    manifest = next(path for path in (HERE / "cli/Cargo.toml", HERE.parent / "cli/Cargo.toml") if path.exists())
    try:
        with tempfile.TemporaryDirectory() as folder:
            build = ["maturin", "build", "--manifest-path", str(manifest), "--bindings", "bin", "--strip"]
            subprocess.run([*build, "--out", folder, *arguments], check=True)
            [wheel] = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                [program] = (name for name in archive.namelist() if name.endswith(".data/scripts/stargate"))
                target = DATA / "scripts" / "stargate"
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(program))
                target.chmod(0o755)
        yield
    finally:
        shutil.rmtree(DATA, ignore_errors=True)
