"""Writes the files of the Go package."""

from __future__ import annotations

import re
from collections.abc import Callable

from .abi import (
    ABI,
    CALLBACKS,
    HANDLES,
    NOTICE,
    STRUCTS,
    Item,
    Option,
    Words,
    camel,
    comment,
    counters,
    group,
    is_count,
    options,
    reworded,
    short,
)

GO_ERRORS = """\
// kindError is what the errors of a kind are, for [errors.Is].
type kindError Status

// Error returns the name of the kind.
func (kind kindError) Error() string {
\treturn "stargate: " + Status(kind).String()
}

// The kinds of failure, for [errors.Is].
var (
"""
GO_GROUPS = [
    ("status", "Status", "Status is the outcome of a call: 0 for success, positive for outcomes that a correct "
     "program meets, negative for faults. Treat an unknown number as a fault."),
    ("state", "State", "State is the state of a connection."),
    ("outcome", "Outcome", "Outcome is what a handler decides about a message."),
]  # fmt: skip


def go_words(doc: str) -> str:
    """The words of a constant, with the names of Go."""
    doc = doc.replace("stargate_error_broker_text", "Error.BrokerText")
    doc = doc.replace("`stargate_message_reconsume_later`", "[Message.ReconsumeLater]")
    return re.sub(r"`STARGATE_(\w+)`", lambda found: f"[Err{camel(found[1])}]", doc)


def go() -> str:
    """status.go."""
    kinds = [c for c in group("status") if c["value"] not in (0, 4)]
    parts = [
        f'// {NOTICE}\n\npackage stargate\n\nimport "strconv"\n',
        f'// Version is the version of the project that this package belongs to.\nconst Version = "{ABI["version"]}"\n',
        GO_ERRORS
        + "\n".join(
            f"{comment(go_words(c['doc']), '//', chr(9))}\n\tErr{(name := camel(short(c['name'])))} error"
            f" = kindError(Status{name})\n"
            for c in kinds
        )
        + ")\n",
    ]
    for name, type_, words in GO_GROUPS:
        prefix = "" if type_ == "Outcome" else type_
        known = [(prefix + camel(short(c["name"])), c) for c in group(name)]
        lines = [
            f"{comment(go_words(c['doc']), '//', chr(9))}\n\t{go_name} {type_} = {c['value']}\n" for go_name, c in known
        ]
        names = "".join(f'\tcase {go_name}:\n\t\treturn "{short(c["name"]).lower()}"\n' for go_name, c in known)
        parts.append(f"""{comment(words, "//")}
type {type_} int32

const (
{chr(10).join(lines)})

// String returns the name of the {name}, such as "{short(known[1][1]["name"]).lower()}".
func (number {type_}) String() string {{
\tswitch number {{
{names}\t}}
\treturn "{name} " + strconv.Itoa(int(number))
}}
""")
    return "\n".join(parts)


def go_prototype(function: Item, name: str) -> str:
    """A function of C, or a pointer to one, under a name."""
    parameters = ", ".join(c_declaration(p["type"], p["name"]) for p in function["parameters"]) or "void"
    return f"{c_declaration(function['returns']['type'], name)}({parameters})"


def c_declaration(type_: str, name: str) -> str:
    """A variable in C."""
    return f"{type_}{name}" if type_.endswith("*") else f"{type_} {name}"


def c_struct(struct: Item) -> str:
    """A struct in C."""
    fields = [
        go_prototype(field, f"(*{field['name']})")
        if field["type"] == "function"
        else c_declaration(field["type"], field["name"])
        for field in struct["fields"]
    ]
    return f"struct {struct['name']} {{\n" + "".join(f"\t{field};\n" for field in fields) + "};\n"


