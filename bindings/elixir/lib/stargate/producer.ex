defmodule Stargate.Producer do
  @moduledoc """
  Sends messages to one topic. It reconnects by itself, and sends accepted messages that have no receipt again.

      {:ok, producer} = Stargate.Producer.open(client, "orders", batch_enabled: true)
      {:ok, id} = Stargate.Producer.send(producer, "one pizza", key: "table 7")

  A producer is a value: any process may use it. It is given up when nothing refers to it any more; close it to wait for
  what is in flight. While as many messages are in flight as `max_pending_msg` or `max_pending_bytes` allow, a send
  waits for room, without holding a scheduler; with `when_full: :fail` it fails instead.
  """

  alias Stargate.{Client, Error, MessageId, Native, Options, Outgoing}

  # How much is passed to the library at once, so that no scheduler is held.
  @piece 1_000
  @piece_bytes 1024 * 1024

  @enforce_keys [:ref, :topic]
  defstruct [:ref, :topic, when_full: :block]

  @type t :: %__MODULE__{ref: reference(), topic: String.t(), when_full: :block | :fail}
  @typedoc "How a send ended. The id is nil for a duplicate, which the broker had already."
  @type result :: {:ok, MessageId.t() | nil} | {:error, Error.t()}

  @doc """
  Opens a producer, and waits until it is connected unless the option `lazy` is set. The option `timeout` bounds the
  whole call.
  """
  @spec open(Client.t(), String.t(), Options.t()) :: {:ok, t()} | {:error, Error.t()}
  def open(%Client{} = client, topic, options \\ []) do
    with {:ok, ref} <- Client.open(client, 1, {:topic, topic}, nil, options) do
      when_full = if to_string(options[:when_full]) == "fail", do: :fail, else: :block
      {:ok, %__MODULE__{ref: ref, topic: Native.topic(ref), when_full: when_full}}
    end
  end

  @doc """
  Sends a message and waits for its receipt, at most as long as the option `send_timeout` of the producer says.

  The message is one of `Stargate.Outgoing`; with a payload, `options` are its `:key`, `:properties`, `:event_time`,
  `:deliver_at`, `:deliver_after` and `:replication_clusters`.
  """
  @spec send(t(), Outgoing.t(), keyword()) :: result()
  def send(%__MODULE__{} = producer, message, options \\ []) do
    term = Outgoing.term(message, options)
    Native.await(&accept(producer, self(), &1, term))
  end

  @doc """
  Sends a message without waiting for its receipt. `{tag, result}` is sent to this process later, exactly once, unless
  this call fails; `result` is that of `send/3`. Messages of one process are stored in the order of its sends.

  Besides the options of `send/3` there are `:to`, another process, and `:tag`, any term.
  """
  @spec send_async(t(), Outgoing.t(), keyword()) :: {:ok, tag :: term()} | {:error, Error.t()}
  def send_async(%__MODULE__{} = producer, message, options \\ []) do
    {to, options} = Keyword.pop(options, :to, self())
    {tag, options} = Keyword.pop_lazy(options, :tag, &make_ref/0)
    with :ok <- accept(producer, to, tag, Outgoing.term(message, options)), do: {:ok, tag}
  end

  @doc """
  Sends messages in their order, many in flight at a time, and waits for all receipts. Returns the result of each, in
  the same order. They are passed to the library in pieces of up to 1,000 messages; if one of a piece is refused, such as
  one with U+0000 in its key, that piece and those after it are not sent.
  """
  @spec send_batch(t(), [Outgoing.t()]) :: [result()]
  def send_batch(%__MODULE__{} = producer, messages) when is_list(messages) do
    producer
    |> accept_many(Enum.map(messages, &Outgoing.term/1), [])
    |> Enum.reverse()
    |> Enum.flat_map(&results/1)
  end

  defp accept(producer, to, tag, term) do
    case Native.send(producer.ref, to, tag, term) do
      {:error, %Error{kind: :queue_full}} when producer.when_full == :block ->
        with :ok <- wait_for_room(producer, Outgoing.size(term)), do: accept(producer, to, tag, term)

      result ->
        result
    end
  end

  defp accept_many(_producer, [], accepted), do: accepted

  defp accept_many(producer, terms, accepted) do
    tag = make_ref()

    case Native.send_many(producer.ref, tag, piece(terms, @piece, @piece_bytes)) do
      {:ok, count} ->
        accept_many(producer, Enum.drop(terms, count), [tag | accepted])

      {:error, %Error{kind: :queue_full}} when producer.when_full == :block ->
        case wait_for_room(producer, Outgoing.size(hd(terms))) do
          :ok -> accept_many(producer, terms, accepted)
          {:error, %Error{}} = error -> [{error, length(terms)} | accepted]
        end

      {:error, %Error{}} = error ->
        [{error, length(terms)} | accepted]
    end
  end

  defp piece([term | rest], count, bytes) when count > 0 and bytes > 0,
    do: [term | piece(rest, count - 1, bytes - Outgoing.size(term))]

  defp piece(_terms, _count, _bytes), do: []

  defp results({error, count}), do: List.duplicate(error, count)

  defp results(tag) do
    receive do
      {^tag, results} -> results
    end
  end

  defp wait_for_room(producer, bytes) do
    Native.await(&Native.room(producer.ref, &1, bytes, :infinity))
  end

  @doc "Waits until every message that was accepted before has its receipt or has failed."
  @spec flush(t(), timeout()) :: :ok | {:error, Error.t()}
  def flush(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.await(&Native.flush(ref, &1, timeout))
  end

  @doc """
  Accepts no more messages, waits until those in flight have ended, and closes the connection. Messages still in flight
  after `timeout` milliseconds fail, and so does this call.
  """
  @spec close(t(), timeout()) :: :ok | {:error, Error.t()}
  def close(%__MODULE__{ref: ref}, timeout \\ 10_000), do: Client.close_ref(ref, timeout)

  @doc "Waits until the producer is connected, for example after an open with the option `lazy`."
  @spec wait_connected(t(), timeout()) :: :ok | {:error, Error.t()}
  def wait_connected(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.call(:stargate_producer_wait_connected, [ref, timeout])
  end

  @doc "Returns whether the producer is connected now."
  @spec connected?(t()) :: boolean()
  def connected?(%__MODULE__{ref: ref}), do: Native.connected?(ref)

  @doc "Returns the counters of the producer."
  @spec stats(t()) :: {:ok, %{String.t() => term()}} | {:error, Error.t()}
  def stats(%__MODULE__{ref: ref}), do: Native.call_json(:stargate_producer_stats_json, [ref])

  defimpl Inspect do
    def inspect(producer, _options), do: "#Stargate.Producer<#{producer.topic}>"
  end
end
