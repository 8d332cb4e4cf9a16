"""Writes the files of the Node.js package."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from typing import NamedTuple

from .abi import (
    ABI,
    CALLBACKS,
    HANDLES,
    NOTICE,
    STRUCTS,
    Item,
    Words,
    all_callbacks,
    blocks,
    camel,
    comment,
    counters,
    functions_of,
    group,
    is_count,
    is_pointer,
    options,
    pointee,
    reworded,
    short,
)


def node_type(type_: str) -> str:
    """A type as an expression of koffi, where it is passed in or returned."""
    if type_ == "const char *":
        return "'str'"
    if type_ in CALLBACKS:
        return f"pointer({type_})"
    if type_ in STRUCTS:
        return type_
    if not is_pointer(type_):
        return f"'{'int32_t' if type_ == 'stargate_status' else type_}'"
    of = pointee(type_)
    if type_.count("*") == 1 and (of in HANDLES or of in STRUCTS):
        return f"pointer({of})"
    return "'void *'"


def node_parameter(parameter: Item) -> str:
    """A parameter as an expression of koffi. Arrays to fill are memory of the caller, since they are freed later."""
    type_, kind = parameter["type"], parameter["kind"]
    of = pointee(type_)
    if kind == "user_data":
        return "'uintptr_t'"
    if kind == "array" and type_.startswith("const char"):
        return "pointer('str')"
    if kind == "array" and parameter["direction"] == "in" and parameter["ownership"] == "borrowed" and of in STRUCTS:
        return f"pointer({of})"
    if kind in ("array", "bytes"):
        return "'void *'"
    if parameter["direction"] == "out":
        if kind == "struct":
            return f"out(pointer({of}))"
        if kind == "number":
            return f"out(pointer('{of}'))"
        return f"out(pointer({'pointer(' + of + ')' if of in HANDLES else chr(39) + 'void *' + chr(39)}))"
    return node_type(type_)


def node_field(field: Item, struct: Item) -> str:
    """A field of a struct; a text that is to be freed, or has a length, stays a pointer."""
    type_ = field["type"]
    if type_ == "function":
        return f"pointer({struct['name']}_{field['name']})"
    with_length = any(other["name"] in (f"{field['name']}_len", "len") for other in struct["fields"])
    if type_ == "const char *" and with_length:
        return "'void *'"
    if type_ == "const char *const *":
        return "pointer('str')"
    return "'void *'" if type_ == "char *" else node_type(type_)


def node_callback(callback: Item) -> str:
    """A type of function that JavaScript passes. Pointers arrive as numbers of the type BigInt."""
    types = []
    for parameter in callback["parameters"]:
        plain = parameter["kind"] == "user_data" and parameter["direction"] == "in"
        types.append("'uintptr_t'" if plain else node_type(parameter["type"]))
    types = ["'void *'" if type_ == "'str'" or type_.startswith("pointer") else type_ for type_ in types]
    returns = node_type(callback["returns"]["type"])
    return f"const {callback['name']} = koffi.proto({returns}, [{', '.join(types)}]);"


def node_names(name: str) -> str:
    """The names of the constants of a group by their numbers, as an object."""
    rows = ", ".join(f"'{c['value']}': '{short(c['name']).lower()}'" for c in group(name))
    return f"{{ {rows} }}"


def node() -> str:
    """raw.js."""
    constants = "".join(f"  {c['name']}: {c['value']}, // {c['doc']}\n" for c in ABI["constants"])
    statuses, states = node_names("status"), node_names("state")
    declared = [f"const {name} = koffi.opaque();" for name in sorted(HANDLES)]
    waiting = list(all_callbacks())
    known: set[str] = set()
    # A callback may have a struct by value, and a struct a callback.
    plain = [struct for struct in ABI["structs"] if not list(functions_of(struct))]
    for struct in sorted(plain, key=lambda struct: sum(field["type"] in STRUCTS for field in struct["fields"])):
        fields = ", ".join(f"{field['name']}: {node_field(field, struct)}" for field in struct["fields"])
        declared.append(f"const {struct['name']} = koffi.struct({{ {fields} }});")
        known.add(struct["name"])
    declared += [node_callback(callback) for callback in waiting]
    for struct in ABI["structs"]:
        if struct["name"] not in known:
            fields = ", ".join(f"{field['name']}: {node_field(field, struct)}" for field in struct["fields"])
            declared.append(f"const {struct['name']} = koffi.struct({{ {fields} }});")
    rows = []
    for function in ABI["functions"]:
        types = ", ".join(node_parameter(parameter) for parameter in function["parameters"])
        names = ", ".join(parameter["name"] for parameter in function["parameters"])
        waits = " Waits." if blocks(function) else ""
        rows.append(
            f"{comment(function['summary'] + waits, '//', '  ')}\n  // ({names})\n"
            f"  {function['name']}: [{'WAITS' if blocks(function) else 'RETURNS_AT_ONCE'}, "
            f"{node_type(function['returns']['type'])}, [{types}]],\n"
        )
    types = ", ".join([*sorted(STRUCTS), *(callback["name"] for callback in all_callbacks())])
    return f"""// {NOTICE}
