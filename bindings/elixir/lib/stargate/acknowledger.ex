defmodule Stargate.Acknowledger do
  @moduledoc false
  # Calls the function of each send that has one, when the broker has the message, one after the other. The functions may
  # start linked processes, and have messages sent to this one.
  use GenServer

  require Logger

  def start_link(options), do: GenServer.start_link(__MODULE__, nil, options)

  @doc "The tag with which a send reports to this process."
  def tag({module, function, arguments} = mfa)
      when is_atom(module) and is_atom(function) and is_list(arguments) do
    {:stargate_sent, mfa}
  end

  @impl true
  def init(nil) do
    Process.flag(:trap_exit, true)
    {:ok, nil}
  end

  @impl true
  def handle_info({{:stargate_sent, {module, function, arguments}}, result}, nil) do
    case result do
      {:ok, _id} -> run(module, function, arguments)
      {:error, error} -> Logger.error("#{inspect(module)}.#{function} is not called: #{error.message}")
    end

    {:noreply, nil}
  end

  def handle_info(_other, nil), do: {:noreply, nil}

  defp run(module, function, arguments) do
    apply(module, function, arguments)
  catch
    kind, reason ->
      Logger.error("a message is stored, but then: " <> Exception.format(kind, reason, __STACKTRACE__))
  end
end
