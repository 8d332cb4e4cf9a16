defmodule Stargate.Questions do
  @moduledoc false
  # Runs the functions of an application that the library asks for tokens, headers and keys, each in its own process.
  use GenServer

  require Logger

  alias Stargate.Native

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  # The questions that are asked, by the monitors of the processes that answer them.
  @impl true
  def init(nil), do: {:ok, %{}}

  @impl true
  def handle_info({:stargate_question, function, about, question}, asked) do
    {_pid, monitor} = spawn_monitor(fn -> Native.answer(question, answer(function, about)) end)
    {:noreply, Map.put(asked, monitor, question)}
  end

  # One that was killed has no answer. To a second answer the library does not listen.
  def handle_info({:DOWN, monitor, :process, _pid, _reason}, asked) when is_map_key(asked, monitor) do
    {question, asked} = Map.pop!(asked, monitor)
    Native.answer(question, nil)
    {:noreply, asked}
  end

  def handle_info(_other, asked), do: {:noreply, asked}

  defp answer(function, about) do
    case about do
      :token -> text(function.())
      :headers -> function.() |> Enum.map_join("\n", fn {name, value} -> "#{name}: #{value}" end)
      {:key, half, name, metadata} -> text(function.(half, name, metadata))
    end
  catch
    kind, reason ->
      Logger.error("stargate: a function failed: " <> Exception.format(kind, reason, __STACKTRACE__))
      nil
  end

  defp text({:ok, text}) when is_binary(text), do: text
  defp text(text) when is_binary(text), do: text
  defp text(_none), do: nil
end
