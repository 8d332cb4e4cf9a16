"""The programs in the documentation run, and the tests it names exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import stargate
import stargate.testing
import stargate.typed
from stargate.testing import MockBroker

TESTS = Path(__file__).parent
ROOT = TESTS.parent.parent
DOCS = ROOT / "docs"

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="not in the source tree")


def programs() -> list[str]:
    pages = [
        *(DOCS / f"{name}.md" for name in ("index", "python", "encryption", "oauth2")),
        *sorted(DOCS.glob("guides/*.md")),
    ]
    pages.append(TESTS.parent / "README.md")
    # Those in tabs are indented.
    found = [re.findall(r"^ *```python\n(.*?)```", page.read_text(), re.S | re.M) for page in pages if page.exists()]
    return [textwrap.dedent(program) for programs in found for program in programs]


@pytest.mark.parametrize("number", range(len(programs())))
def test_the_programs_in_the_documentation_run(pulsar_mock: MockBroker, tmp_path: Path, number: int) -> None:
    program = programs()[number].replace("localhost:8080", pulsar_mock.url.removeprefix("ws://"))
    for mine, theirs in [("rsa.pem", "billing.pem"), ("rsa.pub.pem", "billing.pub.pem")]:
        (tmp_path / theirs).write_bytes((ROOT / "tests/keys" / mine).read_bytes())
    command = [sys.executable, "-W", "error::ResourceWarning:stargate", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Warning" not in done.stderr


def test_the_tests_that_the_documentation_names_exist() -> None:
    page = (DOCS / "python-faq.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    defined = {name for file in TESTS.glob("test_*.py") for name in re.findall(r"def (test_\w+)", file.read_text())}
    assert named
    assert named <= defined
    for tool in re.findall(r"`(tools/\w+\.py)`", page):
        assert (TESTS.parent / tool).exists()


def test_the_site_builds_without_a_warning_and_has_every_public_name(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pages = "".join(page.read_text() for page in tmp_path.glob("python-reference*.html"))
    anchors = set(re.findall(r'id="(stargate\.[\w.]+)"', pages))
    documented = {anchor.rsplit(".", 1)[-1] for anchor in anchors}
    outcomes = {outcome.name for outcome in stargate.Outcome}
    public = {*stargate.__all__, *stargate.testing.__all__, *stargate.typed.__all__} - outcomes - {"__version__"}
    assert public - documented == set()
    for name in public:
        item = getattr(stargate, name, None)
        if isinstance(item, type):
            own = {member: value for member, value in vars(item).items() if not member.startswith("_")}
            methods = {member for member, value in own.items() if callable(value) or isinstance(value, property)}
            assert {member for member in methods if not any(a.endswith(f"{name}.{member}") for a in anchors)} == set()