def go_needs(functions: list[Item]) -> str:
    """The types that functions use, in C."""
    text = " ".join(go_prototype(function, "f") for function in functions)
    needed: set[str] = set()
    while found := set(re.findall(r"\bstargate_\w+", text)) - needed:
        needed |= found
        for struct in (STRUCTS[name] for name in found & set(STRUCTS)):
            text += c_struct(struct)
        for callback in (CALLBACKS[name] for name in found & set(CALLBACKS)):
            text += go_prototype(callback, "f")
    names = sorted(needed & (HANDLES | set(STRUCTS)))
    structs = [struct for name, struct in STRUCTS.items() if name in needed]
    structs.sort(key=lambda struct: sum(field["type"] in STRUCTS for field in struct["fields"]))
    return "\n".join([
        "typedef int32_t stargate_status;",
        *(f"typedef struct {name} {name};" for name in names),
        *(f"typedef {go_prototype(CALLBACKS[name], f'(*{name})')};" for name in sorted(needed & set(CALLBACKS))),
        "",
        *map(c_struct, structs),
    ])  # fmt: skip


# What the mock broker needs of stargate.h besides its own header.
GO_SHARED = {"stargate_string_free", "stargate_error_view", "stargate_error_free"}


def go_functions(table: str) -> list[Item]:
    """The functions of the table of a Go package."""
    mock = table == "mock"
    return [
        function for function in ABI["functions"]
        if (function["header"] == "stargate_mock.h") == mock or (mock and function["name"] in GO_SHARED)
    ]  # fmt: skip


def go_header(table: str) -> Callable[[], str]:
    """raw.h: what C declares, with functions that call the library through a table."""

    def write() -> str:
        functions = go_functions(table)
        pointers = "".join(
            f"\t{go_prototype(function, '(*' + function['name'].removeprefix('stargate_') + ')')};\n"
            for function in functions
        )
        constants = "".join(f"#define {c['name']} {c['value']}\n" for c in ABI["constants"])
        calls = "\n".join(go_call(function, table) for function in functions)
        return f"""/* {NOTICE} */
#ifndef STARGATE_GO_RAW_H
#define STARGATE_GO_RAW_H

#include <stddef.h>
#include <stdint.h>

#define STARGATE_SONAME "{ABI["soname"]}"
#define STARGATE_VERSION "{ABI["version"]}"
#define STARGATE_VERSION_NUMBER {go_version_number()}
{constants}
{go_needs(functions)}
/* The functions of the library that was loaded. Hidden: the library must not find its own names here. */
struct {table}_functions {{
{pointers}}};
extern struct {table}_functions {table}_functions __attribute__((visibility("hidden")));

/* Finds the functions in a library of dlopen, and returns the name of one that it lacks, or NULL. */
__attribute__((visibility("hidden"))) const char *{table}_load(void *library);

{calls}
#endif
"""

    return write


def go_version_number() -> str:
    """The version as one number, 0xMMmmpp00."""
    major, minor, patch = map(int, ABI["version"].split("."))
    return f"0x{major:02x}{minor:02x}{patch:02x}00u"


def go_call(function: Item, table: str) -> str:
    """A function of C that calls the library through the table."""
    arguments = ", ".join(parameter["name"] for parameter in function["parameters"])
    call = f"{table}_functions.{function['name'].removeprefix('stargate_')}({arguments})"
    result = "" if function["returns"]["type"] == "void" else "return "
    return f"static inline {go_prototype(function, function['name'])}\n{{\n\t{result}{call};\n}}\n"


def go_loader(table: str) -> Callable[[], str]:
    """raw.c: fills the table."""

    def write() -> str:
        names = "".join(f'\t"{function["name"]}",\n' for function in go_functions(table))
        return f"""/* {NOTICE} */
#include "raw.h"

#include <dlfcn.h>
#include <string.h>

struct {table}_functions {table}_functions;

/* In the order of the table. */
static const char *const names[] = {{
{names}}};

const char *{table}_load(void *library)
{{
\tvoid *found[sizeof names / sizeof *names];
\tsize_t i;

\tfor (i = 0; i < sizeof names / sizeof *names; i++)
\t\tif ((found[i] = dlsym(library, names[i])) == NULL)
\t\t\treturn names[i];
\tmemcpy(&{table}_functions, found, sizeof found);
\treturn NULL;
}}
"""

    return write


GO_WORDS = {
    "tls": "TLS", "ca": "CA", "url": "URL", "id": "ID", "oauth2": "OAuth2", "http": "HTTP", "websocket": "WebSocket",
    "ttl": "TTL",
}  # fmt: skip


