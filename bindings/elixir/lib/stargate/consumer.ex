defmodule Stargate.Consumer do
  @moduledoc """
  Consumes the messages of a subscription: by receives, or by a handler (`listen/4`), never both.

      {:ok, consumer} = Stargate.Consumer.open(client, "orders", "billing", subscription_type: :shared)
      {:ok, message} = Stargate.Consumer.receive(consumer, 5_000)
      :ok = Stargate.Consumer.ack(consumer, message)

  The broker redelivers messages that are not acknowledged, and delivers no more than the option `queue_size` until
  some are. A consumer reconnects by itself. It is a value: any process may use it. A process that is killed while it
  waits in a receive costs no message.
  """

  alias Stargate.{Client, Error, Message, MessageId, Native, Options, Receiving}

  @enforce_keys [:ref, :topic, :subscription]
  defstruct [:ref, :topic, :subscription]

  @type t :: %__MODULE__{ref: reference(), topic: String.t(), subscription: String.t()}

  @doc """
  Opens a consumer of a topic, a list of topics, or `{:pattern, expression}`: every persistent topic whose full name
  matches, now and later. It waits until it is connected unless the option `lazy` is set; the option `timeout` bounds
  the whole call.
  """
  @spec open(Client.t(), String.t() | [String.t()] | {:pattern, String.t()}, String.t(), Options.t()) ::
          {:ok, t()} | {:error, Error.t()}
  def open(%Client{} = client, topic, subscription, options \\ []) do
    with {:ok, ref} <- Client.open(client, 2, source(topic), subscription, options) do
      {:ok, %__MODULE__{ref: ref, topic: Native.topic(ref), subscription: subscription}}
    end
  end

  defp source(topics) when is_list(topics), do: {:topics, topics}
  defp source({:pattern, pattern}), do: {:pattern, pattern}
  defp source(topic), do: {:topic, topic}

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
  Returns a stream of messages. It ends when the consumer is closed or the topic has ended, and raises a
  `Stargate.Error` otherwise. It takes up to `max` messages at a time; what it has taken ahead when it is halted, the
  broker redelivers after the option `negative_ack_delay`.
  """
  @spec stream(t(), pos_integer()) :: Enumerable.t()
  def stream(%__MODULE__{ref: ref} = consumer, max \\ 1) do
    Receiving.stream(ref, max, fn ahead -> Enum.each(ahead, &nack(consumer, &1)) end)
  end

  @doc """
  Runs a handler on every message, in processes of their own under a supervisor that is linked to this process.

  The handler is a module (see `Stargate.Receiver.MessageHandler`), or a function of a message that returns an outcome.
  Options: `:processors`, how many processes (1), and `:init_args` of the module. Stop it with `Supervisor.stop/1`,
  which lets the handlers finish their messages, for five seconds at most.
  """
  @spec listen(t(), module() | (Message.t() -> Stargate.Receiver.MessageHandler.outcome()), keyword()) ::
          Supervisor.on_start()
  def listen(%__MODULE__{} = consumer, handler, options \\ []) do
    Stargate.Receiver.Processors.start_link({consumer, handler, options})
  end

  @doc """
  Acknowledges a message, by itself or by its id. It does not wait: the server does not answer acknowledgements. An id
  takes effect if the current connection delivered the message, or if it was neither batched nor in a partition.
  """
  @spec ack(t(), Message.t() | MessageId.t()) :: :ok | {:error, Error.t()}
  def ack(%__MODULE__{ref: ref}, message), do: Native.ack(ref, named(message))

  @doc "Acknowledges messages that were received."
  @spec ack_many(t(), [Message.t()]) :: :ok | {:error, Error.t()}
  def ack_many(%__MODULE__{ref: ref}, messages), do: Native.ack_many(ref, Enum.map(messages, & &1.ref))

  @doc """
  Acknowledges a message and all before it that this consumer received. For exclusive and failover subscriptions of one
  topic.
  """
  @spec ack_cumulative(t(), Message.t() | MessageId.t()) :: :ok | {:error, Error.t()}
  def ack_cumulative(%__MODULE__{ref: ref}, message), do: Native.ack_cumulative(ref, named(message))

  @doc """
  Requests redelivery of a message after the option `negative_ack_delay`. On exclusive and failover subscriptions
  everything that is not acknowledged is redelivered with it.
  """
  @spec nack(t(), Message.t() | MessageId.t()) :: :ok | {:error, Error.t()}
  def nack(%__MODULE__{ref: ref}, message), do: Native.nack(ref, named(message))

  defp named(%Message{ref: ref}) when ref != nil, do: ref
  defp named(%Message{message_id: id}), do: id
  defp named(id), do: id

  @doc """
  Schedules redelivery of a message after `delay` milliseconds, through the retry letter topic. Needs the option
  `enable_retry`.
  """
  @spec reconsume_later(t(), Message.t(), non_neg_integer(), timeout()) :: :ok | {:error, Error.t()}
  def reconsume_later(%__MODULE__{ref: ref}, %Message{} = message, delay, timeout \\ :infinity) do
    with :ok <- Native.call(:stargate_consumer_reconsume_later, [ref, message.ref, delay, timeout]) do
      Native.keep(message.ref)
    end
  end

  @doc "Lets the server send `messages` more, with the option `pull_mode`; receives do so by themselves."
  @spec permit(t(), non_neg_integer()) :: :ok | {:error, Error.t()}
  def permit(%__MODULE__{ref: ref}, messages), do: Native.permit(ref, messages)

  @doc """
  Moves the subscription: to `:earliest`, `:latest`, a message id, or the first message published at or after a
  `DateTime`. With `after: true` it moves behind the message of the id. Options: `:after`, `:timeout`.
  """
  @spec seek(t(), :earliest | :latest | MessageId.t() | DateTime.t(), keyword()) :: :ok | {:error, Error.t()}
  def seek(%__MODULE__{ref: ref}, to, options \\ []) do
    Receiving.seek(:consumer, ref, to, options[:after] == true, options[:timeout] || :infinity)
  end

  @doc "Returns the ids of the last messages of the topic, one for each partition that has any."
  @spec last_message_ids(t(), timeout()) :: {:ok, [MessageId.t()]} | {:error, Error.t()}
  def last_message_ids(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.call_json(:stargate_consumer_last_message_ids_json, [ref, timeout])
  end

  @doc "Returns how many messages the subscription has not acknowledged."
  @spec backlog(t(), timeout()) :: {:ok, non_neg_integer()} | {:error, Error.t()}
  def backlog(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.call(:stargate_consumer_backlog, [ref, timeout])
  end

  @doc "Returns whether the topic was terminated and everything in it has been acknowledged."
  @spec end_of_topic?(t(), timeout()) :: {:ok, boolean()} | {:error, Error.t()}
  def end_of_topic?(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.ask(:stargate_consumer_is_end_of_topic, [ref, timeout])
  end

  @doc "Deletes the subscription and closes the consumer."
  @spec unsubscribe(t(), timeout()) :: :ok | {:error, Error.t()}
  def unsubscribe(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.call(:stargate_consumer_unsubscribe, [ref, timeout])
  end

  @doc "Stops delivery, sends the acknowledgements and closes the connections, within `timeout` milliseconds."
  @spec close(t(), timeout()) :: :ok | {:error, Error.t()}
  def close(%__MODULE__{ref: ref}, timeout \\ 10_000), do: Client.close_ref(ref, timeout)

  @doc "Waits until the consumer is connected, for example after an open with the option `lazy`."
  @spec wait_connected(t(), timeout()) :: :ok | {:error, Error.t()}
  def wait_connected(%__MODULE__{ref: ref}, timeout \\ :infinity) do
    Native.call(:stargate_consumer_wait_connected, [ref, timeout])
  end

  @doc "Returns whether all connections of the consumer are up now."
  @spec connected?(t()) :: boolean()
  def connected?(%__MODULE__{ref: ref}), do: Native.connected?(ref)

  @doc "Returns the counters of the consumer."
  @spec stats(t()) :: {:ok, %{String.t() => term()}} | {:error, Error.t()}
  def stats(%__MODULE__{ref: ref}), do: Native.call_json(:stargate_consumer_stats_json, [ref])

  defimpl Inspect do
    def inspect(consumer, _options), do: "#Stargate.Consumer<#{consumer.topic} #{consumer.subscription}>"
  end
end
