defmodule Stargate.Options do
  @moduledoc """
  Options of clients, producers, consumers and readers: a keyword list or a map.

  The keys are those of the page "Configuration" of the project, such as `queue_size`, `send_timeout` or
  `subscription_type`; the library checks them, and `describe/0` has them all. Values are texts, atoms (`:shared`),
  numbers and booleans; times are milliseconds; headers are a map. Lists of texts are joined by commas. Options of
  connections (tokens, TLS, proxies, timeouts) are given to the client and inherited.

  These take what JSON cannot express:

    * `on_state: pid` or `{pid, tag}` - sends `{:stargate_state, change}` or `{tag, change}` to the process, with a
      `Stargate.StateChange`
    * `log_level: :error | :warn | :info | :debug | nil` - which records of the library reach `Logger`; `:warn` when
      not given, nil for none
    * `auth_token: fun` - a function that returns the token, called at each connect
    * `headers: fun` - a function that returns pairs of names and values, called at each connect
    * `key_reader: fun` - a function `fun.(half, name, metadata)` that returns the key of end-to-end encryption in PEM;
      `half` is `:public` or `:private`
  """

  alias Stargate.{JSON, Native}

  @levels %{error: 1, warn: 2, warning: 2, info: 3, debug: 4}

  @type t :: keyword() | %{optional(atom() | String.t()) => term()}

  @doc """
  Returns every option: maps with `"key"`, `"type"`, `"default"`, `"roles"`, `"doc"` and others.
  """
  @spec describe() :: [map()]
  def describe do
    case Native.describe_options() do
      {:error, error} -> raise error
      json -> JSON.decode!(json)
    end
  end

  @doc false
  # The options of a client, with the log that it has when none is asked for.
  def of_client(options) do
    options |> Map.new() |> Map.put_new(:log_level, :warn) |> split()
  end

  @doc false
  # Returns {json, hooks}.
  def split(options) do
    {hooks, values} = Enum.reduce(options, {[], %{}}, &sort/2)
    {IO.iodata_to_binary(JSON.encode(values)), hooks}
  end

  defp sort({:on_state, {pid, tag}}, {hooks, values}) when is_pid(pid),
    do: {[{:state, pid, tag} | hooks], values}

  defp sort({:on_state, pid}, sorted) when is_pid(pid), do: sort({:on_state, {pid, :stargate_state}}, sorted)
  defp sort({:log_level, nil}, sorted), do: sorted

  defp sort({:log_level, level}, {hooks, values}) when is_map_key(@levels, level) do
    {[{:log, process(Stargate.Log), @levels[level]} | hooks], values}
  end

  defp sort({:auth_token, function}, {hooks, values}) when is_function(function, 0) do
    {[{:token, process(Stargate.Questions), function} | hooks], values}
  end

  defp sort({:headers, function}, {hooks, values}) when is_function(function, 0) do
    {[{:headers, process(Stargate.Questions), function} | hooks], values}
  end

  defp sort({:key_reader, function}, {hooks, values}) when is_function(function, 3) do
    {[{:key, process(Stargate.Questions), function} | hooks], values}
  end

  defp sort({key, _value}, _sorted) when key in [:on_state, :log_level, :key_reader] do
    raise ArgumentError, "#{key}: not what Stargate.Options says about this option"
  end

  # Handlers run in processes of Erlang, so these are no business of the library.
  defp sort({key, value}, sorted) when key in [:ordering, "ordering"] do
    if to_string(value) == "none",
      do: sorted,
      else: raise(ArgumentError, "ordering: there is no #{value} in this package")
  end

  defp sort({key, _value}, _sorted) when key in [:processors, "processors"] do
    raise ArgumentError, "processors: an option of listen, and of a consumer or reader of a supervisor"
  end

  defp sort({_key, nil}, sorted), do: sorted
  defp sort({key, value}, {hooks, values}), do: {hooks, Map.put(values, key, value(key, value))}

  defp value(:headers, headers), do: Map.new(headers, fn {name, value} -> {name, to_string(value)} end)
  defp value(_key, [_ | _] = list), do: Enum.map_join(list, ",", &to_string/1)
  defp value(_key, value) when is_binary(value) or is_number(value) or is_atom(value), do: value

  defp value(key, value),
    do: raise(ArgumentError, "option #{key}: #{inspect(value)} is neither text, number nor boolean")

  defp process(name), do: Process.whereis(name) || raise("the application :stargate is not started")
end