def go_camel(name: str) -> str:
    """tls_ca_file as TLSCAFile."""
    return "".join(GO_WORDS.get(part, part.capitalize()) for part in name.split("_"))


# The interface that an option has, by the roles that take it.
GO_OPTIONS = {
    ("connection",): "ConnectionOption",
    ("producer",): "ProducerOption",
    ("consumer",): "ConsumerOption",
    ("reader",): "ReaderOption",
    ("consumer", "reader"): "ReceiverOption",
    ("producer", "consumer", "reader"): "HandleOption",
}

# The type of Go for a value, by how its description begins.
GO_VALUES = [
    ("milliseconds", "time.Duration"),
    ("true or false", "bool"),
    ("a number", "float64"),
    ("`Name: value`", "map[string]string"),
    ("earliest, latest or", "MessageID"),
]


def go_value(option: Option) -> str:
    """The type of an option's value."""
    if option.value.startswith("one of "):
        return go_camel(option.key)
    if numbers := re.match(r"a whole number from \S+ to (\d+)", option.value):
        return "int" if int(numbers[1]) < 2**31 else "int64"
    return next((type_ for words, type_ in GO_VALUES if option.value.startswith(words)), "string")


def go_option(option: Option) -> str:
    """The function of an option, and the type of its values where they have names."""
    type_, kind = go_value(option), GO_OPTIONS[tuple(option.roles)]
    name = go_camel(option.key)
    parts = []
    if option.value.startswith("one of "):
        values = option.value.removeprefix("one of ").split(", ")
        names = [
            f"{name}{go_camel(value)}".ljust(len(name) + max(len(go_camel(v)) for v in values)) for value in values
        ]
        rows = "".join(f'\t{it} {name} = "{value}"\n' for it, value in zip(names, values, strict=True))
        parts.append(
            f"// {name} is a value of [With{name}].\ntype {name} string\n\n// What [With{name}] takes.\n"
            f"const (\n{rows})\n"
        )
    facts = option.value if type_ not in ("bool", "time.Duration") else ""
    if type_ == "time.Duration":
        facts = re.sub(r"(\d+) to (\d+)", r"\1 ms to \2 ms", option.value.removeprefix("milliseconds, "))
    limits = f" Value: {facts}." if facts else ""
    default = f" Default: {option.default}{' ms' if type_ == 'time.Duration' else ''}." if option.default else ""
    words = f"With{name} sets the option {option.key}. {option.doc}{limits}{default}"
    parts.append(f"""{comment(words, "//")}
func With{name}(value {type_}) {kind} {{
\treturn setting{{"{option.key}", value}}
}}
""")
    return "\n".join(parts)


def go_options() -> str:
    """options.go."""
    notice = NOTICE.replace("include/stargate.abi.json", "docs/configuration.md")
    return "\n".join([f'// {notice}\n\npackage stargate\n\nimport "time"\n', *map(go_option, options())])


def go_stats() -> str:
    """stats.go."""
    notice = NOTICE.replace("include/stargate.abi.json", "docs/statistics.md")
    fields = "\n".join(
        f'{comment(doc, "//", chr(9))}\n\t{go_camel(name)} uint64 `json:"{name}"`\n' for name, doc in counters()
    )
    return f"""// {notice}

package stargate

// Stats are the counters of a producer, consumer or reader, or of all handles that a client opened.
// Counts cover the time since it was opened; a gauge is the present value.
type Stats struct {{
{fields}}}
"""


# What the names of parameters say in the functions of administration: flags, ids, times and durations.
GO_FLAGS = {"after", "force", "persistent", "enabled"}
GO_IDS = {"position", "messageID"}
GO_TIMES = {
    "time_ms": ("at", "time.Time", "C.int64_t(at.UnixMilli())"),
    "older_than_seconds": ("olderThan", "time.Duration", "seconds(olderThan)"),
    "ttl_seconds": ("ttl", "time.Duration", "seconds(ttl)"),
}

# These are written by hand.
GO_ADMIN_BY_HAND = {"stargate_admin_request", "stargate_admin_walk_topics"}


