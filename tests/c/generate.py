#!/usr/bin/env python3
"""Write a C test from the declarations of the headers: generate.py {symbols,nulls,forks,layouts,stubs} OUTPUT FILES...

symbols: takes the address of every declared function, so that one which is declared and not there does not link.
nulls:   calls every function with NULL for each parameter that must not be NULL, one at a time, and with NULL for all.
forks:   calls every function on the parent's handles in a child after fork, where each says so.
layouts: compares structs with the sizes and offsets that ffi-c/src/lib.rs says, which is given before the headers.
stubs:   defines every function, empty: a library with the types of the headers and nothing else, for check_abi.sh.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple


class Parameter(NamedTuple):
    """One parameter of a function: its type without spaces around `*`, and its name."""

    type: str
    name: str

    @property
    def is_pointer(self) -> bool:
        """Return whether NULL can be passed."""
        return "*" in self.type or self.type.endswith("_fn")


class Function(NamedTuple):
    """One declared function."""

    returns: str
    name: str
    parameters: list[Parameter]


# Parameters for which NULL has a meaning, and is no error.
OPTIONAL = {"options", "error", "user_data", "destroy", "out_message_id", "results", "served"}
# The same in one function only.
OPTIONAL_IN = {
    ("stargate_supervisor_consumer", "subscription"),
    ("stargate_supervisor_add_consumer", "handler"),
    ("stargate_supervisor_add_reader", "handler"),
    ("stargate_mock_start", "options"),
    ("stargate_admin_request", "body"),
    ("stargate_admin_create_tenant", "admin_roles"),
    ("stargate_admin_create_tenant", "allowed_clusters"),
    ("stargate_admin_update_tenant", "admin_roles"),
    ("stargate_admin_update_tenant", "allowed_clusters"),
    ("stargate_admin_ensure_tenant", "admin_roles"),
    ("stargate_admin_ensure_tenant", "allowed_clusters"),
    ("stargate_admin_walk_topics", "tenant"),
    ("stargate_mock_fault", "topic"),
    ("stargate_mock_wait", "topic"),
    ("stargate_mock_drop_connections", "topic"),
    ("stargate_mock_drop_connections", "out"),
    ("stargate_mock_count", "topic"),
    ("stargate_message_id_parts", "ledger"),
    ("stargate_message_id_parts", "entry"),
    ("stargate_message_id_parts", "partition"),
    ("stargate_message_id_parts", "batch_index"),
    ("stargate_producer_send_flat_async", "key"),
    ("stargate_mock_messages", "visit"),
    ("stargate_mock_messages", "count"),
}
# A handle's own free and close: called with NULL for everything, but not with a live handle, which others still use.
ENDING = re.compile(r"_(free|release|close|close_async|unsubscribe)$")

# Handles that belong to the process that opened them.
OF_PROCESS = {
    "stargate_client*",
    "stargate_producer*",
    "stargate_consumer*",
    "stargate_reader*",
    "stargate_supervisor*",
    "stargate_mock*",
}

# Valid values for the other parameters, by type or, where it says more, by name.
BY_NAME = {
    "message_id": '"CAUQATAA"',
    "left": '"CAUQATAA"',
    "right": '"CAUQATAA"',
    "timeout_ms": "0",
    "topics": "names",
    "position": '"earliest"',
    "start": '"earliest"',
    "after": "0",
    "kind": '"message_age"',
    "policy": '"producer_exception"',
    "json": '"{}"',
    "payload": '"text"',
    "stride": "sizeof fields[0]",
}
BY_TYPE = {
    "stargate_client*": "client",
    "stargate_producer*": "producer",
    "stargate_consumer*": "consumer",
    "stargate_reader*": "reader",
    "stargate_supervisor*": "supervisor",
    "stargate_options*": "options",
    "stargate_message*": "NULL",  # There is none without a broker, and nothing comes before it.
    "stargate_error*": "NULL",
    "stargate_outgoing*": "&message",
    "stargate_handler*": "&handler",
    "stargate_send_result*": "results",
    "stargate_mock*": "mock",
    "stargate_mock_options*": "NULL",
    "stargate_strings*": "NULL",
    "stargate_property*": "NULL",
    "stargate_mock_visit_fn": "on_visit",
    "stargate_mock**": "&out_mock",
    "stargate_client**": "&out_client",
    "stargate_producer**": "&out_producer",
    "stargate_consumer**": "&out_consumer",
    "stargate_reader**": "&out_reader",
    "stargate_supervisor**": "&out_supervisor",
    "stargate_message**": "out_messages",
    "stargate_message_fields*": "fields",
    "stargate_error_fields*": "&error_fields",
    "stargate_done_fn": "on_done",
    "stargate_received_fn": "on_received",
    "stargate_sent_fn": "on_flat_sent",
    "stargate_sent_many_fn": "on_many_sent",
    "stargate_strings**": "&out_strings",
    "stargate_error**": "&error",
    "stargate_str*": "&view",
    "char*": '"text"',
    "char**": "&out_text",
    "void*": "NULL",
    "int32_t*": "&number",
    "uint64_t*": "&big_number",
    "size_t*": "&size",
    "stargate_destroy_fn": "NULL",
    "stargate_log_fn": "on_log",
    "stargate_token_fn": "on_token",
    "stargate_headers_fn": "on_token",
    "stargate_key_fn": "on_key",
    "stargate_key*": "NULL",
    "stargate_state_fn": "on_state",
    "stargate_delivery_report_fn": "on_sent",
    "stargate_topic_fn": "on_topic",
}

PRELUDE = """\
/* Written by generate.py from the headers. */
#include "testing.h"