'use strict';

const koffi = require('koffi');

const {{ out, pointer }} = koffi;

const constants = Object.freeze({{
{constants}}});

// The names of numbers.
const statuses = Object.freeze({statuses});
const states = Object.freeze({states});

{chr(10).join(declared)}

const RETURNS_AT_ONCE = false;
const WAITS = true;

// [whether it may wait, what it returns, its parameters]. Handles and other pointers are BigInts, `user_data` is a
// number. A result goes into the first element of an array ([null], [0]); an array to fill is a Buffer.
const functions = {{
{"".join(rows)}}};

// Declares a function. One that may wait returns a promise, and waits on a thread of Node.js; its `sync` waits here.
function declare(library, name) {{
  const [waits, returns, parameters] = functions[name];
  const call = library.func(name, returns, parameters);
  if (!waits) return call;
  const later = (...values) =>
    new Promise((resolve, reject) => {{
      call.async(...values, (error, result) => (error ? reject(error) : resolve(result)));
    }});
  later.sync = call;
  return later;
}}

// Loads the library at `path`: an object with its functions, each declared at its first use.
function load(path) {{
  const library = koffi.load(path);
  const raw = {{}};
  for (const name of Object.keys(functions)) {{
    Object.defineProperty(raw, name, {{
      configurable: true,
      enumerable: true,
      get() {{
        const value = declare(library, name);
        Object.defineProperty(raw, name, {{ value, enumerable: true }});
        return value;
      }},
    }});
  }}
  return raw;
}}

module.exports = {{
  constants,
  load,
  states,
  statuses,
  version: '{ABI["version"]}',
  types: {{ {types} }},
}};
"""


# What the library says of threads is here true of calls on the event loop.
NODE_OPTION_DOCS = {"processors": "How many calls of the handler run at a time."}
NODE_ROLES = ["Connection", "Producer", "Consumer", "Reader"]


def node_option_type(value: str) -> str:
    """The type of TypeScript of an option's value."""
    if value == "true or false":
        return "boolean"
    if value.startswith("one of "):
        return " | ".join(f"'{choice}'" for choice in value.removeprefix("one of ").split(", "))
    if value.startswith("earliest, latest or"):
        return "'earliest' | 'latest' | MessageId | string"
    if value.startswith("`Name: value`"):
        return "string | Record<string, string>"
    if value.startswith(("milliseconds", "a number", "a whole number")):
        return "number | bigint" if "9223372036854775807" in value else "number"
    return "string | Buffer" if "PEM" in value else "string"


def node_types() -> str:
    """generated.d.ts."""
    known = options()
    keys = {option.key: mixed(option.key) for option in known}
    parts = []
    for role in NODE_ROLES:
        rows = []
        for option in known:
            if role.lower() not in option.roles:
                continue
            doc = NODE_OPTION_DOCS.get(option.key, option.doc)
            doc = re.sub(r"`([a-z0-9_]+)`", lambda found: f"`{keys.get(found[1], found[1])}`", doc)
            default = f" Default: `{option.default}`." if option.default else ""
            words = f"{doc} {first_upper(option.value)}.{default}"
            rows.append(f"{node_doc(words, '  ')}\n  {mixed(option.key)}?: {node_option_type(option.value)};\n")
        extends = "" if role == "Connection" else " extends ConnectionOptions"
        words = "everything that a client opens" if role == "Connection" else f"a {role.lower()}"
        parts.append(
            f"/** The options of {words}, from docs/configuration.md. The library checks them. */\n"
            f"export interface {role}Options{extends} {{\n{''.join(rows)}}}\n"
        )
    statuses = [(camel(short(c["name"])), short(c["name"]).lower(), c["doc"]) for c in group("status")][1:]
    kinds = "\n".join(f"  | '{kind}'" for _, kind, _ in statuses)
    states = " | ".join(f"'{short(c['name']).lower()}'" for c in group("state"))
    classes = "\n".join(
        f"{node_doc(doc.replace('stargate_error_broker_text', '`brokerText`'), '')}\n"
        f"export class {name}Error extends StargateError {{}}\n"
        for name, _, doc in statuses
    )
    stats = "".join(f"{node_doc(doc, '  ')}\n  {mixed(key)}: number;\n" for key, doc in counters())
    return f"""// {NOTICE}
import {{ MessageId, StargateError }} from '../index';

/** What a connection does; docs/c.md explains the states. */
export type ConnectionState = {states};

/** Why a call failed. */
export type ErrorKind =
{kinds};

{chr(10).join(parts)}
/** Counters of a handle, or of everything that a client opened. They count from its opening on. */
export interface Stats {{
{stats}}}

{classes}"""


