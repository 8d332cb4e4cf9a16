"""Writes the files of the Ruby package."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable

from .abi import (
    ABI,
    CALLBACKS,
    NOTICE,
    STRUCTS,
    Item,
    Words,
    all_callbacks,
    blocks,
    camel,
    comment,
    group,
    is_count,
    is_pointer,
    options,
    reworded,
    short,
)

RUBY_NUMBERS = {
    "int32_t": ":int32",
    "uint32_t": ":uint32",
    "stargate_status": ":int32",
    "uint16_t": ":uint16",
    "int64_t": ":int64",
    "uint64_t": ":uint64",
    "size_t": ":size_t",
    "uintptr_t": ":uintptr_t",
    "void": ":void",
}


def ruby_type(type_: str) -> str:
    """A type of the gem."""
    if type_ == "const char *":
        return ":string"
    if type_ in STRUCTS:
        return f"{camel(short(type_))}.by_value"
    if type_ in CALLBACKS:
        return f":{type_}"
    return ":pointer" if is_pointer(type_) else RUBY_NUMBERS[type_]


def ruby_parameter(parameter: Item) -> str:
    """The type of a parameter. A user_data is a number of the caller."""
    if parameter["kind"] == "user_data" and parameter["direction"] == "in":
        return ":uintptr_t"
    return ":pointer" if parameter["kind"] in ("bytes", "array") else ruby_type(parameter["type"])


def ruby_struct(struct: Item) -> str:
    """A class with the layout of a struct."""
    rows = []
    for field in struct["fields"]:
        type_ = camel(short(field["type"])) if field["type"] in STRUCTS else ruby_type(field["type"])
        type_ = ":pointer" if type_ == ":string" else type_
        rows.append(f":{field['name']}, {type_}, {field['offset']}")
    listed = ",\n             ".join(rows)
    return f"{comment(struct['summary'], '#', '    ')}\n    class {camel(short(struct['name']))} < FFI::Struct\n" \
           f"      layout {listed}\n    end\n"  # fmt: skip


# Called with a timeout of 0, as what accepts messages is: they never wait, and keep the interpreter's lock.
RUBY_AT_ONCE = {"stargate_client_poll", "stargate_reader_receive_before_end"}


def ruby_functions(header: str) -> str:
    """The functions of a header."""
    rows = []
    for function in ABI["functions"]:
        if function["header"] != header:
            continue
        types = ", ".join(ruby_parameter(parameter) for parameter in function["parameters"])
        names = ", ".join(parameter["name"] for parameter in function["parameters"])
        options = ", blocking: true" if blocks(function) else ""
        name, listed = function["name"], f"[{types}], {ruby_type(function['returns']['type'])}"
        row = f"      attach_function :{name}, {listed}{options}\n"
        accepts = blocks(function) and any("destroy" in parameter for parameter in function["parameters"])
        if accepts or name in RUBY_AT_ONCE:
            row += (
                f"      attach_function :{name}_at_once, :{name}, {listed} # with timeout_ms 0 it waits for nothing\n"
            )
        rows.append(f"{comment(function['summary'], '#', '      ')}\n      # ({names})\n{row}")
    return "\n".join(rows)


def ruby() -> str:
    """raw.rb."""
    constants = "\n".join(
        f"{comment(c['doc'], '#', '    ')}\n    {c['name'].removeprefix('STARGATE_')} = {c['value']}\n"
        for c in ABI["constants"]
    )
    structs = sorted(ABI["structs"], key=lambda struct: sum(field["type"] in STRUCTS for field in struct["fields"]))
    callbacks = "\n".join(
        f"{comment(c['summary'], '#', '    ')}\n"
        f"    callback :{c['name']}, [{', '.join(ruby_callback_type(p) for p in c['parameters'])}], "
        f"{ruby_type(c['returns']['type'])}\n"
        for c in all_callbacks()
    )
    return f"""# frozen_string_literal: true

# {NOTICE}

require "ffi"

module Stargate
  # What libstargate {ABI["version"]} declares, under the names of C. A pointer that may be NULL takes nil. A call that
  # may wait releases the lock of the interpreter. attach comes first.
  module Raw
    extend FFI::Library

    VERSION = "{ABI["version"]}"

