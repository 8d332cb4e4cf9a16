defmodule Stargate.Receiver.Processor do
  @moduledoc false
  # Takes messages, runs the handler on each, and does what it decides. It asks for more only when it is done, so that
  # nothing piles up here; as many at a time as take about a millisecond, so that other processors get their share.

  require Logger

  alias Stargate.{Consumer, Message, Native, Reader}
  alias Stargate.Receiver.MessageHandler

  @at_once 64
  @share System.convert_time_unit(1, :millisecond, :native)

  defstruct [:parent, :source, :handle, :handler, :handle_message, :state, most: 1]

  def child_spec(argument), do: %{id: __MODULE__, start: {__MODULE__, :start_link, [argument]}}

  def start_link(argument), do: :proc_lib.start_link(__MODULE__, :init, [self(), argument])

  @doc false
  # `source` is an open consumer or reader, or the name of a process that has one.
  def init(parent, {source, handler, arguments}) do
    Process.flag(:trap_exit, true)
    {state, handle_message} = MessageHandler.begin(handler, arguments)
    :proc_lib.init_ack(parent, {:ok, self()})

    loop(%__MODULE__{
      parent: parent,
      source: source,
      handle: Stargate.handle(source),
      handler: handler,
      handle_message: handle_message,
      state: state
    })
  end

  defp loop(%{handle: %{ref: ref}} = processor) do
    tag = make_ref()

    with :ok <- Native.receive(ref, tag, processor.most, :infinity) do
      wait(processor, tag)
    else
      {:error, error} -> ended(processor, error)
    end
  end

  # What else arrives was for the handler, which has returned: the exit of a task, or a late result.
  defp wait(%{parent: parent} = processor, tag) do
    receive do
      {^tag, {:ok, messages}} ->
        processor |> handle_all(Message.from_native(messages)) |> loop()

      {^tag, :interrupted} ->
        loop(processor)

      {^tag, {:error, error}} ->
        ended(processor, error)

      {^tag, %_{} = handle} ->
        loop(%{processor | handle: handle})

      {:EXIT, ^parent, reason} ->
        exit(reason)

      {:system, from, request} ->
        :sys.handle_system_msg(request, from, parent, __MODULE__, [], {processor, tag})

      _other ->
        wait(processor, tag)
    end
  end

  @doc false
  def system_continue(_parent, _debug, {processor, tag}), do: wait(processor, tag)

  @doc false
  def system_terminate(reason, _parent, _debug, _processor), do: exit(reason)

  # The source of a supervised one answers when it is open again.
  defp ended(%{source: {:via, _registry, _key} = name} = processor, _error) do
    tag = make_ref()
    name |> GenServer.whereis() |> send({:another, self(), tag, processor.handle})
    wait(processor, tag)
  end

  defp ended(_processor, %{kind: kind}) when kind in [:closed, :end_of_topic], do: :ok
  defp ended(_processor, error), do: exit(error)

  defp handle_all(processor, messages) do
    start = System.monotonic_time()
    processor = Enum.reduce(messages, processor, &handle_one/2)
    %{processor | most: most(processor.most, length(messages), System.monotonic_time() - start)}
  end

  defp most(most, _count, time) when time > @share, do: max(div(most, 2), 1)
  defp most(most, most, time) when time < div(@share, 2), do: min(most * 2, @at_once)
  defp most(most, _count, _time), do: most

  defp handle_one(message, %{parent: parent} = processor) do
    receive do
      {:EXIT, ^parent, reason} -> exit(reason)
    after
      0 -> decide(processor, message)
    end
  end

  defp decide(%{state: state} = processor, message) do
    case processor.handle_message.(message, state) do
      {:ack, state} ->
        settle(processor.handle, message, :ack)
        %{processor | state: state}

      {outcome, state} when outcome in [:continue, :nack] ->
        settle(processor.handle, message, outcome)
        %{processor | state: state}

      {{:reconsume_later, delay}, state} when is_integer(delay) ->
        settle(processor.handle, message, {:reconsume_later, delay})
        %{processor | state: state}

      other ->
        raise "handle_message returned #{inspect(other)}, which is no outcome"
    end
  catch
    kind, reason ->
      failed(processor, message, Exception.format(kind, reason, __STACKTRACE__))
      processor
  end

  defp failed(processor, message, reason) do
    Logger.error(
      "#{inspect(processor.handler)} failed on message #{message.message_id} of #{Message.full_topic(message)}: #{reason}"
    )

    settle(processor.handle, message, :nack)
  end

  # An error means that the connection is gone: the broker redelivers the message by itself.
  defp settle(%Consumer{ref: ref}, message, :ack), do: Native.ack(ref, message.ref)
  defp settle(%Consumer{ref: ref}, message, :nack), do: Native.nack(ref, message.ref)
  defp settle(%Consumer{}, message, :continue), do: Native.keep(message.ref)

  defp settle(%Consumer{} = consumer, message, {:reconsume_later, delay}) do
    with {:error, error} <- Consumer.reconsume_later(consumer, message, delay) do
      Logger.error("message #{message.message_id} could not be scheduled for later: #{error.message}")
      Native.nack(consumer.ref, message.ref)
    end
  end

  defp settle(%Reader{}, _message, _outcome), do: :ok
end
