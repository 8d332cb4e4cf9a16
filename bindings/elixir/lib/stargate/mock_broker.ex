defmodule Stargate.MockBroker do
  @moduledoc """
  A Pulsar broker for tests, in memory, on a real socket at 127.0.0.1: no JVM, no network, no waiting. It is part of the
  C library, and produces on request the faults of a real broker.

      {:ok, mock} = Stargate.MockBroker.start()
      {:ok, client} = Stargate.Client.new(mock.url)
      :ok = Stargate.MockBroker.fault(mock, "send", "no-receipt", topic: "orders")
      # ... what you test ...
      :ok = Stargate.MockBroker.wait(mock, "ack", 1, topic: "orders")

  It ends with `stop/1`, or with the process that started it. The page "Testing" of the project lists the operations and the faults.
  """

  alias Stargate.{Error, Native, Outgoing}

  @enforce_keys [:ref, :keeper, :url, :http_url]
  defstruct [:ref, :keeper, :url, :http_url, :oauth2_issuer_url]

  @type t :: %__MODULE__{
          ref: reference(),
          keeper: pid(),
          url: String.t(),
          http_url: String.t(),
          oauth2_issuer_url: String.t() | nil
        }

  @doc """
  Starts a broker. Options: `:port`, `:no_auto_create_topics`, `:token`, `:forbidden_token`, `:tls_cert_file`,
  `:tls_key_file`, `:tls_client_ca_file`, `:max_text_size`, `:idle_timeout_ms`, `:basic_user`, `:basic_password`,
  `:oauth2_client_id`, `:oauth2_client_secret`, `:oauth2_audience`, `:oauth2_token_life_ms`, `:pulsar_version`,
  `:no_websocket_compression`.
  """
  @spec start(keyword()) :: {:ok, t()} | {:error, Error.t()}
  def start(options \\ []) do
    options =
      Enum.map(options, fn {key, value} -> {key, if(is_boolean(value), do: number(value), else: value)} end)

    with {:ok, ref} <- Native.mock_start(options) do
      {url, http_url, issuer} = Native.mock_urls(ref)
      keeper = keep(ref)
      {:ok, %__MODULE__{ref: ref, keeper: keeper, url: url, http_url: http_url, oauth2_issuer_url: issuer}}
    end
  end

  @doc "Ends the broker and every connection to it."
  @spec stop(t()) :: :ok | {:error, Error.t()}
  def stop(mock) do
    send(mock.keeper, :stop)
    down(mock)
  end

  # The broker would end with the last term that refers to it; a test may hold nothing but its URL.
  defp keep(ref) do
    owner = self()

    spawn(fn ->
      monitor = Process.monitor(owner)

      receive do
        {:DOWN, ^monitor, _, _, _} -> ref
        :stop -> ref
      end
    end)
  end

  @doc "Stores a message as if a producer had sent it, and returns its id."
  @spec publish(t(), String.t(), Outgoing.t()) :: {:ok, String.t()} | {:error, Error.t()}
  def publish(mock, topic, message),
    do: Native.call(:stargate_mock_publish, [mock.ref, topic, Outgoing.term(message)])

  @doc """
  Returns what a topic holds, acknowledged or not: maps with `"payload"`, `"key"`, `"properties"`, `"message_id"` and
  others.
  """
  @spec messages(t(), String.t()) :: {:ok, [map()]} | {:error, Error.t()}
  def messages(mock, topic) do
    with {:ok, messages} <- Native.call_json(:stargate_mock_messages_json, [mock.ref, topic]) do
      {:ok,
       Enum.map(messages, fn message -> Map.update!(message, "payload", &(&1 && Base.decode64!(&1))) end)}
    end
  end

  @doc "Returns how many messages a subscription has not acknowledged."
  @spec backlog(t(), String.t(), String.t()) :: {:ok, non_neg_integer()} | {:error, Error.t()}
  def backlog(mock, topic, subscription),
    do: Native.call(:stargate_mock_backlog, [mock.ref, topic, subscription])

  @doc "Creates a namespace, such as `\"tenant/namespace\"`."
  @spec create_namespace(t(), String.t()) :: :ok | {:error, Error.t()}
  def create_namespace(mock, name), do: Native.call(:stargate_mock_create_namespace, [mock.ref, name])

  @doc "Creates a topic with partitions."
  @spec create_partitioned(t(), String.t(), pos_integer()) :: :ok | {:error, Error.t()}
  def create_partitioned(mock, topic, partitions) do
    Native.call(:stargate_mock_create_partitioned, [mock.ref, topic, partitions])
  end

  @doc "Creates a subscription, at `:earliest` or `:latest`."
  @spec create_subscription(t(), String.t(), String.t(), :earliest | :latest) :: :ok | {:error, Error.t()}
  def create_subscription(mock, topic, subscription, position \\ :latest) do
    Native.call(:stargate_mock_create_subscription, [
      mock.ref,
      topic,
      subscription,
      number(position == :earliest)
    ])
  end

  @doc "Enables or disables deduplication in a namespace."
  @spec set_deduplication(t(), String.t(), boolean()) :: :ok | {:error, Error.t()}
  def set_deduplication(mock, namespace, on?) do
    Native.call(:stargate_mock_set_deduplication, [mock.ref, namespace, number(on?)])
  end

  @doc "Ends a topic: nothing more can be sent to it."
  @spec terminate(t(), String.t()) :: :ok | {:error, Error.t()}
  def terminate(mock, topic), do: Native.call(:stargate_mock_terminate, [mock.ref, topic])

  @doc "Deletes a topic by force."
  @spec delete_topic(t(), String.t()) :: :ok | {:error, Error.t()}
  def delete_topic(mock, topic), do: Native.call(:stargate_mock_delete_topic, [mock.ref, topic])

  @doc """
  Scripts a fault, such as `"drop-after"`, for the next times that `operation` happens. Options: `:topic` (any when not
  given), `:count` (1) or `:infinity`.
  """
  @spec fault(t(), String.t(), String.t(), keyword()) :: :ok | {:error, Error.t()}
  def fault(mock, operation, fault, options \\ []) do
    count = if options[:count] == :infinity, do: -1, else: options[:count] || 1
    Native.call(:stargate_mock_fault, [mock.ref, operation, options[:topic], fault, count])
  end

  @doc "Returns how many faults have not happened yet."
  @spec faults_left(t()) :: non_neg_integer()
  def faults_left(mock), do: mock.ref |> Native.mock_gauges() |> elem(0)

  @doc "Forgets the faults that have not happened yet."
  @spec clear_faults(t()) :: :ok | {:error, Error.t()}
  def clear_faults(mock), do: Native.call(:stargate_mock_clear_faults, [mock.ref])

  @doc "Takes the broker down: connections are dropped, and new ones refused. Its data stay."
  @spec down(t()) :: :ok | {:error, Error.t()}
  def down(mock), do: Native.call(:stargate_mock_set_up, [mock.ref, 0])

  @doc "Takes the broker up again."
  @spec up(t()) :: :ok | {:error, Error.t()}
  def up(mock), do: Native.call(:stargate_mock_set_up, [mock.ref, 1])

  @doc "Drops the connections about a topic, or all. Returns how many there were."
  @spec drop_connections(t(), String.t() | nil) :: {:ok, non_neg_integer()} | {:error, Error.t()}
  def drop_connections(mock, topic \\ nil),
    do: Native.call(:stargate_mock_drop_connections, [mock.ref, topic])

  @doc "Returns how many WebSocket connections are open."
  @spec connections(t()) :: non_neg_integer()
  def connections(mock), do: mock.ref |> Native.mock_gauges() |> elem(1)

  @doc """
  Waits until `operation` has happened `at_least` times. Options: `:topic` (any when not given), `:timeout` (5,000
  milliseconds). It replaces sleeps in tests.
  """
  @spec wait(t(), String.t(), non_neg_integer(), keyword()) :: :ok | {:error, Error.t()}
  def wait(mock, operation, at_least, options \\ []) do
    Native.call(:stargate_mock_wait, [
      mock.ref,
      operation,
      options[:topic],
      at_least,
      options[:timeout] || 5_000
    ])
  end

  @doc "Returns how often `operation` has happened on a topic, or on any."
  @spec count(t(), String.t(), String.t() | nil) :: {:ok, non_neg_integer()} | {:error, Error.t()}
  def count(mock, operation, topic \\ nil),
    do: Native.call(:stargate_mock_count, [mock.ref, operation, topic])

  @doc "Returns what clients did and received, in order."
  @spec requests(t()) :: {:ok, [map()]} | {:error, Error.t()}
  def requests(mock), do: Native.call_json(:stargate_mock_requests_json, [mock.ref])

  @doc "Empties that list, and counts from zero again."
  @spec clear_requests(t()) :: :ok | {:error, Error.t()}
  def clear_requests(mock), do: Native.call(:stargate_mock_clear_requests, [mock.ref])

  defp number(true), do: 1
  defp number(false), do: 0

  defimpl Inspect do
    def inspect(mock, _options), do: "#Stargate.MockBroker<#{mock.url}>"
  end
end
