"""The programs in the documentation run, and the tests it names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stargate.testing import MockBroker

TESTS = Path(__file__).parent
DOCS = TESTS.parent.parent / "docs"

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="not in the source tree")


def programs() -> list[str]:
    pages = [DOCS / "python.md", TESTS.parent / "README.md"]
    return [
        found for page in pages if page.exists() for found in re.findall(r"```python\n(.*?)```", page.read_text(), re.S)
    ]


@pytest.mark.parametrize("number", range(len(programs())))
def test_the_programs_in_the_documentation_run(pulsar_mock: MockBroker, number: int) -> None:
    program = programs()[number].replace("localhost:8080", pulsar_mock.url.removeprefix("ws://"))
    command = [sys.executable, "-W", "error::ResourceWarning:stargate", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd="/")
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
