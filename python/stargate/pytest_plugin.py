"""The pytest plugin of stargate: a fixture with a mock broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .testing import MockBroker


@pytest.fixture
def pulsar_mock() -> Iterator[MockBroker]:
    """Give a mock broker of the test's own; see `stargate.testing`."""
    from .testing import MockBroker

    with MockBroker() as broker:
        yield broker