#if __has_include(<stargate_mock.h>) /* the small library has none */
#include <stargate_mock.h>
#endif

"""

BEGIN = """\
static void on_log(void *data, int32_t level, stargate_str target, stargate_str text)
{
    (void)data, (void)level, (void)target, (void)text;
}

static stargate_status on_key(void *data, int32_t half, stargate_str name, const stargate_property *metadata,
                              size_t metadata_count, stargate_key *key)
{
    (void)data, (void)half, (void)name, (void)metadata, (void)metadata_count, (void)key;
    return STARGATE_AUTHENTICATION;
}

static stargate_status on_token(void *data, char *buffer, size_t capacity, size_t *length)
{
    (void)data, (void)buffer, (void)capacity, (void)length;
    return STARGATE_AUTHENTICATION;
}

static void on_state(void *data, const stargate_state_change *change)
{
    (void)data, (void)change;
}

static void on_sent(void *data, const stargate_delivery_report *sent)
{
    (void)data, (void)sent;
}

static void on_flat_sent(void *data, stargate_status status, const char *id, size_t length, const stargate_error *why)
{
    (void)data, (void)status, (void)id, (void)length, (void)why;
}

static void on_many_sent(void *data, stargate_status status, const stargate_send_result *results, size_t count)
{
    (void)data, (void)status, (void)results, (void)count;
}

static void on_done(void *data, stargate_status status, void *done, const stargate_error *why)
{
    (void)data, (void)status, (void)done, (void)why;
}

static void on_received(void *data, stargate_status status, stargate_message **messages, size_t count,
                        const stargate_error *why)
{
    (void)data, (void)status, (void)why;
    stargate_messages_free(messages, count);
}

static void on_visit(void *data, const stargate_mock_message *message)
{
    (void)data, (void)message;
}

static int32_t on_topic(void *data, stargate_str topic)
{
    (void)data, (void)topic;
    return 0;
}

static int32_t handle(void *state, const stargate_message *message)
{
    (void)state, (void)message;
    return STARGATE_ACK;
}

