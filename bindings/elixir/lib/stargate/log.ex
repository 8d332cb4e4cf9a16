defmodule Stargate.Log do
  @moduledoc false
  # Passes the log records of the library on to Logger.
  use GenServer

  require Logger

  def start_link(_), do: GenServer.start_link(__MODULE__, nil, name: __MODULE__)

  @impl true
  def init(nil), do: {:ok, nil}

  @impl true
  def handle_info({:stargate_log, level, target, text}, state) do
    Logger.log(if(level == :warn, do: :warning, else: level), "#{target}: #{text}", stargate: target)
    {:noreply, state}
  end

  def handle_info(_other, state), do: {:noreply, state}
end
