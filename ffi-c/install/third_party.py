#!/usr/bin/env python3
"""Writes what is linked into the C library and into the wheel: the licences, and a bill of materials (CycloneDX 1.6).

    third_party.py          writes the files again after a change of Cargo.lock
    third_party.py --check  2 if they are not what it would write

They are committed, so nothing but Cargo is needed to build and to package. The crates are those of `cargo tree`: what
is linked on Linux, the same on every architecture; not what runs while compiling (macros, build scripts) or in tests.
The licences are the files that the crates come with. Nothing here depends on the machine or on the day.

cargo-about and cargo-cyclonedx do either half. They take minutes to compile, they list the macros too, and the second
names the folders of the machine, as maturin does, which has it inside.
"""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TARGET = "x86_64-unknown-linux-gnu"
# Crate, what it is called where it is installed, and the folder of the files. The wheel contains the command.
PRODUCTS = [("stargate-ffi", "libstargate", "ffi-c"), ("stargate-python", "the wheel stargate", "python")]
FEATURES = {"stargate-python": ["--features=stargate-cli"]}
# Files of a crate with terms, and those of them that count whichever licence is chosen.
TERMS = re.compile(r"(?i)((un)?licen[sc]e|copying|notice|copyright)[^.]*(\.md|\.txt)?")
NOTICES = re.compile(r"(?i).*(notice|copyright|third.party)")
# What comes without the text of its licence: a crate and its file that have the same text, and who has the rights.
BORROWED = {
    "base64-simd": ("outref", "LICENSE", "Copyright (c) 2021 Nugine"),
    "vsimd": ("outref", "LICENSE", "Copyright (c) 2021 Nugine"),
    "the standard library's tables of Unicode": (
        "unicode-ident",
        "LICENSE-UNICODE",
        "Copyright © 1991-2024 Unicode, Inc.",
    ),
}

INTRODUCTION = """\
Third-party software in {name}

{name} has the crates below in it, and the standard library of Rust. Where there is a choice of licences with Apache-2.0
among them, Apache-2.0 is chosen, whose text is in the file LICENSE next to this one. The texts of all other licences
follow, with the notices that go with the crates. {bom} has the crates as a bill of materials.

The standard library of Rust, Apache-2.0 OR MIT, but for its tables of Unicode, Unicode-3.0: copyright The Rust Project
Developers (see https://thanks.rust-lang.org). share/doc/rust/COPYRIGHT-library.html of a toolchain says more.

"""


class Crate(NamedTuple):
    """A crate as Cargo knows it."""

    name: str
    version: str
    licence: str
    repository: str
    folder: Path

    @property
    def ref(self) -> str:
        """Name and version."""
        return f"{self.name}@{self.version}"

    @property
    def takes_apache(self) -> bool:
        """Return whether Apache-2.0 is one of the licences to choose from."""
        return "Apache-2.0" in self.licence.split(" OR ")


def cargo(*arguments: str) -> str:
    """Return what Cargo prints."""
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def crates() -> dict[str, Crate]:
    """Return all crates of the workspace's lock file that are for this target, linked or not."""
    metadata = json.loads(cargo("metadata", "--locked", "--format-version=1", f"--filter-platform={TARGET}"))
    found = [
        Crate(
            package["name"],
            package["version"],
            # The slash is how licences were separated once.
            package["license"].replace("/", " OR "),
            package["repository"] or "",
            Path(package["manifest_path"]).parent,
        )
        for package in metadata["packages"]
    ]
    return {crate.ref: crate for crate in found}


def links(package: str) -> dict[str, set[str]]:
    """Return each crate that is linked into a package, and the crates that it uses."""
    options = ["--locked", f"--target={TARGET}", "--edges=normal,no-proc-macro", "--prefix=depth", "--format= {p}"]
    graph: dict[str, set[str]] = {}
    above: list[str] = []
    for line in cargo("tree", "-p", package, *FEATURES.get(package, []), *options).splitlines():
        depth, name, version = line.split()[:3]
        ref = f"{name}@{version.removeprefix('v')}"
        graph.setdefault(ref, set())
        del above[int(depth) :]
        if above:
            graph[above[-1]].add(ref)
        above.append(ref)
    return graph


