defmodule Stargate.Outgoing do
  @moduledoc """
  What can be sent. Each of these is a message:

    * a payload, a binary
    * `{key, payload}`
    * a map with `"payload"` and any of `"key"`, `"properties"` (a map of texts), `"context"`, `"eventTime"`,
      `"deliverAt"`, `"deliverAfterMs"` and `"replicationClusters"`: the words of Pulsar's WebSocket API
    * a map with the same as atoms: `:payload`, `:key`, `:properties`, `:context`, `:event_time`, `:deliver_at`,
      `:deliver_after` and `:replication_clusters`

  Points in time are a `DateTime` or milliseconds since 1970 UTC; `deliver_after` is milliseconds. The context is the
  application's own and is not sent: a receipt belongs to the call that it answers.
  """

  @type t :: binary() | {key :: String.t(), payload :: binary()} | %{optional(String.t() | atom()) => term()}

  @names %{
    "payload" => :payload,
    "key" => :key,
    "properties" => :properties,
    "context" => :context,
    "eventTime" => :event_time,
    "deliverAt" => :deliver_at,
    "deliverAfterMs" => :deliver_after,
    "replicationClusters" => :replication_clusters
  }
  @fields Map.values(@names)

  @doc false
  # What the NIF takes. A plain payload is passed as it is.
  def term(payload) when is_binary(payload), do: payload

  def term({key, payload}) when is_binary(key) and is_binary(payload),
    do: {payload, key, [], nil, nil, nil, []}

  def term(%{} = map) when not is_struct(map) do
    fields = Map.new(map, fn {name, value} -> {field(name), value} end)

    {payload(fields), fields[:key], properties(fields[:properties]), time(:event_time, fields),
     time(:deliver_at, fields), fields[:deliver_after], fields[:replication_clusters] || []}
  end

  def term(other), do: raise(ArgumentError, "#{inspect(other)} is not a message: see Stargate.Outgoing")

  @doc false
  def term(message, []), do: term(message)

  def term(payload, options) when is_binary(payload),
    do: options |> Map.new() |> Map.put(:payload, payload) |> term()

  def term(message, options) do
    raise ArgumentError, "options #{inspect(options)} go with a payload, not with #{inspect(message)}"
  end

  @doc false
  # About as many bytes as it takes in the queue.
  def size(payload) when is_binary(payload), do: byte_size(payload)
  def size(message), do: message |> elem(0) |> byte_size()

  defp field(name) when name in @fields, do: name
  defp field(name) when is_map_key(@names, name), do: @names[name]

  defp field(name) do
    raise ArgumentError,
          "a message has no #{inspect(name)}; it has #{Enum.map_join(@fields, ", ", &inspect/1)}"
  end

  defp payload(%{payload: payload}) when is_binary(payload), do: payload

  defp payload(fields),
    do: raise(ArgumentError, "payload: expected a binary, got #{inspect(fields[:payload])}")

  defp properties(nil), do: []

  defp properties(properties),
    do: Enum.map(properties, fn {name, value} -> {to_string(name), to_string(value)} end)

  defp time(name, fields) do
    case fields[name] do
      %DateTime{} = time -> DateTime.to_unix(time, :millisecond)
      milliseconds when is_integer(milliseconds) or is_nil(milliseconds) -> milliseconds
      text when is_binary(text) -> parse(name, text)
      other -> raise ArgumentError, "#{name}: expected a DateTime or milliseconds, got #{inspect(other)}"
    end
  end

  defp parse(name, text) do
    case DateTime.from_iso8601(text) do
      {:ok, time, _offset} -> DateTime.to_unix(time, :millisecond)
      {:error, _reason} -> raise ArgumentError, "#{name}: #{inspect(text)} is no time in ISO 8601"
    end
  end
end