TEST(@NAME@)
{
    stargate_options *options = stargate_options_new();
    stargate_client *client = NULL, *out_client = NULL;
    stargate_producer *producer = NULL, *out_producer = NULL;
    stargate_consumer *consumer = NULL, *out_consumer = NULL;
    stargate_reader *reader = NULL, *out_reader = NULL;
    stargate_mock *mock = NULL, *out_mock = NULL;
    stargate_supervisor *supervisor = NULL, *out_supervisor = NULL;
    stargate_strings *out_strings = NULL;
    stargate_message *out_messages[4] = {NULL, NULL, NULL, NULL};
    stargate_error *error = NULL;
    stargate_outgoing message = STARGATE_OUTGOING_INIT;
    stargate_handler handler = STARGATE_HANDLER_INIT;
    stargate_send_result results[4];
    stargate_message_fields fields[4];
    stargate_error_fields error_fields;
    stargate_str view = {NULL, 0};
    const char *const names[] = {"text"};
    char *out_text = NULL;
    int32_t number = 0;
    uint64_t big_number = 0;
@MORE@    size_t size = 0;

    /* Nothing listens there: the handles are open and have no connection. */
    handler.handle = handle;
    OK(stargate_options_set(options, "lazy", "true", &error));
    OK(stargate_client_new("ws://127.0.0.1:9", options, &client, &error));
    OK(stargate_producer_open(client, "t", NULL, -1, &producer, &error));
    OK(stargate_consumer_open(client, "t", "s", NULL, -1, &consumer, &error));
    OK(stargate_reader_open(client, "t", NULL, -1, &reader, &error));
    OK(stargate_mock_start(NULL, &mock, &error));
    OK(stargate_supervisor_start("{\\"host\\": \\"127.0.0.1:9\\"}", NULL, -1, &supervisor, &error));

"""

FORKS = """\
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

"""

CHILD = """\
    fflush(NULL);
    child = fork();
    if (child == 0) {
        alarm(60); /* nothing hangs */
@CALLS@\
    } else {
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
"""

# What the parent's handles hold stays, on purpose; a leak checker has nothing to say about it.
LEAVE = """\
    if (child == 0)
        _exit(0);
"""

END = """
    (void)on_log, (void)on_token, (void)on_key, (void)on_state, (void)on_sent, (void)on_visit, (void)on_topic;
    (void)on_done, (void)on_received, (void)on_flat_sent, (void)on_many_sent, (void)fields, (void)error_fields;
    (void)big_number, (void)out_strings;
    (void)out_client, (void)out_producer, (void)out_consumer, (void)out_reader, (void)out_text, (void)number;
    (void)out_supervisor, (void)out_mock, (void)size, (void)view, (void)results, (void)out_messages, (void)names;
    stargate_supervisor_free(supervisor);
    stargate_mock_free(mock);
    stargate_reader_free(reader);
    stargate_consumer_free(consumer);
    stargate_producer_free(producer);
    stargate_client_free(client);
    stargate_options_free(options);
"""


def declarations(header: str) -> list[tuple[str, str, str]]:
    """Return each function of the header: what it returns, its name and its parameters."""
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    header = re.sub(r"^#.*$", "", header, flags=re.MULTILINE)
    declaration = re.compile(r"^([a-z][\w \t]*?[\s*]+)(stargate_\w+)\(([^()]*)\);", re.MULTILINE)
    return [found for found in declaration.findall(header) if not found[0].startswith("typedef")]


def functions(header: str) -> list[Function]:
    """Return every function that the header declares."""
    found = []
    for returns, name, listed in declarations(header):
        parameters = []
        for parameter in listed.replace("\n", " ").split(","):
            type_, last = re.fullmatch(r"(.*?)(\w+)", parameter.strip()).groups()  # type: ignore[union-attr]
            if last != "void" or type_:
                parameters.append(Parameter(plain(type_), last))
        found.append(Function(plain(returns), name, parameters))
    return found


def stubs(headers: list[str]) -> str:
    """Return a library of the declared functions, with nothing in them."""
    bodies = [
        f"{returns}{name}({parameters})\n{{\n    __builtin_trap();\n}}\n"
        for header in headers
        for returns, name, parameters in declarations(header)
    ]
    return "#include <stargate_mock.h>\n\n" + "\n".join(bodies)


def layouts(source: str, headers: list[str]) -> str:
    """Return the test of the structs: the C compiler's layout is that of Rust's asserts in these lines."""
    checks = []
    public = {name for header in headers for name in re.findall(r"^typedef struct (\w+) \{", header, re.MULTILINE)}
    for name, size, fields in re.findall(r"^    layout!\(\w[\w:]*::(\w+), (\d+),([^()]*)\);", source, re.MULTILINE):
        public.discard(name)
        checks.append(f"    CHECK(sizeof({name}) == {size});\n")
        checks += [f"    CHECK(offsetof({name}, {f}) == {at});\n" for f, at in re.findall(r"(\w+) (\d+)", fields)]
    if public:
        raise SystemExit(f"ffi-c/src/lib.rs has no layout! of {', '.join(sorted(public))}")
    return f"""{PRELUDE}TEST(structs_have_the_layout_that_the_library_was_built_with)
{{
    if (sizeof(void *) != 8)
        return; /* the numbers are those of 64-bit machines */
{"".join(checks)}}}
"""


def plain(type_: str) -> str:
    """Return a type without qualifiers and spaces."""
    return re.sub(r"\s+", "", re.sub(r"\b(const|struct)\b", "", type_))


def valid(parameter: Parameter) -> str:
    """Return a valid value for a parameter."""
    if parameter.name in BY_NAME:
        return BY_NAME[parameter.name]
    if parameter.type in BY_TYPE:
        return BY_TYPE[parameter.type]
    if parameter.is_pointer:
        raise SystemExit(f"generate.py knows no value for {parameter}")
    return "1"


def symbols(declared: list[Function]) -> str:
    """Return the test of the addresses."""
    rows = "".join(f'    {{"{function.name}", (void (*)(void)){function.name}}},\n' for function in declared)
    return f"""{PRELUDE}static const struct {{
    const char *name;
    void (*function)(void);
}} declared[] = {{
{rows}}};

TEST(every_declared_function_is_in_the_library)
{{
    size_t i;

    for (i = 0; i < sizeof declared / sizeof declared[0]; i++)
        CHECK(declared[i].function != NULL);
    printf("%d functions\\n", (int)i);
    CHECK(i > 60);
}}
"""


def begin(name: str, more: str = "") -> str:
    """Return the functions and handles that a test passes, and its name."""
    return BEGIN.replace("@NAME@", name).replace("@MORE@", more)


def can_fail(function: Function) -> bool:
    """Return whether it has an error parameter."""
    return any(p.name == "error" and p.type == "stargate_error**" for p in function.parameters)


def forks(declared: list[Function]) -> str:
    """Return the test of the child's calls."""
    calls = []
    for function in declared:
        if can_fail(function) and function.parameters[0].type in OF_PROCESS:
            arguments = ", ".join(valid(p) for p in function.parameters)
            calls.append(f'        FAILS(STARGATE_FORKED, "fork", {function.name}({arguments}));\n')
    opened = begin("every_call_on_a_parents_handle_says_so_in_a_child", "    pid_t child;\n    int status = 0;\n")
    return PRELUDE + FORKS + opened + CHILD.replace("@CALLS@", "".join(calls)) + END + LEAVE + "}\n"


def nulls(declared: list[Function]) -> str:
    """Return the test of the NULLs."""
    lines = [PRELUDE, begin("null_in_every_parameter_of_every_function")]
    for function in declared:
        if not function.parameters:
            continue
        everything = ", ".join("NULL" if p.is_pointer else valid(p) for p in function.parameters)
        lines.append(f"    (void){function.name}({everything});\n")
        if not can_fail(function):
            continue
        for missing in function.parameters:
            optional = missing.name in OPTIONAL or (function.name, missing.name) in OPTIONAL_IN
            # Options are what some functions are about, and only an addition to others.
            about_options = function.name.startswith("stargate_options_") and missing == function.parameters[0]
            required = about_options or not optional
            if not missing.is_pointer or not required:
                continue
            if ENDING.search(function.name) and missing.name != function.parameters[0].name:
                continue
            arguments = ", ".join("NULL" if p is missing else valid(p) for p in function.parameters)
            call = f"{function.name}({arguments})"
            lines.append(f'    FAILS(STARGATE_INVALID_ARGUMENT, "{missing.name} is NULL", {call});\n')
    lines.append(END + "}\n")
    return "".join(lines)


def main() -> None:
    """Do what the command line says."""
    kind, output, *paths = sys.argv[1:]
    texts = [Path(path).read_text(encoding="utf-8") for path in paths]
    if kind == "layouts":
        written = layouts(texts[0], texts[1:])
    elif kind == "stubs":
        written = stubs(texts)
    else:
        tests = {"symbols": symbols, "nulls": nulls, "forks": forks}
        written = tests[kind]([function for header in texts for function in functions(header)])
    Path(output).write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