{constants}
{chr(10).join(ruby_struct(struct) for struct in structs)}
{callbacks}
    # Loads the library at a path and declares its functions.
    def self.attach(path)
      ffi_lib path

{ruby_functions("stargate.h")}    end

    # Declares the functions of the mock broker, which a library built without it does not have.
    def self.attach_mock
{ruby_functions("stargate_mock.h")}    end
  end
end
"""


def ruby_callback_type(parameter: Item) -> str:
    """The type of what a callback receives: texts and structs behind pointers stay pointers."""
    type_ = ruby_parameter(parameter)
    return ":pointer" if type_ == ":string" else type_


# The parameters of administration that Ruby has as keywords, with what they are when not given.
RUBY_KEYWORDS = {
    "persistent": "true", "after": "false", "force": "false", "admin_roles": "nil", "allowed_clusters": "nil",
    "bundles": "0", "version": "-1", "max": "100",
}  # fmt: skip

# How a value of Ruby becomes one of C.
RUBY_ARGUMENTS = {
    "persistent": "flag", "after": "flag", "force": "flag", "enabled": "flag", "admin_roles": "names",
    "allowed_clusters": "names", "time_ms": "Native.time_millis", "properties": "*table",
}  # fmt: skip
RUBY_NAMES = {
    "namespace_name": "namespace", "time_ms": "time", "ttl_seconds": "seconds", "older_than_seconds": "seconds",
}  # fmt: skip


def ruby_admin_result(function: Item) -> str:
    """What a function of administration returns, as a private method of Admin reads it."""
    outs = {p["name"]: p["type"] for p in function["parameters"] if p["direction"] == "out"}
    doc = function["doc"]
    if "out_count" in outs:
        return "messages"
    if outs.get("out") == "stargate_strings **":
        return "strings"
    if outs.get("out") == "char **":
        return "json" if "JSON" in doc else "id" if "the id of" in doc else "text"
    if "out" in outs:
        if "-1 if" in doc:
            return "number" if is_count(function) else "setting"
        return "count" if is_count(function) else "answer"
    return "nothing"


RUBY_ADMIN_WORDS: Words = [
    (r"\s*For `stargate_strings?_free`\.|; for `stargate_strings?_free`", ""),
    (r"\s*Free them with `stargate_messages_free`\.", ""),
    (r" `out` has room for (`max` messages)(; `\*out_count` is how many were written)?\.", r" At most \1."),
    (r"`stargate_admin_(\w+)`", r"#\1"),
    (r"; `\*out` is 1 if (.*?), otherwise 0", r". Returns whether \1"),
    (r"`\*out` is 0 if (.*?); otherwise 1", r"Returns false if \1"),
    (r": 1 or 0; -1 if that is not set", "; nil if that is not set"),
    (r"; -1 if", "; nil if"),
    (r"names separated by commas", "Arrays of names"),
    (r", as a JSON object of texts", ""),
    (r", in JSON: |, as a JSON array of ", ": "),
    (r" in JSON: ", ": "),
    (r", in the broker's JSON", ", as the broker's JSON, parsed"),
    (r"with `after` 1 after", "with `after` after"),
    (r"`persistent` 0", "`persistent: false`"),
    (r"\(1\) or disables \(0\)", "or disables"),
    (r"`time_ms`", "`time`"),
    (r"\bNULL\b", "nil"),
    (r"STARGATE_(\w+)", lambda found: f"{camel(found[1])}Error"),
    (r"`(\w+: \w+)`", r"<tt>\1</tt>"),
    (r"`(\w+)`", r"+\1+"),
    (r"\s+", " "),
]  # fmt: skip


def ruby_admin_doc(function: Item) -> str:
    """The words of a function of administration, for Ruby."""
    doc = function["doc"].split("\n\n")[0].replace("\n", " ")
    doc = reworded(doc, RUBY_ADMIN_WORDS)
    return comment(doc.strip(), "#", "    ")


def ruby_admin_parameters(function: Item) -> list[Item]:
    """What a method of Admin takes of a function, apart from the time limit."""
    counts = ("timeout_ms", "property_count")
    return [p for p in function["parameters"][1:] if p["direction"] == "in" and p["name"] not in counts]


def ruby_admin_functions() -> list[Item]:
    """The functions of administration, but for those that are written by hand."""
    by_hand = ("stargate_admin_request", "stargate_admin_walk_topics")
    admin = [function for function in ABI["functions"] if function["name"].startswith("stargate_admin_")]
    return [function for function in admin if function["name"] not in by_hand]


def ruby_admin_method(function: Item) -> str:
    """A method of Admin."""
    name = function["name"].removeprefix("stargate_admin_")
    names = [p["name"] for p in ruby_admin_parameters(function)]
    plain = [RUBY_NAMES.get(parameter, parameter) for parameter in names if parameter not in RUBY_KEYWORDS]
    keywords = [f"{parameter}: {RUBY_KEYWORDS[parameter]}" for parameter in names if parameter in RUBY_KEYWORDS]
    values = []
    for parameter in names:
        value = RUBY_NAMES.get(parameter, parameter)
        texts = [p for p in function["parameters"] if p["name"] == parameter and p["kind"] == "text"]
        convert = RUBY_ARGUMENTS.get(parameter) or ("text" if texts else None)
        if parameter != "max":
            values.append(f"{convert}({value})" if convert else value)
    result = ruby_admin_result(function)
    listed = ", ".join([*plain, *keywords, "timeout: nil"])
    given = "".join(f", {value}" for value in values) + (", max: max" if "max" in names else "")
    return f"""{ruby_admin_doc(function)}
    def {name}({listed})
      ask_{result}(:{function["name"]}, timeout{given})
    end
