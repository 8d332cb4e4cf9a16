defmodule Publicizer.MessageHandler do
  @moduledoc false
  # The handler of the README of the first Stargate; it tells the process whose name is in the application's environment.
  use Stargate.Receiver.MessageHandler

  @impl true
  def handle_message(%Stargate.Message{} = message) do
    send(:publicizer, {:feature, message})
    :ack
  end
end

defmodule MyApp.Reader.Handler do
  @moduledoc false
  # Keeps the number of messages that it has seen, and tells a process.
  use Stargate.Receiver.MessageHandler

  @impl true
  def init(to: pid), do: {:ok, %{to: pid, seen: 0}}

  @impl true
  def handle_message(message, %{to: pid, seen: seen} = state) do
    send(pid, {:handled, self(), message, seen + 1})
    {:ack, %{state | seen: seen + 1}}
  end
end

defmodule MyApp.Defaults do
  @moduledoc false
  # Nothing but what `use` gives.
  use Stargate.Receiver.MessageHandler
end

defmodule MyApp.WithoutState do
  @moduledoc false
  # Has no `use`, and only what a handler has to have.
  @behaviour Stargate.Receiver.MessageHandler

  @impl true
  def handle_message(message) do
    send(:publicizer, {:without_state, message.payload})
    :ack
  end
end

defmodule MyApp.WithState do
  @moduledoc false
  # The same, with the state.
  @behaviour Stargate.Receiver.MessageHandler

  @impl true
  def handle_message(message, to: pid) do
    send(pid, {:with_state, message.payload})
    {:ack, to: pid}
  end
end

defmodule MyApp.Continue do
  @moduledoc false
  # Leaves the acknowledgement to the application.
  use Stargate.Receiver.MessageHandler

  @impl true
  def init(pid), do: {:ok, pid}

  @impl true
  def handle_message(message, pid) do
    send(pid, {:handled, message})
    {:continue, pid}
  end
end

defmodule MyApp.Outcomes do
  @moduledoc false
  # Decides by the payload, the first time.
  use Stargate.Receiver.MessageHandler

  @impl true
  def init(pid), do: {:ok, {pid, MapSet.new()}}

  @impl true
  def handle_message(%{payload: payload} = message, {pid, seen}) do
    send(pid, {:handled, self(), payload, message.redelivery_count})

    # A handler that fails keeps its earlier state, so only the count of redeliveries shows the second delivery.
    if message.redelivery_count > 0 or message.reconsume_times > 0 do
      {:ack, {pid, seen}}
    else
      first(payload, {pid, MapSet.put(seen, payload)})
    end
  end

  defp first("raise", _state), do: raise("this handler fails once")
  defp first("throw", _state), do: throw(:once)
  defp first("exit", _state), do: exit(:once)
  defp first("nonsense", _state), do: :nonsense
  defp first("linked", _state), do: Task.await(Task.async(fn -> raise "a task fails once" end))
  defp first("kill", _state), do: Process.exit(self(), :kill)
  defp first("nack", state), do: {:nack, state}
  defp first("later", state), do: {{:reconsume_later, 50}, state}
  defp first(_payload, state), do: {:ack, state}
end
