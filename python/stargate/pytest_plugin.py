"""What stargate gives to pytest: the fixture `pulsar_mock`, in every project that has stargate installed.

@pytest.mark.pulsar_mock(token="secret")  # the arguments of MockBroker; the mark can be left out
def test_the_worker_logs_in(pulsar_mock):
    run_worker(pulsar_mock.url, token="secret")
    pulsar_mock.wait("connect", topic="orders")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .testing import MockBroker


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line(
        "markers", "pulsar_mock(**options): start the mock Pulsar broker of the test with these options of MockBroker"
    )


@pytest.fixture
def pulsar_mock(request: pytest.FixtureRequest) -> Iterator[MockBroker]:
    """Return a mock Pulsar broker of the test's own (`stargate.testing.MockBroker`), and end it after the test.

    It is no coroutine and has a thread of its own, so tests of every kind of asyncio plugin can use it too.
    """
    from .testing import MockBroker

    mark = request.node.get_closest_marker("pulsar_mock")
    with MockBroker(*mark.args, **mark.kwargs) if mark else MockBroker() as mock:
        yield mock
