"""Writes the files of the Elixir package."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

from .abi import ABI, NOTICE, Item, Words, blocks, comment, group, pointee, reworded, short

ELIXIR_GROUPS = [("status", "STATUSES"), ("state", "STATES"), ("outcome", "OUTCOMES"), ("log level", "LOG_LEVELS")]


def elixir_nif() -> str:
    """atoms.h."""
    lists = []
    for name, plural in ELIXIR_GROUPS:
        rows = [f"    X({c['name']}, {short(c['name']).lower()})" for c in group(name)]
        lists.append(f"/* Each {name}, and its atom. */\n#define STARGATE_{plural}(X) \\\n" + " \\\n".join(rows) + "\n")
    return f"/* {NOTICE} */\n#ifndef STARGATE_ATOMS_H\n#define STARGATE_ATOMS_H\n\n" \
           f"{chr(10).join(lists)}\n#endif\n"  # fmt: skip


def elixir_functions() -> str:
    """functions.h: what the NIF looks for in the library."""
    lists = []
    for plural, header in [("FUNCTIONS", "stargate.h"), ("MOCK_FUNCTIONS", "stargate_mock.h")]:
        rows = [f"    X({f['name']})" for f in ABI["functions"] if f["header"] == header]
        lists.append(f"/* Each function of {header}. */\n#define STARGATE_{plural}(X) \\\n" + " \\\n".join(rows) + "\n")
    return f"/* {NOTICE} */\n#ifndef STARGATE_FUNCTIONS_H\n#define STARGATE_FUNCTIONS_H\n\n" \
           f"{chr(10).join(lists)}\n#endif\n"  # fmt: skip


ELIXIR_HANDLES = ["client", "producer", "consumer", "reader", "mock"]

# What a parameter is read with, where the kind and the type say so; the last argument is added for some.
ELIXIR_TAKES = {"text": "take_text", "number": "take_number", "array": "take_properties"}

# The result of an out parameter, by its type.
ELIXIR_RESULTS = {
    "char **": ("char *", "string_taken(call, {})"),
    "stargate_strings **": ("stargate_strings *", "strings_taken(call, {})"),
    "int32_t *": ("int32_t", "enif_make_int(call->env, {})"),
    "size_t *": ("size_t", "enif_make_uint64(call->env, {})"),
    "uint64_t *": ("uint64_t", "enif_make_uint64(call->env, {})"),
}


def elixir_calls() -> list[Item]:
    """The functions that the NIF calls on a thread of their own: those that may wait, and those of the mock broker."""
    never = r"_(open|send|receive|poll|close|flush_async|listen|free|release|start|publish|walk_topics)|mock_messages$"
    return [
        function
        for function in ABI["functions"]
        if (blocks(function) or function["header"] == "stargate_mock.h" or function["name"].endswith("_stats_json"))
        and function["returns"]["type"] == "stargate_status"
        and short(pointee(function["parameters"][0]["type"])) in ELIXIR_HANDLES
        and not re.search(never, function["name"])
    ]


def elixir_in(function: Item) -> list[Item]:
    """The parameters that Elixir passes: not the length of an array, and not the results."""
    counts = [p.get("count") for p in function["parameters"]]
    return [p for p in function["parameters"] if p["direction"] == "in" and p["name"] not in counts]


def elixir_take(parameter: Item, index: int) -> str:
    """The lines that read an argument."""
    name, type_ = parameter["name"], parameter["type"]
    words = {"namespace_name": "namespace", "timeout_ms": "timeout"}.get(name, name)
    of = short(pointee(type_))
    space = "" if type_.endswith("*") else " "
    if parameter["kind"] == "handle" and of == "message":
        return f'    {type_}{name} = take_message(call, {index}, "{words}");\n'
    if parameter["kind"] == "handle":
        return f'    stargate_{of} *{name} = take_handle(call, {index}, "{words}", {of.upper()});\n'
    if name == "timeout_ms":
        return f'    int64_t timeout_ms = take_timeout(call, {index}, "{words}");\n'
    if parameter["kind"] == "array":
        return f'    size_t {parameter["count"]} = 0;\n' \
               f'    {type_}{name} = take_properties(call, {index}, "{words}", &{parameter["count"]});\n'  # fmt: skip
    more = f", {int(parameter['nullable'])}" if parameter["kind"] == "text" else ""
    return f'    {type_}{space}{name} = {ELIXIR_TAKES[parameter["kind"]]}(call, {index}, "{words}"{more});\n'


def elixir_call(function: Item) -> str:
    """A function that runs one of the library with arguments of Erlang."""
    lines = "".join(elixir_take(p, index) for index, p in enumerate(elixir_in(function)))
    results, makes, arguments, messages = "", [], [], ""
    for parameter in function["parameters"]:
        name, type_ = parameter["name"], parameter["type"]
        if parameter["direction"] == "in":
            arguments.append(name)
        elif parameter["kind"] == "array":
            arguments.append(name)
            room = f"(size_t)({parameter['capacity']} + 1) * sizeof *{name}"
            messages = f"    stargate_message **{name} = arena_take(&call->arena, {room});\n"
            makes.append(f"messages_term(call->env, {name}, {parameter['count']}, NULL)")
        elif parameter["kind"] != "error":
            arguments.append(f"&{name}")
            c_type, make = ELIXIR_RESULTS[type_]
            results += f"    {c_type}{'' if c_type.endswith('*') else ' '}{name} = 0;\n"
            if name != "out_count":
                makes.append(make.format(name))
    value = {0: "atoms.ok", 1: f"success(call->env, {makes[0] if makes else ''})"}.get(
        len(makes), f"success(call->env, enif_make_tuple{len(makes)}(call->env, {', '.join(makes)}))"
    )
    return (
        f"static ERL_NIF_TERM run_{function['name']}(struct call *call)\n{{\n{lines}{results}"
        f"    stargate_error *error = NULL;\n\n"
        f"    if (call->wrong != NULL)\n        return wrong_argument(call);\n{messages}"
        f"    stargate_status status = lib.{function['name']}({', '.join([*arguments, '&error'])});\n"
        f"    if (status != STARGATE_OK)\n        return failure_taken(call->env, status, error);\n"
        f"    return {value};\n}}\n"
    )


def elixir_nif_calls() -> str:
    """calls_generated.h, which calls.c includes."""
    functions = elixir_calls()
    rows = [f'    {{"{f["name"]}", {len(elixir_in(f))}, run_{f["name"]}}}' for f in functions]
    bodies = "\n".join(map(elixir_call, functions))
    return f"/* {NOTICE} */\n\n{bodies}\n#define GENERATED_OPERATIONS \\\n" + ", \\\n".join(rows) + "\n"


# The parameters of administration that Elixir has as options, with what they are when not given.
ELIXIR_DEFAULTS = {
    "persistent": "true", "after": "false", "force": "false", "admin_roles": "nil", "allowed_clusters": "nil",
    "bundles": "0", "version": "-1", "body": "nil", "max": "100", "timeout": ":infinity",
}  # fmt: skip

# How an argument becomes one of C, by its name. Functions of Stargate.Admin.Values.
ELIXIR_ARGUMENTS = {
    "persistent": "flag", "after": "flag", "force": "flag", "enabled": "flag", "admin_roles": "names",
    "allowed_clusters": "names", "position": "to_string", "start": "to_string", "kind": "to_string",
    "policy": "to_string", "time_ms": "milliseconds", "properties": "pairs",
}  # fmt: skip
ELIXIR_TYPES = {
    "position": "position()", "start": ":earliest | :latest", "time_ms": "DateTime.t() | integer()",
    "properties": "%{optional(String.t()) => String.t()}", "enabled": "boolean()", "kind": "atom() | String.t()",
    "policy": "atom() | String.t()",
}  # fmt: skip

# What an admin function returns, by the type of its result: the function of Stargate.Admin.Values, and its type.
ELIXIR_JSON = ("json", "map() | list() | nil")
ELIXIR_RETURNS = {
    "": ("itself", ""),
    "char **": ("itself", "String.t() | nil"),
    "stargate_strings **": ("itself", "[String.t() | nil]"),
    "int32_t *": ("itself", "integer()"),
    "stargate_message **": ("messages", "[Stargate.Message.t()]"),
}
ELIXIR_RESULTS_OF = {
    "request": ("itself", "{pos_integer(), String.t()}"),
    "deduplication": ("known_flag", "boolean() | nil"),
    "message_ttl": ("known", "non_neg_integer() | nil"),
}

# What the words of C are in Elixir, one after the other.
ELIXIR_WORDS: Words = [
    (r"(, for|\s*For|\s*Free them with) `stargate_(string|strings|messages)_free`", ""),
    (r"\s*`out` has room for `max` messages(; `\*out_count` is how many were written)?\.\.?", ""),
    (r"[;,] `\*out` is 1 if (.*?), otherwise 0\.", r". Returns whether \1."),
    (r"`\*out` is 0 if it does not begin, (.*?); otherwise 1\.", r"Returns false if it does not begin, \1."),
    (r"`\*out_status` is the HTTP status, and `\*out_body` the answer", "Returns the HTTP status and the answer"),
    (r",? in JSON: ", ": "),
    (r", in the broker's JSON", ", as the broker says"),
    (r"as a JSON array of objects", "maps"),
    (r", as a JSON object of texts", ""),
    (r"1 or 0; -1 if that is not set", "nil if that is not set"),
    (r"; -1 if that is not set", "; nil if that is not set"),
    (r"Enables \(1\) or disables \(0\)", "Enables or disables"),
    (r"\b(persistent|after)` [01]\b", r"\1`"),
    (r"or with `persistent` of the", "or with `persistent: false` of the"),
    (r"with this number of bundles, or with 0 the broker's default", "with the option `bundles` for their number"),
    (r"names separated by commas", "lists of names"),
    (r"`time_ms`", "that time"),
    (r"STARGATE_BUSY", "`:busy`"),
    (r"`stargate_admin_(\w+)`", r"`\1`"),
    (r'"(earliest|latest)"', r"`:\1`"),
    (r"\bNULL\b", "nil"),
    (r"\.\.", "."),
]


def elixir_doc(function: Item) -> str:
    """The words about a function, without what is about C."""
    doc = function["doc"].split("\n\n")[0].replace("\n", " ")
    text = textwrap.fill(reworded(doc, ELIXIR_WORDS), 108, break_on_hyphens=False)
    return textwrap.indent(text, "  ")


def elixir_admin_function(function: Item) -> str:
    """A function of Stargate.Admin."""
    name = function["name"].removeprefix("stargate_admin_")
    names = [str(p["name"]) for p in elixir_in(function)[1:]]
    parameters = [{"namespace_name": "namespace", "timeout_ms": "timeout"}.get(name, name) for name in names]
    plain = [p for p in parameters if p not in ELIXIR_DEFAULTS]
    options = [p for p in parameters if p in ELIXIR_DEFAULTS]
    values = ["client.ref"]
    for parameter in parameters:
        value = f"options[:{parameter}]" if parameter in options else parameter
        convert = ELIXIR_ARGUMENTS.get(parameter)
        values.append(f"{convert}({value})" if convert else value)
    result = next((p["type"] for p in function["parameters"] if p["direction"] == "out" and p["kind"] != "error"), "")
    returns, type_ = ELIXIR_RESULTS_OF.get(name) or ELIXIR_RETURNS[result]
    if result == "int32_t *" and re.match("ensure|expire", name):
        returns, type_ = "known_flag", "boolean()"
    if result == "char **" and "JSON" in function["doc"] and name != "request":
        returns, type_ = ELIXIR_JSON
    call = f"Native.call(:{function['name']}, [{', '.join(values)}])"
    if returns != "itself":
        call = f"{call} |> {returns}()"
    defaults = ", ".join(f"{p}: {ELIXIR_DEFAULTS[p]}" for p in options)
    types = ["Client.t()", *(ELIXIR_TYPES.get(p, "integer()" if p in ELIXIR_INTEGERS else "String.t()") for p in plain)]
    answer = f"{{:ok, {type_}}}" if type_ else ":ok"
    listed = ", ".join(f"`{p}: {ELIXIR_DEFAULTS[p]}`" for p in options if p != "timeout")
    doc = elixir_doc(function) + (f"\n\n  Options: {listed}." if listed else "")
    return f"""  @doc \"\"\"
{doc}
  \"\"\"
  @spec {name}({", ".join(types)}, keyword()) :: {answer} | {{:error, Error.t()}}
  def {name}({", ".join(["client", *plain])}, options \\\\ []) do
    options = Keyword.validate!(options, {defaults})
    {call}
  end
