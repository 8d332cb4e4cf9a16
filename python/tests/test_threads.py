"""When the system gives no more threads: an error that says so, nothing lost, and a later attempt works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Loaded before libc, so that it can refuse threads: `count` of them, from number `first` on.
SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
static atomic_int asked, first, count;
void refuse(int from, int many) { asked = 0; first = from; count = many; }
int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*f)(void *), void *x)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    int number = ++asked;
    if (number >= first && number < first + count)
        return EAGAIN;
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create(t, a, f, x);
}
"""

EVERYTHING = """
import ctypes, os, resource, sys, threading
import stargate
url, topic, *numbers = sys.argv[1:3] + list(map(int, sys.argv[3:]))

def everything():
    with stargate.Client(url, token_supplier=lambda: "t", on_state=lambda change: None) as client:
        with client.producer(topic) as producer:
            futures = []
            try:
                futures = [producer.send_nowait(b"x") for _ in range(5)]
                client.consume(topic, "s", lambda message: None, processors=2, subscription_type="shared").close()
            finally:
                producer.flush()
                assert all(future.result(10) for future in futures)

def may_be_refused():
    try:
        everything()
    except stargate.StargateError as error:
        assert "thread" in str(error), error
        print("refused")
"""

SHIMMED = """
refuse = ctypes.CDLL(None).refuse
refuse(*numbers)
may_be_refused()
refuse(0, 0)
everything()
"""

# A limit counts the threads of a user, and does not bind root.
LIMITED = """
if os.geteuid() == 0:
    os.setuid(60_000 + os.getpid() % 5_000)
_, most = resource.getrlimit(resource.RLIMIT_NPROC)
resource.setrlimit(resource.RLIMIT_NPROC, (numbers[0], most))
may_be_refused()
resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
everything()
"""


def run(program: str, *arguments: object, **environment: str) -> bool:
    """Run a program of its own; whether it was refused something."""
    command = [sys.executable, "-c", EVERYTHING + program, *map(str, arguments)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
        cwd=Path("/"),
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return "refused" in done.stdout


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a library that refuses threads."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("shim")
    source, library = folder / "refuse.c", folder / "refuse.so"
    source.write_text(SHIM)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return str(library)


@pytest.mark.parametrize("count", [1, 1000])
def test_a_refused_thread_is_an_error_and_the_next_attempt_works(
    pulsar_url: str, topic: str, shim: str, count: int
) -> None:
    refusals = [run(SHIMMED, pulsar_url, topic, first, count, LD_PRELOAD=shim) for first in range(1, 12)]
    assert sum(refusals) >= 6


def test_a_limit_on_processes_is_an_error_and_a_later_attempt_works(pulsar_url: str, topic: str) -> None:
    # Other processes of a user that is not root count too: then the limit is reached before the first thread.
    limits = range(1, 12) if os.geteuid() == 0 else [1]
    refusals = [run(LIMITED, pulsar_url, topic, limit) for limit in limits]
    assert refusals[0]
    assert len(refusals) == 1 or not refusals[-1], "with all of its threads there is nothing to refuse"
