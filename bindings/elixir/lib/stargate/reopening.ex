defmodule Stargate.Reopening do
  @moduledoc false
  # A process that has one producer, consumer or reader, under a name in a registry. The library reconnects by itself;
  # what a permanent error ended is opened again here, after a pause that grows from one to thirty seconds.
  use GenServer

  require Logger

  defstruct [:component, :client, :registry, :key, :handle, pause: 1_000, waiting: []]

  def start_link({component, client, registry}) do
    key = Stargate.Component.key(component)

    GenServer.start_link(__MODULE__, {component, client, registry, key},
      name: {:via, Registry, {registry, key}}
    )
  end

  @impl true
  def init({component, client, registry, key}) do
    Process.flag(:trap_exit, true)
    state = %__MODULE__{component: component, client: client, registry: registry, key: key}

    case open(state) do
      {:ok, state} -> {:ok, state}
      {:error, error} -> {:stop, error}
    end
  end

  defp open(state) do
    with {:ok, handle} <-
           Stargate.Component.open(state.component, state.client, on_state: {self(), {:state, self()}}) do
      Registry.update_value(state.registry, state.key, fn _ -> handle end)
      Enum.each(state.waiting, fn {pid, tag} -> send(pid, {tag, handle}) end)
      {:ok, %{state | handle: handle, waiting: []}}
    end
  end

  @impl true
  def handle_call(:handle, _from, state), do: {:reply, state.handle, state}

  @impl true
  def handle_info({{:state, _pid}, change}, state) do
    Stargate.Component.report(state.component, change)
    {:noreply, if(change.state == :failed, do: failed(state, change.error), else: state)}
  end

  # A processor whose handle has ended waits for another one.
  def handle_info({:another, pid, tag, ended}, %{handle: handle} = state) do
    if handle == nil or handle == ended do
      {:noreply, %{state | waiting: [{pid, tag} | state.waiting]}}
    else
      send(pid, {tag, handle})
      {:noreply, state}
    end
  end

  def handle_info(:open, state) do
    case open(state) do
      {:ok, state} -> {:noreply, %{state | pause: 1_000}}
      {:error, error} -> {:noreply, failed(state, error)}
    end
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp failed(state, error) do
    Logger.error(
      "#{inspect(state.key)} ended, and is opened again in #{state.pause} ms: #{error && error.message}"
    )

    Process.send_after(self(), :open, state.pause)
    %{state | handle: nil, pause: min(state.pause * 2, 30_000)}
  end

  @impl true
  def terminate(_reason, %{handle: nil}), do: :ok
  def terminate(_reason, %{handle: handle}), do: Stargate.Client.close_ref(handle.ref, 4_000)
end