# What admin calls take and give in JavaScript; what is not here is a text or a number.
NODE_FLAGS = {"force": False, "persistent": True, "after": False}
NODE_DEFAULTS = {"admin_roles": "null", "allowed_clusters": "null", "bundles": "0", "version": "-1"}
NODE_BY_HAND = {"stargate_admin_request", "stargate_admin_walk_topics", "stargate_admin_set_subscription_properties"}
NODE_RENAMED = {"namespace_name": "namespace", "time_ms": "time"}


class NodeAdminCall(NamedTuple):
    """A function of the REST API as a method: arguments, options, and what it gives."""

    name: str
    function: str
    arguments: list[str]
    options: list[str]
    gives: str
    doc: str


def node_admin_calls() -> list[NodeAdminCall]:
    """The functions of the REST API, but for those that are written by hand."""
    calls = []
    for function in ABI["functions"]:
        if not function["name"].startswith("stargate_admin_") or function["name"] in NODE_BY_HAND:
            continue
        taken = [p["name"] for p in function["parameters"] if p["direction"] == "in" and p["kind"] != "handle"]
        taken = [name for name in taken if name not in ("timeout_ms", "max")]
        options = [name for name in taken if name in NODE_FLAGS or name in NODE_DEFAULTS]
        calls.append(
            NodeAdminCall(
                mixed(function["name"].removeprefix("stargate_admin_")),
                function["name"],
                taken,
                options,
                node_admin_gives(function),
                node_admin_doc(function["doc"]),
            )
        )
    return calls


def node_admin_gives(function: Item) -> str:
    """What a function of the REST API gives, as the name of the call that converts it."""
    name, types = function["name"], {p["type"] for p in function["parameters"] if p["name"] == "out"}
    if types == {"stargate_strings **"}:
        return "ids" if name == "stargate_admin_terminate_topic" else "texts"
    if types == {"stargate_message **"}:
        return "messages"
    if types == {"char **"}:
        return "json" if "JSON" in function["doc"] else "id" if "message_id" in name else "text"
    if types == {"int32_t *"}:
        return "number" if is_count(function) else "flag"
    return "nothing"


NODE_ADMIN_WORDS: Words = [
    (r" (For|Free them with) `stargate_\w+`\.", ""),
    (r" `out` has room for `max` messages(; `\*out_count` is how many were written)?\.", ""),
    (r"`\*out` is 1 if (\w+ \w+ ?\w*), otherwise 0", r"resolves with whether \1"),
    (r"`\*out` is 0 if it does not begin, (.*?); otherwise 1", r"Resolves with false if it does not begin, \1"),
    (r": 1 or 0; -1 if that is not set", "; null if that is not set"),
    (r"; -1 if that is not set", "; null if that is not set"),
    (r"may be NULL; with NULL", "may be left out; without"),
    (r"NULL `(\w+)` means", r"Without `\1` there is"),
    (r"NULL `(\w+)`", r"without `\1`"),
    (r"are names separated by commas", "are names"),
    (r"\bReturns\b", "Resolves with"),
    (r"may be NULL, as", "may be left out, as"),
    (r"NULL if", "null if"),
    (r"with `after` 1", "with `after`"),
    (r"`persistent` 0", "`persistent: false`"),
    (r"Enables \(1\) or disables \(0\)", "Enables or disables"),
    (r"is STARGATE_BUSY, unless", "fails with `BusyError`, unless"),
    (r", as a JSON (array|object)", r", as an \1"),
    (r", in (the broker's )?JSON", r", as \1JSON has it"),
    (r" in JSON: retention", ": retention"),
    (r"`stargate_admin_(\w+)`", lambda found: f"{{@link Admin.{mixed(found[1])}}}"),
    (r"\b(time_ms|admin_roles|allowed_clusters)\b", lambda found: mixed(found[1]).removesuffix("Ms")),
]


def node_admin_doc(doc: str) -> str:
    """The words about a function, in terms of JavaScript."""
    return reworded(" ".join(doc.split("\n\nThread-safe")[0].split()), NODE_ADMIN_WORDS)


