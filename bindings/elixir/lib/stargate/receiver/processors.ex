defmodule Stargate.Receiver.Processors do
  @moduledoc false
  # The processes that run the handler of one consumer or reader. One that is killed costs its message and is replaced.
  use Supervisor

  alias Stargate.Receiver.{FunctionHandler, Processor}

  def start_link({_source, _handler, options} = argument) do
    count(options[:processors] || 1)
    Supervisor.start_link(__MODULE__, argument)
  end

  @impl true
  def init({source, handler, options}) do
    {module, arguments} =
      if is_function(handler, 1),
        do: {FunctionHandler, handler},
        else: {handler, Keyword.get(options, :init_args, [])}

    children =
      for number <- 1..count(options[:processors] || 1) do
        Supervisor.child_spec({Processor, {source, module, arguments}}, id: number, restart: :transient)
      end

    Supervisor.init(children, strategy: :one_for_one, max_restarts: 100, max_seconds: 1)
  end

  @doc "Returns the number of processors, or raises."
  def count(number) when is_integer(number) and number > 0, do: number
  def count(other), do: raise(ArgumentError, "processors: expected a number from 1, got #{inspect(other)}")
end

defmodule Stargate.Receiver.FunctionHandler do
  @moduledoc false
  # A function as a handler.
  @behaviour Stargate.Receiver.MessageHandler

  @impl true
  def init(function), do: {:ok, function}

  @impl true
  def handle_message(message, function), do: {function.(message), function}
end
