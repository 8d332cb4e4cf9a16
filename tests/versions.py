#!/usr/bin/env python3
"""Runs what needs a real broker on every version of Pulsar that the launcher starts.

That is: the scenarios, the recorded transcripts, the secure broker, and messages from and to the official client.

    versions.py [--write-docs] [VERSION...]

A test may fail only where the table below says so, and must fail there. --write-docs puts what was found into
docs/clusters.md. Closes with `versions: N passed, N failed`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/pulsar"))

from toolchain import VERSIONS  # noqa: E402

PAGE = ROOT / "docs/clusters.md"
BEGIN, END = "<!-- versions: begin, written by tests/versions.py -->", "<!-- versions: end -->"

SCENARIOS = (
    "cargo test --no-fail-fast -p stargate-core --features mock "
    "--test scenarios --test replay --test security -- --ignored"
)
INTEROP = f"{ROOT}/.venv/bin/python -m pytest -c python/pyproject.toml --rootdir . tests/interop -q -rA"


class Difference(NamedTuple):
    """What some version does not do as the newest one does."""

    what: str
    instead: str
    missing_in: tuple[str, ...]
    scenarios: tuple[str, ...]


DIFFERENCES = (
    Difference(
        "one consumer of several topics, or of a pattern",
        "the proxy has no such endpoint; open a consumer for each topic",
        ("3.0.0",),
        (
            "a_cumulative_acknowledgement_that_cannot_be_is_refused",
            "a_pattern_finds_its_topics",
            "several_topics_come_on_one_connection",
            "a_seek_that_cannot_be_is_refused",
        ),
    ),
    Difference(
        "end-to-end encryption (PIP-290)",
        "the proxy refuses producers with `encryption_key`",
        ("3.0.0",),
        (
            "a_data_key_that_is_due_is_renewed_while_sends_go_on",
            "a_handler_is_given_what_is_encrypted_in_order_however_long_the_key_takes",
            "a_key_reader_is_asked_by_name_and_metadata_once_for_a_data_key",
            "a_key_reader_that_fails_is_told_and_may_recover",
            "a_new_data_key_costs_no_message_and_no_order",
            "an_encrypted_message_over_the_limit_is_named_and_harms_nothing",
            "every_compression_is_undone_after_decryption",
            "partitions_and_several_connections_read_what_is_encrypted",
            "what_cannot_be_decrypted_is_dropped_or_delivered_as_wanted",
            "what_cannot_be_decrypted_waits_for_who_can",
            "who_has_the_key_reads_all_of_a_message_and_nobody_else_its_payload",
            "test_both_encrypt_into_one_topic",
            "test_the_proxy_tells_readers_no_encryption_context",
            "test_without_the_key_neither_reads",
            *(f"test_what_we_encrypt_is_read[{codec}]" for codec in ("none", "lz4", "zlib", "zstd", "snappy")),
            *(
                f"test_what_we_encrypt_on_an_elliptic_curve_is_read_by_the_java_client[{curve}]"
                for curve in ("ec", "p521")
            ),
        ),
    ),
    Difference(
        "namespace backlog quotas, examining a message by its place, some errors of the REST API and the proxy",
        "the broker answers differently",
        ("3.0.0",),
        (
            "namespaces_have_policies",
            "stored_messages_are_read_by_id_by_place_and_by_time",
            "topics_and_partitions_come_and_go",
            "what_is_peeked_at_is_whole_and_stays",
            "a_client_certificate_is_an_identity",
            "a_schema_in_a_namespace_that_is_missing_is_not_found",
            "a_topic_without_a_schema_has_a_strategy",
            "a_wrong_token_is_told_so",
        ),
    ),
    Difference(
        "the event time of a dead letter, and each word of the recorded transcripts",
        "the proxy leaves the event time out",
        ("3.0.0", "4.0.0"),
        ("a_real_broker_answers_as_recorded",),
    ),
)


def run(version: str) -> tuple[set[str], set[str]]:
    """Return the tests that passed and failed on a version; target/versions-*.txt keeps what they printed."""
    launcher = [sys.executable, "tests/pulsar/pulsar.py", "run", "--secure", "--version", version, "--"]
    done = subprocess.run(
        [*launcher, "sh", "-c", f"{SCENARIOS}; {INTEROP}"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    log = ROOT / f"target/versions-{version}.txt"
    log.write_text(done.stdout)
    scenarios = re.findall(r"^test (?:\w+::)*(\w+)(?: - should panic)? \.\.\. (ok|FAILED)", done.stdout, re.MULTILINE)
    interop = re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED) \S+::(\S+)", done.stdout, re.MULTILINE)
    if not scenarios or not interop:
        return set(), set()
    outcomes = [(name, outcome == "ok") for name, outcome in scenarios]
    outcomes += [(name, outcome == "PASSED") for outcome, name in interop]
    return {name for name, good in outcomes if good}, {name for name, good in outcomes if not good}


def check(version: str, passed: set[str], failed: set[str]) -> list[str]:
    """Return what differs from the table, a sentence each."""
    expected = {name for row in DIFFERENCES if version in row.missing_in for name in row.scenarios}
    wrong = [f"{version}: {name} failed" for name in sorted(failed - expected)]
    wrong += [f"{version}: {name} passed, so its row is out of date" for name in sorted(expected & passed)]
    return wrong if passed else [f"{version}: not everything ran", *wrong]


def write_docs(counts: dict[str, tuple[int, int]]) -> None:
    """Write the table of the page."""
    versions = list(counts)
    lines = ["| | " + " | ".join(versions) + " | instead |", "|---|" + "---|" * (len(versions) + 1)]
    for row in DIFFERENCES:
        cells = ["no" if version in row.missing_in else "yes" for version in versions]
        lines.append(f"| {row.what} | {' | '.join(cells)} | {row.instead} |")
    counted = [f"{passed} of {passed + failed}" for passed, failed in counts.values()]
    lines.append(f"| tests that pass | {' | '.join(counted)} | |")
    text = PAGE.read_text()
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")


def main() -> int:
    """Run what is asked for; 1 if anything is not as the table says."""
    arguments = sys.argv[1:]
    versions = [argument for argument in arguments if not argument.startswith("-")] or list(VERSIONS)
    counts, wrong = {}, []
    for version in versions:
        passed, failed = run(version)
        counts[version] = (len(passed), len(failed))
        wrong += check(version, passed, failed)
    if "--write-docs" in arguments:
        write_docs(counts)
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    print(f"versions: {sum(passed for passed, _ in counts.values())} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
