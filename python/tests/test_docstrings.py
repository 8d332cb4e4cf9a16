"""Every public name has a docstring, every class and method an example, and the examples run on the mock broker."""

from __future__ import annotations

import doctest
import inspect
import types
import warnings
from collections.abc import Iterator

import pytest

import stargate
import stargate.admin
import stargate.testing
import stargate.typed
from stargate.testing import MockBroker

# Plain data, told by others: there is nothing to do with them but to look at them.
WITHOUT_EXAMPLE = {"Stats", "StateChange"} | {name for name in stargate.__all__ if name.endswith("Options")}
WITHOUT_EXAMPLE |= set(stargate.admin.__all__) - {"Admin", "Answer"}


def public() -> dict[str, object]:
    own = {name: getattr(stargate, name) for name in stargate.__all__}
    own |= {f"admin.{name}": getattr(stargate.admin, name) for name in stargate.admin.__all__}
    own |= {f"typed.{name}": getattr(stargate.typed, name) for name in stargate.typed.__all__}
    return own | {f"testing.{name}": getattr(stargate.testing, name) for name in stargate.testing.__all__}


def members(kind: type) -> dict[str, object]:
    return {name: value for name, value in inspect.getmembers(kind) if not name.startswith("_")}


def examples_of(item: object) -> list[doctest.DocTest]:
    """Give the examples in the docstring of something and, for a class, in those of its methods, inherited ones too."""
    docs = {"": item}
    if isinstance(item, type):
        docs |= members(item)
    parser = doctest.DocTestParser()
    found = []
    for name, value in docs.items():
        doc = inspect.getdoc(value) or ""
        if ">>>" in doc and not (name and isinstance(value, str | int | types.NoneType)):
            where = f"{getattr(item, '__name__', item)}{'.' * bool(name)}{name}"
            found.append(parser.get_doctest(doc, {}, where, None, None))
    return found


CLASSES = {name: item for name, item in public().items() if isinstance(item, type)}
FUNCTIONS = {name: item for name, item in public().items() if isinstance(item, types.FunctionType)}
EXAMPLES = {test.name: test for item in (*CLASSES.values(), *FUNCTIONS.values()) for test in examples_of(item)}
MODULES = [stargate, stargate.admin, stargate.testing, stargate.typed]


@pytest.fixture
def names(pulsar_mock: MockBroker) -> Iterator[dict[str, object]]:
    """Give the names that the examples may use."""
    with (
        stargate.Client(pulsar_mock.url) as client,
        client.producer("news") as producer,
        client.consumer("news", "readers") as consumer,
        client.reader("news", starting_message="earliest") as reader,
    ):
        yield {
            "stargate": stargate,
            "mock": pulsar_mock,
            "client": client,
            "producer": producer,
            "consumer": consumer,
            "reader": reader,
        }


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_in_docstrings_run(name: str, names: dict[str, object], pulsar_mock: MockBroker) -> None:
    example = EXAMPLES[name]
    example.globs = names
    for step in example.examples:
        step.source = step.source.replace("localhost:8080", pulsar_mock.url.removeprefix("ws://"))
    said: list[str] = []
    with warnings.catch_warnings():
        # What an example leaves open goes with the client; examples would be longer than what they show.
        warnings.simplefilter("ignore", ResourceWarning)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        outcome = runner.run(example, out=said.append, clear_globs=False)
    assert outcome.attempted
    assert not outcome.failed, "".join(said)


def test_every_public_name_has_a_docstring() -> None:
    bare = [name for name, item in CLASSES.items() | FUNCTIONS.items() if not inspect.getdoc(item)]
    for name, kind in CLASSES.items():
        bare += [
            f"{name}.{member}"
            for member, value in members(kind).items()
            if (inspect.isroutine(value) or isinstance(value, property)) and not inspect.getdoc(value)
        ]
    assert bare == []
    assert all(module.__doc__ for module in MODULES)


def test_every_public_class_and_method_has_an_example() -> None:
    without = [name for name, item in FUNCTIONS.items() if not examples_of(item)]
    for name, kind in CLASSES.items():
        if name.split(".")[-1] in WITHOUT_EXAMPLE or issubclass(kind, BaseException):
            continue
        code = "".join(step.source for test in examples_of(kind) for step in test.examples)
        wanted = [member for member, value in members(kind).items() if inspect.isroutine(value)]
        without += [
            f"{name}.{member}" for member in wanted if f".{member}(" not in code and f"def {member}(" not in code
        ]
        without += [name] if not code else []
    assert without == []
