"""When the system gives no more threads: an error that says so, nothing lost, and a later attempt works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
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

PROGRAM = """
import ctypes, sys, threading
import stargate
url, topic, first, count = *sys.argv[1:3], *map(int, sys.argv[3:])
refuse = ctypes.CDLL(None).refuse

def everything():
    done = []
    with stargate.Client(url, token_supplier=lambda: "t", on_state=lambda change: None) as client:
        with client.producer(topic) as producer:
            futures = []
            try:
                futures = [producer.send_nowait(b"x") for _ in range(5)]
                client.consume(topic, "s", lambda message: None, processors=2, subscription_type="shared").close()
            finally:
                producer.flush()
                assert all(future.result(10) for future in futures)

refuse(first, count)
try:
    everything()
except stargate.StargateError as error:
    assert "thread" in str(error), error
    print("refused")
refuse(0, 0)
everything()
"""


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
    refused = 0
    for first in range(1, 12):
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), pulsar_url, topic, str(first), str(count)]
        environment = {**os.environ, "LD_PRELOAD": shim}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=environment, cwd=Path("/")
        )
        assert done.returncode == 0, f"thread {first}: {done.stdout}{done.stderr}"
        refused += "refused" in done.stdout
    assert refused >= 6