def go_admin_parameter(parameter: Item) -> tuple[str, str, str]:
    """The name and the type of a parameter in Go, and its value for C. No name: it is none for the caller."""
    name = re.sub(r"_(\w)", lambda found: found[1].upper(), parameter["name"].removesuffix("_name"))
    name = "messageID" if name == "messageId" else name
    if name in GO_IDS:
        return name, "MessageID", f"c.text({name}.text)"
    if parameter["kind"] == "text" and parameter["direction"] == "in":
        return name, "string", f"c.{'optional' if parameter.get('nullable') else 'text'}({name})"
    if parameter["name"] in GO_TIMES:
        return GO_TIMES[parameter["name"]]
    if parameter["name"] in GO_FLAGS:
        return name, "bool", f"C.int32_t(number({name}))"
    if parameter["kind"] == "array" and parameter["direction"] == "in":
        return name, "map[string]string", f"c.properties({name})"
    known = {
        "client": "a.pointer()", "timeout_ms": "c.timeout", "error": "&c.failed", "out": "&out", "max": "c.max()",
        "out_count": "&count", "property_count": "C.size_t(len(properties))",
    }  # fmt: skip
    if parameter["name"] in known:
        return "", "", known[parameter["name"]]
    return name, {"int32_t": "int", "int64_t": "int64"}[parameter["type"]], f"C.{parameter['type']}({name})"


def go_admin_result(function: Item) -> tuple[str, str, str]:
    """The type of a result in Go, the declaration of what C writes, and the value."""
    outs = {p["name"]: p["type"] for p in function["parameters"] if p["name"] in ("out", "out_count")}
    doc = function["doc"]
    if "out_count" in outs:
        return "[]*Message", "out, count := c.messages()", "takeMessages(out, count)"
    if outs.get("out") == "stargate_strings **":
        if "the ids of" in doc:
            return "[]MessageID", "var out *C.stargate_strings", "takeIDs(out)"
        return "[]string", "var out *C.stargate_strings", "takeStrings(out)"
    if outs.get("out") == "char **":
        if "JSON" in doc:
            return "json.RawMessage", "var out *C.char", "takeJSON(out)"
        return ("MessageID", "var out *C.char", "MessageID{takeText(out)}") if "the id of" in doc \
            else ("string", "var out *C.char", "takeText(out)")  # fmt: skip
    if "how many seconds" in doc and "out" in outs:
        return "time.Duration", "var out C.int32_t", "time.Duration(out) * time.Second"
    if "out" in outs:
        number = is_count(function) or "-1 if" in doc
        return ("int", "var out C.int32_t", "int(out)") if number else ("bool", "var out C.int32_t", "out != 0")
    return "", "", ""


GO_ADMIN_WORDS: Words = [
    (r"\s*For `stargate_strings?_free`\.|; for `stargate_strings?_free`", ""),
    (r"Free them with `stargate_messages_free`\.", ""),
    (r" `out` has room for `max` messages(; `\*out_count` is how many were written)?\.", ""),
    (r"`stargate_admin_(\w+)`", lambda found: f"[Admin.{go_camel(found[1])}]"),
    (r"; `\*out` is 1 if (.*?), otherwise 0", r". It returns true if \1"),
    (r"`\*out` is 0 if (.*?); otherwise 1", r"It returns false if \1"),
    (r"NULL `(\w+)` means", lambda found: f"Empty {go_lower(found[1])} mean"),
    (r", NULL `(\w+)`", lambda found: f", empty {go_lower(found[1])}"),
    (r"`(\w+)` may be NULL; with NULL `(\w+)`", r"`\1` may be empty; with empty `\2`"),
    (r" `(\w+)` and `(\w+)` may be NULL,", lambda f: f" {go_lower(f[1])} and {go_lower(f[2])} may be empty,"),
    (r"with `after` 1 after", "or, with after, behind"),
    (r'position`: "earliest", "latest"', "position`: [Earliest], [Latest]"),
    (r"the first `max` of a batch", "the first of a batch, up to limit"),
    (r"after how many seconds (.*); -1 if", r"after how long \1; below 0 if"),
    (r"after how many seconds", "after how long"),
    (r"with `persistent` 0", "without persistent"),
    (r"; NULL if", "; empty if"),
    (r"\. Returns", ". It returns"),
    (r"\(1\) or disables \(0\)", "or disables"),
    (r"at `time_ms` or later", "at or after at"),
    (r"STARGATE_(\w+)", lambda found: f"[Err{camel(found[1])}]"),
    (r"`(\w+)`", lambda found: go_lower(found[1])),
]  # fmt: skip