"""


def ruby_admin() -> str:
    """admin_calls.rb."""
    return f"""# frozen_string_literal: true

# {NOTICE}

module Stargate
  # The calls of Admin that are one function of C each.
  module AdminCalls
{chr(10).join(map(ruby_admin_method, ruby_admin_functions()))}  end
end
"""


# ---- Types, in RBS ----

RBS_ADMIN_RESULTS = {
    "nothing": "nil", "strings": "Array[String]", "messages": "Array[Message]", "json": "untyped", "id": "MessageId?",
    "text": "String", "number": "Integer?", "count": "Integer", "answer": "bool", "setting": "bool?",
}  # fmt: skip
RBS_ADMIN_TYPES = {
    "position": "position", "message_id": "MessageId | String", "time_ms": "Time | Numeric", "enabled": "boolish",
    "properties": "Hash[untyped, untyped]", "persistent": "boolish", "after": "boolish", "force": "boolish",
    "admin_roles": "Array[String]?", "allowed_clusters": "Array[String]?", "schema": "String",
}  # fmt: skip


def rbs_admin_method(function: Item) -> str:
    """The type of a method of Admin."""
    plain, keywords = [], []
    for parameter in ruby_admin_parameters(function):
        name = parameter["name"]
        type_ = RBS_ADMIN_TYPES.get(name) or ("Integer" if parameter["kind"] == "number" else "name")
        if name in RUBY_KEYWORDS:
            keywords.append(f"?{name}: {type_}")
        else:
            plain.append(f"{type_} {RUBY_NAMES.get(name, name)}")
    listed = ", ".join([*plain, *keywords, "?timeout: Numeric?"])
    returned = RBS_ADMIN_RESULTS[ruby_admin_result(function)]
    return f"    def {function['name'].removeprefix('stargate_admin_')}: ({listed}) -> {returned}\n"


def rbs_admin() -> str:
    """admin_calls.rbs."""
    return f"""# {NOTICE}

module Stargate
  module AdminCalls
{"".join(map(rbs_admin_method, ruby_admin_functions()))}  end
end
"""


def rbs_option_type(value: str) -> str:
    """The type of an option's value. The library takes texts for all of them."""
    if value == "true or false":
        return "bool | String"
    if value.startswith("one of "):
        choices = value.removeprefix("one of ").split(", ")
        return " | ".join([*(f":{choice}" for choice in choices), "String"])
    if value.startswith("earliest, latest or"):
        return "position"
    if value.startswith("`Name: value`"):
        return "Hash[String, String] | String"
    if value.startswith("a whole number"):
        return "Integer | String"
    if value.startswith(("milliseconds", "a number")):
        return "Numeric | String"
    if "separated by commas" in value:
        return "Array[String] | String"
    return "path" if value == "the path of a file" else "String"


