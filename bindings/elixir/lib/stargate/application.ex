defmodule Stargate.Application do
  @moduledoc false
  use Application

  @impl true
  def start(_type, _arguments) do
    case Stargate.Library.open() do
      :ok ->
        children = [Stargate.Log, Stargate.Questions, {Stargate.Acknowledger, name: Stargate.Acknowledger}]
        Supervisor.start_link(children, strategy: :one_for_one)

      {:error, reason} ->
        {:error, reason}
    end
  end
end