def bill_of_materials(root: Crate, linked: list[Crate], graph: dict[str, set[str]]) -> str:
    """Return the CycloneDX document, without serial number and date, so that it changes only with its content."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {f"{package['name']}@{package['version']}": package.get("checksum") for package in lock["package"]}

    def component(crate: Crate) -> dict[str, object]:
        entry: dict[str, object] = {
            "type": "library",
            "bom-ref": crate.ref,
            "name": crate.name,
            "version": crate.version,
            "licenses": [{"expression": crate.licence}],
        }
        # Crates of this repository are on no registry: a purl would be that of somebody else's.
        if checksum := checksums[crate.ref]:
            entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
            entry["purl"] = f"pkg:cargo/{crate.name}@{crate.version.replace('+', '%2B')}"
        if crate.repository:
            entry["externalReferences"] = [{"type": "vcs", "url": crate.repository}]
        return entry

    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"lifecycles": [{"phase": "build"}], "component": component(root)},
        "components": [component(crate) for crate in linked],
        "dependencies": [{"ref": ref, "dependsOn": sorted(graph[ref])} for ref in sorted(graph)],
    }
    return json.dumps(bom, indent=1, ensure_ascii=False) + "\n"


def tidy(path: Path) -> str:
    """Return the text of a file without empty lines around it and blanks at the ends of lines."""
    return "\n".join(line.rstrip() for line in path.read_text().strip("\n").splitlines())


def texts(crate: Crate) -> list[str]:
    """Return the licences and notices that a crate comes with, but for licences that were not chosen and Apache-2.0."""
    paths = sorted(path for path in crate.folder.rglob("*") if path.is_file() and TERMS.fullmatch(path.name))
    if not paths and not crate.takes_apache:
        sys.exit(f"{crate.ref} ({crate.licence}) comes without the text of its licence: see BORROWED")
    chosen = [path for path in paths if not crate.takes_apache or NOTICES.match(path.name)]
    return [tidy(path) for path in chosen if "APACHE" not in path.name]


def borrowed(name: str, known: dict[str, Crate]) -> str:
    """Return the text of a licence that is not in its usual place."""
    lender, file, rights = BORROWED[name]
    [folder] = [crate.folder for crate in known.values() if crate.name == lender]
    text, replaced = re.subn(r"^Copyright .*", rights, tidy(folder / file), count=1, flags=re.MULTILINE)
    if not replaced:
        sys.exit(f"{lender}'s {file} does not say who has the rights")
    return text


def licences(name: str, bom: str, linked: list[Crate], known: dict[str, Crate]) -> str:
    """Return the notices of what is linked, each text once."""
    whose: dict[str, list[str]] = {}
    for crate in linked:
        for text in [borrowed(crate.name, known)] if crate.name in BORROWED else texts(crate):
            whose.setdefault(text, []).append(f"{crate.name} {crate.version}")
    for other in sorted(BORROWED.keys() - {crate.name for crate in known.values()}):
        whose.setdefault(borrowed(other, known), []).append(other)
    parts = [INTRODUCTION.format(name=name, bom=bom)]
    parts += [f"{crate.name} {crate.version}, {crate.licence}, {crate.repository}\n" for crate in linked]
    rule = "-" * 80
    parts += [f"\n{rule}\n{', '.join(names)}\n{rule}\n\n{text}\n" for text, names in whose.items()]
    return "".join(parts)


def main() -> int:
    """Write the files, or compare with them."""
    known = crates()
    status = 0
    for package, name, folder in PRODUCTS:
        graph = links(package)
        [root] = [known[ref] for ref in graph if known[ref].name == package]
        linked = sorted(known[ref] for ref in graph if ref != root.ref)
        foreign = [crate for crate in linked if not crate.folder.is_relative_to(ROOT)]
        bom = f"{package}.cdx.json"
        for file, content in [
            (bom, bill_of_materials(root, linked, graph)),
            ("THIRD-PARTY-LICENSES", licences(name, bom, foreign, known)),
        ]:
            path = ROOT / folder / file
            if "--check" not in sys.argv:
                path.write_text(content)
            elif not path.exists() or path.read_text() != content:
                print(f"{path.relative_to(ROOT)} is not what Cargo.lock says: make third-party", file=sys.stderr)
                status = 2
    return status


if __name__ == "__main__":
    sys.exit(main())
