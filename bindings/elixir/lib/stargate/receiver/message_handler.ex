defmodule Stargate.Receiver.MessageHandler do
  @moduledoc """
  What handles the messages of a consumer or reader.

      defmodule Kitchen do
        use Stargate.Receiver.MessageHandler

        def handle_message(%Stargate.Message{payload: order}) do
          IO.puts(order)
          :ack
        end
      end

  `use` gives defaults for all three callbacks, and so does the package for a module that is without it. One of the two
  `handle_message` is enough: `handle_message/2` receives the state that `init/1` made, too; without it,
  `handle_message/1` is called. Without `init/1`, the state is the arguments. Each processor has a state of its own.

  The outcomes:

    * `:ack` - the message is done
    * `:continue` - the application acknowledges it later, with `Stargate.Receiver.ack/2`
    * `:nack` - the broker redelivers it, after the option `negative_ack_delay`
    * `{:reconsume_later, delay}` - the retry letter topic redelivers it after so many milliseconds; needs the option
      `enable_retry`

  If a handler raises, throws, exits or returns something else, this is logged, the message counts as refused
  (`:nack`), and the state stays as it was before the message. To a reader, outcomes mean nothing.

  A handler receives the messages of Erlang that it waits for, such as the result of a task. Those that it leaves in
  the mailbox are dropped.
  """

  alias Stargate.Message

  @type outcome :: :ack | :continue | :nack | {:reconsume_later, non_neg_integer()}

  @callback init(arguments :: term()) :: {:ok, state :: term()}
  @callback handle_message(Message.t(), state :: term()) :: {outcome(), state :: term()}
  @callback handle_message(Message.t()) :: outcome()
  @optional_callbacks init: 1, handle_message: 1, handle_message: 2

  defmacro __using__(_options) do
    quote do
      @behaviour Stargate.Receiver.MessageHandler

      @impl Stargate.Receiver.MessageHandler
      def init(arguments), do: {:ok, arguments}

      @impl Stargate.Receiver.MessageHandler
      def handle_message(message, state), do: {handle_message(message), state}

      @impl Stargate.Receiver.MessageHandler
      def handle_message(_message), do: :ack

      defoverridable Stargate.Receiver.MessageHandler
    end
  end

  @doc false
  # Returns the state that a handler begins with, and the function of a message and a state.
  def begin(handler, arguments) do
    Code.ensure_loaded!(handler)

    {:ok, state} =
      if function_exported?(handler, :init, 1), do: handler.init(arguments), else: {:ok, arguments}

    {state, function(handler)}
  end

  defp function(handler) do
    cond do
      function_exported?(handler, :handle_message, 2) ->
        &handler.handle_message/2

      function_exported?(handler, :handle_message, 1) ->
        fn message, state -> {handler.handle_message(message), state} end

      true ->
        raise ArgumentError, "#{inspect(handler)} has neither handle_message/1 nor handle_message/2"
    end
  end
end