"""


ELIXIR_INTEGERS = [
    "partitions", "minutes", "megabytes", "ttl_seconds", "limit", "entries", "older_than_seconds", "nth",
]  # fmt: skip


def elixir_admin() -> str:
    """admin.ex."""
    functions = "\n".join(elixir_admin_function(f) for f in elixir_calls() if f["name"].startswith("stargate_admin_"))
    return f"""# {NOTICE}
defmodule Stargate.Admin do
  @moduledoc \"\"\"
  The REST API of Pulsar: tenants, namespaces, topics, subscriptions, stored messages and statistics.

      {{:ok, client}} = Stargate.Client.new("ws://localhost:8080")
      {{:ok, true}} = Stargate.Admin.ensure_partitioned_topic(client, "orders", 4)
      {{:ok, %{{"msgInCounter" => count}}}} = Stargate.Admin.topic_stats(client, "orders")

  Every function returns `:ok` or `{{:ok, result}}`, or `{{:error, error}}` with a `Stargate.Error`. It waits without
  holding a scheduler; the option `timeout` bounds the wait, and so does the option `admin_timeout` of the client.
  \"\"\"

  import Stargate.Admin.Values

  alias Stargate.{{Client, Error, Native}}

  @typedoc "A position in a topic: an end, or the id of a message."
  @type position :: :earliest | :latest | Stargate.MessageId.t()

{functions}end
"""


def elixir() -> str:
    """status.ex."""
    known = [(short(c["name"]).lower(), c["doc"]) for c in group("status")]
    kinds = [f":{name}" for name, _ in known if name != "ok"]
    rows = "\n".join(comment(f"`:{name}` - {doc}", "*", "  ").replace("\n  * ", "\n    ") for name, doc in known)
    return f"""# {NOTICE}
defmodule Stargate.Status do
  @moduledoc \"\"\"
  The outcomes of calls.

{rows}
  \"\"\"

  @typedoc "Why a call failed."
  @type kind ::
          {(chr(10) + "          | ").join(kinds)}

  @typedoc "The outcome of a call."
  @type t :: :ok | kind()

  @doc "Returns every kind of failure."
  @spec kinds() :: [kind()]
  def kinds do
    [
      {(("," + chr(10) + "      ").join(kinds))}
    ]
  end
end
"""


FILES: dict[str, Callable[[], str]] = {
    "c_src/atoms.h": elixir_nif,
    "c_src/functions.h": elixir_functions,
    "c_src/calls_generated.h": elixir_nif_calls,
    "lib/stargate/status.ex": elixir,
    "lib/stargate/admin.ex": elixir_admin,
}
