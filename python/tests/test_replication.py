"""Where a message is replicated to; tests/scenarios/replication.rs shows it on two clusters."""

from __future__ import annotations

from stargate._convert import extras


def packed(**given: object) -> object:
    nothing = dict.fromkeys(
        ("key", "properties", "event_time", "deliver_at", "deliver_after", "replication_clusters"), None
    )
    found = extras(**{**nothing, **given})  # type: ignore[arg-type]
    return found and found[-1]


def test_a_message_that_is_not_replicated_names_pulsars_cluster_for_that() -> None:
    assert packed(disable_replication=True) == ["__local__"]
    assert packed(replication_clusters=["us", "eu"]) == ["us", "eu"]
    assert packed() is None