# The options that are functions, and the roles that have them.
RBS_FUNCTIONS = {
    "on_state": ("^(StateChange) -> void", ["connection"]),
    "token_supplier": ("^() -> String", ["connection"]),
    "headers_supplier": ("^() -> Hash[String, String]", ["connection"]),
    "logger": ("Logger", ["connection"]),
    "crypto_key_reader": ("_CryptoKeyReader", ["producer", "consumer", "reader"]),
}


def rbs_options(role: str) -> list[str]:
    """The options of a role, those of connections included, as keywords."""
    rows = {option.key: (rbs_option_type(option.value), option.roles) for option in options()}
    rows |= RBS_FUNCTIONS
    roles = {role, "connection"}
    return [f"?{key}: ({type_})?" for key, (type_, whose) in rows.items() if roles & set(whose)]


def rbs_method(name: str, parameters: Iterable[str], results: list[str]) -> str:
    """A method, with an overload for each block and result."""
    listed = textwrap.fill(
        ", ".join(parameters), 112, initial_indent=" " * 8, subsequent_indent=" " * 8, break_long_words=False
    )
    overloads = "\n      | ".join(f"(\n{listed}\n      ){result}" for result in results)
    return f"    def {name}: {overloads}\n"


def rbs_opening(name: str, kind: str, parameters: list[str], role: str) -> str:
    """A method that opens something, or passes it to a block and closes it."""
    given = [*parameters, *rbs_options(role)]
    return rbs_method(name, given, [f" -> {kind}", f" {{ ({kind}) -> untyped }} -> untyped"])


def rbs_client() -> str:
    """The methods of Client that take options."""
    topics = "name | Array[String] | Regexp topic"
    return "\n".join([
        rbs_opening("self.open", "Client", ["String url"], "connection"),
        rbs_method("initialize", ["String url", *rbs_options("connection")], [" -> void"]),
        rbs_opening("producer", "Producer", ["name topic"], "producer"),
        rbs_opening("consumer", "Consumer", [topics, "name subscription"], "consumer"),
        rbs_opening("reader", "Reader", ["name topic"], "reader"),
    ])  # fmt: skip


def rbs_supervisor() -> str:
    """The methods of Supervisor that take options."""
    configuration = [
        "host: String | Array[untyped] | Hash[untyped, Integer]", "?name: name", "?protocol: String",
        "?producer: component", "?consumer: component", "?reader: component", "?max_restarts: Integer",
        "?max_seconds: Numeric", *rbs_options("connection"),
    ]  # fmt: skip
    consumer = ["topic: name | Array[String] | Regexp", "subscription: name", "?handler: handler?"]
    handled = [" ?{ (Message) -> untyped } -> nil"]
    return "\n".join([
        rbs_method("self.open", configuration, [" -> Supervisor", " { (Supervisor) -> untyped } -> untyped"]),
        rbs_method("initialize", configuration, [" -> void"]),
        rbs_method("add_producer", ["topic: name", *rbs_options("producer")], [" -> nil"]),
        rbs_method("add_consumer", [*consumer, *rbs_options("consumer")], handled),
        rbs_method("add_reader", ["topic: name", "?handler: handler?", *rbs_options("reader")], handled),
    ])  # fmt: skip


def rbs_handles() -> str:
    """options.rbs: every method that takes options, and the classes of errors."""
    names = [camel(short(status["name"])) for status in group("status")[1:]]
    errors = "\n".join(f"  class {name}Error < Error\n  end\n" for name in names)
    produce = ["String url", "Enumerable[outgoing] messages", "?timeout: Numeric?", *rbs_options("producer")]
    return f"""# {NOTICE}

module Stargate
{errors}
{rbs_method("self.produce", produce, [" -> Array[MessageId | Error | nil]"])}
  class Client
{rbs_client()}  end

  class Supervisor
{rbs_supervisor()}  end
end
"""


FILES: dict[str, Callable[[], str]] = {
    "lib/stargate/raw.rb": ruby,
    "lib/stargate/admin_calls.rb": ruby_admin,
    "sig/stargate/admin_calls.rbs": rbs_admin,
    "sig/stargate/options.rbs": rbs_handles,
}
