defmodule Stargate do
  @moduledoc """
  An Apache Pulsar client over Pulsar's WebSocket API.

  Two ways to use it:

    * **supervised**: `Stargate.Supervisor.start_link/1` with producers, consumers and readers as options, and
      `produce/2`, `produce/3`, `registry_key/4` and `Stargate.Receiver.MessageHandler`. This is the interface of the
      Elixir library Stargate that this one succeeds.
    * **by hand**: `Stargate.Client`, `Stargate.Producer`, `Stargate.Consumer` and `Stargate.Reader`.

  No call holds a scheduler, dirty ones included.
  """

  alias Stargate.{Acknowledger, Error, Native, Outgoing, Producer}

  @typedoc "A URL, a producer, or the name of one under a supervisor: see `registry_key/4`."
  @type target :: String.t() | Producer.t() | GenServer.server()

  @doc """
  Returns the name of a process under a `Stargate.Supervisor`.

      iex> Stargate.registry_key("foo", "bar", "baz")
      {:via, Registry, {:sg_reg_default, {:producer, "persistent", "foo", "bar", "baz"}}}

  Options: `:name` of the supervisor (`:default`) or `:registry`; `:component`, one of `:producer` (when not given),
  `:consumer` and `:reader`; `:persistence` (`"persistent"`); `:subscription` of a consumer. Without a subscription it
  is the first consumer of the topic.
  """
  @spec registry_key(String.t(), String.t(), String.t(), keyword()) :: {:via, Registry, {atom(), tuple()}}
  def registry_key(tenant, namespace, topic, opts \\ []) do
    registry = opts[:registry] || Stargate.Supervisor.registry(opts[:name] || :default)
    component = opts[:component] || :producer
    persistence = opts[:persistence] || "persistent"
    key = {component, to_string(persistence), to_string(tenant), to_string(namespace), to_string(topic)}
    subscription = opts[:subscription]

    Stargate.Supervisor.via(
      registry,
      if(subscription, do: Tuple.append(key, to_string(subscription)), else: key)
    )
  end

  @doc "The same as `registry_key/4`."
  @spec registry(String.t(), String.t(), String.t(), keyword()) :: {:via, Registry, {atom(), tuple()}}
  def registry(tenant, namespace, topic, opts \\ []), do: registry_key(tenant, namespace, topic, opts)

  @doc """
  Sends a message, or a list of them, and waits until the broker has all of it.

  A message is a payload, `{key, payload}` or a map: see `Stargate.Outgoing`. The messages of a list are sent in their
  order, many at a time; the error is that of the first that failed. `Stargate.Producer.send/3` returns the id, and
  `Stargate.Producer.send_batch/2` the result of each.

  With a URL, such as `"ws://host:8080/ws/v2/producer/persistent/public/default/orders"`, the messages are sent over a
  connection of their own, which is closed in any case.
  """
  @spec produce(target(), Outgoing.t() | [Outgoing.t()]) :: :ok | {:error, Error.t()}
  def produce(target, messages)

  def produce(url, messages) when is_binary(url) do
    terms = messages |> List.wrap() |> Enum.map(&Outgoing.term/1)

    with {:ok, results} <- Native.call(:stargate_produce, [url, terms, "{}", :infinity]),
         do: first_error(results)
  end

  def produce(target, messages) when is_list(messages) do
    target |> producer() |> Producer.send_batch(messages) |> first_error()
  end

  def produce(target, message) do
    with {:ok, _id} <- target |> producer() |> Producer.send(message), do: :ok
  end

  @doc """
  Sends a message, or a list of them, without waiting. When the broker has a message, `apply(module, function,
  arguments)` is called, once for each message of a list and one after the other, in a process of its own. If it fails,
  the function is not called, and the error is logged.

  Returns `:ok` when the messages are accepted, and an error for the first that is not.
  """
  @spec produce(target(), Outgoing.t() | [Outgoing.t()], {module(), atom(), list()}) ::
          :ok | {:error, Error.t()}
  def produce(url, messages, mfa) when is_binary(url) do
    tag = Acknowledger.tag(mfa)
    terms = messages |> List.wrap() |> Enum.map(&Outgoing.term/1)

    spawn(fn ->
      case Native.call(:stargate_produce, [url, terms, "{}", :infinity]) do
        {:ok, results} -> Enum.each(results, &Kernel.send(Acknowledger, {tag, &1}))
        {:error, _} = error -> Enum.each(terms, fn _ -> Kernel.send(Acknowledger, {tag, error}) end)
      end
    end)

    :ok
  end

  def produce(target, messages, mfa) do
    producer = producer(target)
    options = [to: acknowledger(target), tag: Acknowledger.tag(mfa)]

    messages
    |> List.wrap()
    |> Enum.reduce_while(:ok, fn message, :ok ->
      case Producer.send_async(producer, message, options) do
        {:ok, _tag} -> {:cont, :ok}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  defp first_error(results) do
    Enum.find_value(results, :ok, fn
      {:ok, _id} -> nil
      {:error, error} -> {:error, error}
    end)
  end

  defp producer(target) do
    case handle(target) do
      %Producer{} = producer -> producer
      other -> raise ArgumentError, "produce: expected a producer, got #{inspect(other)}"
    end
  end

  @doc false
  # What a process under a supervisor has open. The registry knows, so the process is not asked.
  def handle(%_{} = handle), do: handle

  def handle({:via, Registry, {registry, key}} = name) do
    case Registry.lookup(registry, key) do
      [{_pid, %_{} = handle}] -> handle
      _none -> GenServer.call(name, :handle)
    end
  end

  def handle(server), do: GenServer.call(server, :handle)

  defp acknowledger({:via, Registry, {registry, key}}) do
    GenServer.whereis({:via, Registry, {registry, put_elem(key, 0, :producer_ack)}}) ||
      Process.whereis(Acknowledger)
  end

  defp acknowledger(_target), do: Process.whereis(Acknowledger)
end
