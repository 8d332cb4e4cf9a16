defmodule Stargate.Client do
  @moduledoc """
  A client of a Pulsar cluster. It opens no connection itself: each producer, consumer and reader has its own.

      {:ok, client} = Stargate.Client.new("ws://localhost:8080")
      {:ok, producer} = Stargate.Producer.open(client, "orders")
      {:ok, id} = Stargate.Producer.send(producer, "one pizza")
      :ok = Stargate.Client.close(client)

  A client that nobody refers to any more is given up; what it opened goes on.
  """

  alias Stargate.{Error, Native, Options}

  @enforce_keys [:ref, :url]
  defstruct [:ref, :url]

  @type t :: %__MODULE__{ref: reference(), url: String.t()}

  @doc """
  Creates a client for the servers at `url`: `"ws://host:port"` or `"wss://host:port"`, several hosts separated by
  commas. It does not connect. The options are those of connections: see `Stargate.Options`.
  """
  @spec new(String.t(), Options.t()) :: {:ok, t()} | {:error, Error.t()}
  def new(url, options \\ []) when is_binary(url) do
    {json, hooks} = Options.of_client(options)
    with {:ok, ref} <- Native.client_new(url, json, hooks), do: {:ok, %__MODULE__{ref: ref, url: url}}
  end

  @doc """
  Closes everything that was opened through this client, each as its own close does, within `timeout` milliseconds.
  """
  @spec close(t(), timeout()) :: :ok | {:error, Error.t()}
  def close(%__MODULE__{ref: ref}, timeout \\ 10_000), do: close_ref(ref, timeout)

  @doc "Returns the counters of everything that was opened through this client."
  @spec stats(t()) :: {:ok, %{String.t() => term()}} | {:error, Error.t()}
  def stats(%__MODULE__{ref: ref}), do: Native.call_json(:stargate_client_stats_json, [ref])

  @doc false
  # Opens a producer (1), consumer (2) or reader (3), and waits until it is there.
  def open(%__MODULE__{ref: ref}, kind, source, subscription, options) do
    {timeout, options} = pop_timeout(options)
    {json, hooks} = Options.split(options)
    Native.await(&Native.open(ref, &1, kind, source, subscription, json, hooks, timeout))
  end

  defp pop_timeout(options) when is_map(options), do: Map.pop(options, :timeout, :infinity)
  defp pop_timeout(options), do: Keyword.pop(options, :timeout, :infinity)

  @doc false
  def close_ref(ref, timeout) do
    Native.await(&Native.close(ref, &1, timeout))
  end

  defimpl Inspect do
    def inspect(client, _options), do: "#Stargate.Client<#{client.url}>"
  end
end