def node_admin() -> str:
    """admin.js."""
    methods = []
    for call in node_admin_calls():
        names = [NODE_RENAMED.get(name, mixed(name)) for name in call.arguments]
        positional = [name for key, name in zip(call.arguments, names, strict=True) if key not in call.options]
        values = []
        for key, name in zip(call.arguments, names, strict=True):
            if key in NODE_FLAGS:
                values.append(f"Number(options.{name} ?? {str(NODE_FLAGS[key]).lower()})")
            elif key in NODE_DEFAULTS:
                default = NODE_DEFAULTS[key]
                values.append(f"listed(options.{name})" if default == "null" else f"options.{name} ?? {default}")
            elif key == "enabled":
                values.append("Number(enabled)")
            elif key == "time_ms":
                values.append("millis('time', time)")
            elif key in ("position", "message_id"):
                values.append(f"`${{MessageId.from({name})}}`")
            elif key in ("start", "policy", "kind", "tenant", "namespace_name", "topic", "subscription", "schema"):
                values.append(f"cText('{name}', {name})")
            else:
                values.append(f"whole('{name}', {name}, -1)")
        listed = "".join(f", {value}" for value in values)
        methods.append(
            f"  async {call.name}({', '.join([*positional, 'options = {}'])}) {{\n"
            f"    return this._{call.gives}(options, '{call.function}'{listed});\n  }}\n"
        )
    return f"""// {NOTICE}
'use strict';

const {{ AdminCalls, listed }} = require('./admin_calls.js');
const {{ cText, time: millis, whole }} = require('./convert.js');
const {{ MessageId }} = require('./message_id.js');

class Admin extends AdminCalls {{
{chr(10).join(methods)}}}

module.exports = {{ Admin }};
"""


NODE_ADMIN_RESULTS = {
    "nothing": "void", "texts": "string[]", "ids": "MessageId[]", "messages": "Message[]", "json": "any",
    "id": "MessageId | null", "text": "string", "number": "number | null", "flag": "boolean",
}  # fmt: skip
NODE_ADMIN_TYPES = {
    "time_ms": "Date | number", "position": "MessageId | 'earliest' | 'latest' | string", "enabled": "boolean",
    "message_id": "MessageId | string", "start": "'earliest' | 'latest'", "bundles": "number", "version": "number",
    "admin_roles": "string[]", "allowed_clusters": "string[]",
    "kind": "'destination_storage' | 'message_age'",
}  # fmt: skip
NODE_ADMIN_NUMBERS = {
    "minutes", "megabytes", "ttl_seconds", "limit", "partitions", "entries", "older_than_seconds", "nth",
}  # fmt: skip


def node_admin_types() -> str:
    """admin.d.ts."""
    methods = []
    for call in node_admin_calls():
        typed = []
        options = []
        for key in call.arguments:
            type_ = "number" if key in NODE_ADMIN_NUMBERS else NODE_ADMIN_TYPES.get(key, "string")
            name = NODE_RENAMED.get(key, mixed(key))
            if key in call.options:
                options.append(f"{name}?: {'boolean' if key in NODE_FLAGS else type_}")
            else:
                typed.append(f"{name}: {type_}")
        more = f" & {{ {'; '.join([*options, *(['max?: number'] if call.gives == 'messages' else [])])} }}"
        typed.append(f"options?: Waiting{more if options or call.gives == 'messages' else ''}")
        gives = "boolean | null" if call.name == "deduplication" else NODE_ADMIN_RESULTS[call.gives]
        gives = "number" if call.gives == "number" and "null if" not in call.doc else gives
        methods.append(f"{node_doc(call.doc, '  ')}\n  {call.name}({', '.join(typed)}): Promise<{gives}>;\n")
    return f"""// {NOTICE}
import type {{ Message, MessageId, Waiting }} from '../index';
import {{ AdminCalls }} from './admin_calls';

/** Administers a cluster through Pulsar's REST API. Fails with `NotFoundError` for what is missing, and so on. */
export class Admin extends AdminCalls {{
  private constructor();

{chr(10).join(methods)}}}
"""


def node_doc(text: str, indent: str) -> str:
    """A text as a comment of TSDoc."""
    lines = textwrap.wrap(text, 100, break_on_hyphens=False, break_long_words=False)
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */"
    return "\n".join([f"{indent}/**", *(f"{indent} * {line}" for line in lines), f"{indent} */"])


def first_upper(text: str) -> str:
    """A text that begins with a capital letter, unless with a name."""
    return text[0].upper() + text[1:]


def mixed(key: str) -> str:
    """outcome_unknown as outcomeUnknown."""
    first, *rest = key.split("_")
    return first + "".join(part.capitalize() for part in rest)


FILES: dict[str, Callable[[], str]] = {
    "src/raw.js": node,
    "src/generated.d.ts": node_types,
    "src/admin.js": node_admin,
    "src/admin.d.ts": node_admin_types,
}
