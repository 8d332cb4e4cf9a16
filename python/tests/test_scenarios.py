"""The scenarios that every language carries out, with the same transcripts: tests/scenarios/table."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import scenario

TABLE = Path(__file__).resolve().parents[2] / "tests/scenarios/table"
SCENARIOS = sorted(TABLE.glob("*.scenario"))
ON_ANY = [path for path in SCENARIOS if "\non any\n" in path.read_text("ascii")]


def transcript(path: Path, url: str | None = None) -> str:
    lines: list[str] = []
    scenario.run(path, url, lines.append)
    return "".join(lines)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_on_the_mock_broker(path: Path) -> None:
    assert transcript(path) == path.with_suffix(".transcript").read_text("ascii")


@pytest.mark.skipif("PULSAR_URL" not in os.environ, reason="there is no PULSAR_URL")
@pytest.mark.parametrize("path", ON_ANY, ids=lambda path: path.stem)
def test_a_scenario_on_a_real_broker(path: Path) -> None:
    assert transcript(path, os.environ["PULSAR_URL"]) == path.with_suffix(".transcript").read_text("ascii")
