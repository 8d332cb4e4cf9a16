defmodule Stargate.Reader do
  @moduledoc """
  Reads a topic without a subscription, from the option `starting_message`: `:earliest`, `:latest` or after an id.

      {:ok, reader} = Stargate.Reader.open(client, "orders", starting_message: :earliest)
      {:ok, messages} = Stargate.Reader.read_to_end(reader)

  After a reconnect it continues after the last message, with neither a gap nor a replay.
  """

  alias Stargate.{Client, Error, Message, MessageId, Native, Options, Receiving}

  @enforce_keys [:ref, :topic]
  defstruct [:ref, :topic]

  @type t :: %__MODULE__{ref: reference(), topic: String.t()}

  @doc "Opens a reader, and waits until it is connected unless the option `lazy` is set."
  @spec open(Client.t(), String.t(), Options.t()) :: {:ok, t()} | {:error, Error.t()}
  def open(%Client{} = client, topic, options \\ []) do
    with {:ok, ref} <- Client.open(client, 3, {:topic, topic}, nil, options) do
      {:ok, %__MODULE__{ref: ref, topic: Native.topic(ref)}}
    end
  end

  @doc "Waits for the next message; `:timeout` if none arrives within `timeout` milliseconds."
  @spec receive(t(), timeout()) :: {:ok, Message.t()} | :timeout | {:error, Error.t()}
  def receive(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    with {:ok, [message]} <- Receiving.receive_many(ref, 1, timeout), do: {:ok, message}
  end

  @doc "Waits for the next message, and returns it with those that have already arrived, up to `max`."
  @spec receive_many(t(), pos_integer(), timeout()) :: {:ok, [Message.t()]} | :timeout | {:error, Error.t()}
  def receive_many(%__MODULE__{ref: ref}, max, timeout \\ :infinity) when max > 0 do
    Receiving.receive_many(ref, max, timeout)
  end

  @doc """
  Returns a stream of messages. It ends when the reader is closed or the topic has ended, and raises a `Stargate.Error`
  otherwise. It takes up to `max` messages at a time; what it has taken ahead when it is halted is lost to this reader,
  so take one at a time if you read on.
  """
  @spec stream(t(), pos_integer()) :: Enumerable.t()
  def stream(%__MODULE__{ref: ref}, max \\ 1), do: Receiving.stream(ref, max, fn _ahead -> :ok end)

  @doc "Runs a handler on every message, as `Stargate.Consumer.listen/3` does. Its outcomes mean nothing to a reader."
  @spec listen(t(), module() | (Message.t() -> Stargate.Receiver.MessageHandler.outcome()), keyword()) ::
          Supervisor.on_start()
  def listen(%__MODULE__{} = reader, handler, options \\ []) do
    Stargate.Receiver.Processors.start_link({reader, handler, options})
  end

  @doc """
  Reads to where the topic ends now, and returns the messages. The timeout is that of each message.

  If this fails on the way, the messages that it has read, none or several, are returned with the reason. The reader goes
  on after them.
  """
  @spec read_to_end(t(), timeout()) ::
          {:ok, [Message.t()]} | {:timeout, [Message.t()]} | {:error, Error.t(), [Message.t()]}
  def read_to_end(%__MODULE__{ref: ref} = reader, timeout \\ :infinity) do
    case Native.call(:stargate_reader_mark_end, [ref, timeout]) do
      :ok -> read_before_end(reader, timeout, [])
      {:error, error} -> {:error, error, []}
    end
  end

  defp read_before_end(reader, timeout, read) do
    case Native.call(:read_before_end, [reader.ref, 1000, timeout]) do
      {:ok, []} -> {:ok, in_order(read)}
      {:ok, messages} -> read_before_end(reader, timeout, [Message.from_native(messages) | read])
      :interrupted -> read_before_end(reader, timeout, read)
      :timeout -> {:timeout, in_order(read)}
      {:error, error} -> {:error, error, in_order(read)}
    end
  end

  defp in_order(read), do: read |> Enum.reverse() |> Enum.concat()

  @doc "Returns whether the topic has a message that the application has not received yet."
  @spec has_message_available?(t(), timeout()) :: {:ok, boolean()} | {:error, Error.t()}
  def has_message_available?(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.ask(:stargate_reader_has_message_available, [ref, timeout])
  end

  @doc "Moves to another position, as `Stargate.Consumer.seek/3` does."
  @spec seek(t(), :earliest | :latest | MessageId.t() | DateTime.t(), keyword()) :: :ok | {:error, Error.t()}
  def seek(%__MODULE__{ref: ref}, to, options \\ []) do
    Receiving.seek(:reader, ref, to, options[:after] == true, options[:timeout] || :infinity)
  end

  @doc "Returns the ids of the last messages of the topic, one for each partition that has any."
  @spec last_message_ids(t(), timeout()) :: {:ok, [MessageId.t()]} | {:error, Error.t()}
  def last_message_ids(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.call_json(:stargate_reader_last_message_ids_json, [ref, timeout])
  end

  @doc "Returns whether the topic was terminated and everything in it has been read."
  @spec end_of_topic?(t(), timeout()) :: {:ok, boolean()} | {:error, Error.t()}
  def end_of_topic?(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.ask(:stargate_reader_is_end_of_topic, [ref, timeout])
  end

  @doc "Stops delivery and closes the connections, within `timeout` milliseconds."
  @spec close(t(), timeout()) :: :ok | {:error, Error.t()}
  def close(%__MODULE__{ref: ref}, timeout \\ 10_000), do: Client.close_ref(ref, timeout)

  @doc "Waits until the reader is connected, for example after an open with the option `lazy`."
  @spec wait_connected(t(), timeout()) :: :ok | {:error, Error.t()}
  def wait_connected(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.call(:stargate_reader_wait_connected, [ref, timeout])
  end

  @doc "Returns whether all connections of the reader are up now."
  @spec connected?(t()) :: boolean()
  def connected?(%__MODULE__{ref: ref}), do: Native.connected?(ref)

  @doc "Returns the counters of the reader."
  @spec stats(t()) :: {:ok, %{String.t() => term()}} | {:error, Error.t()}
  def stats(%__MODULE__{ref: ref}), do: Native.call_json(:stargate_reader_stats_json, [ref])

  defimpl Inspect do
    def inspect(reader, _options), do: "#Stargate.Reader<#{reader.topic}>"
  end
end