def go_admin_doc(function: Item, name: str) -> str:
    """The words of a function of administration, for Go."""
    doc = function["doc"].split("\n\n")[0].replace("\n", " ")
    doc = reworded(doc, GO_ADMIN_WORDS)
    for parameter in function["parameters"]:
        if parameter["name"].endswith("_seconds"):
            doc += f" Fractions of a second in {GO_TIMES[parameter['name']][0]} count as a whole one."
    verb = f"is {doc[0].lower()}{doc[1:]}" if doc.startswith("As ") else f"{doc[0].lower()}{doc[1:]}"
    return comment(f"{name} {verb.strip()}", "//")


def go_lower(name: str) -> str:
    """message_id as messageID."""
    camel_ = go_camel(name)
    return name.split("_")[0] + camel_[len(name.split("_")[0]) :]


def go_admin_method(function: Item) -> str:
    """A method of Admin."""
    name = go_camel(function["name"].removeprefix("stargate_admin_"))
    parameters = [go_admin_parameter(parameter) for parameter in function["parameters"]]
    if any(p["name"] == "max" for p in function["parameters"]):
        parameters.append(("limit", "int", ""))
    listed = [("ctx", "context.Context"), *((name_, type_) for name_, type_, _ in parameters if name_)]
    given = ", ".join(
        name_ if listed[at + 1 :] and listed[at + 1][1] == type_ else f"{name_} {type_}"
        for at, (name_, type_) in enumerate(listed)
    )
    texts = ", ".join(name_ for name_, type_, _ in parameters if type_ == "string")
    arguments = ", ".join(value for _, _, value in parameters if value)
    if "&count" in arguments:
        arguments = arguments.replace("&out", "out").replace("&count", "count")
    type_, declared, value = go_admin_result(function)
    limit = ", limit" if ("limit", "int") in listed else ", 0"
    call = f"C.{function['name']}(\n\t\t\t{arguments})"
    head = f"{go_admin_doc(function, name)}\nfunc (a *Admin) {name}({given})"
    # The call may go on after a cancel.
    copies = "".join(f"\t{name_} = maps.Clone({name_})\n" for name_, type_, _ in parameters if type_.startswith("map["))
    start = f"adminCall(ctx, a, []string{{{texts}}}{limit}, func(c *adminArguments)"
    if not type_:
        return f"""{head} error {{
{copies}\t_, err := {start} (struct{{}}, error) {{
\t\treturn struct{{}}{{}}, c.taken({call})
\t}})
\treturn err
}}
"""
    return f"""{head} ({type_}, error) {{
\treturn {start} ({type_}, error) {{
\t\t{declared}
\t\terr := c.taken({call})
\t\treturn {value}, err
\t}})
}}
"""


def go_admin() -> str:
    """admin_calls.go."""
    functions = [
        function for function in ABI["functions"]
        if function["name"].startswith("stargate_admin_") and function["name"] not in GO_ADMIN_BY_HAND
    ]  # fmt: skip
    return "\n".join([
        f'// {NOTICE}\n\npackage stargate\n\n// #include "glue.h"\nimport "C"\n\n'
        'import (\n\t"context"\n\t"encoding/json"\n\t"maps"\n\t"time"\n)\n',
        *map(go_admin_method, functions),
    ])  # fmt: skip


FILES: dict[str, Callable[[], str]] = {
    "status.go": go,
    "options.go": go_options,
    "stats.go": go_stats,
    "admin_calls.go": go_admin,
    "raw.h": go_header("raw"),
    "raw.c": go_loader("raw"),
    "stargatetest/raw.h": go_header("mock"),
    "stargatetest/raw.c": go_loader("mock"),
}
