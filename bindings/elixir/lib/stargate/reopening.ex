defmodule Stargate.Reopening do
  @moduledoc false
  # A process that has one producer, consumer or reader, under a name in a registry. The library reconnects by itself;
  # what a permanent error ended is opened again here, after a pause that grows from one to thirty seconds.
  use GenServer

  require Logger

  @pause 1_000

  defstruct [:component, :client, :registry, :handle, :attempt, pause: @pause, waiting: []]

  def start_link({component, _client, registry} = argument) do
    GenServer.start_link(__MODULE__, argument, name: {:via, Registry, {registry, hd(component.keys)}})
  end

  @impl true
  def init({component, client, registry}) do
    Process.flag(:trap_exit, true)
    for key <- tl(component.keys), do: {:ok, _} = Registry.register(registry, key, nil)
    state = %__MODULE__{component: component, client: client, registry: registry}

    case open(state) do
      {:ok, state} -> {:ok, state}
      {:error, error} -> {:stop, error}
    end
  end

  # Each attempt has a tag of its own, since one that fails reports its states, too.
  defp open(state) do
    attempt = make_ref()

    with {:ok, handle} <-
           Stargate.Component.open(state.component, state.client, on_state: {self(), {:state, attempt}}) do
      for key <- state.component.keys, do: Registry.update_value(state.registry, key, fn _ -> handle end)
      Enum.each(state.waiting, fn {pid, tag} -> send(pid, {tag, handle}) end)
      {:ok, %{state | handle: handle, attempt: attempt, waiting: []}}
    end
  end

  @impl true
  def handle_call(:handle, _from, state), do: {:reply, state.handle, state}

  @impl true
  def handle_info({{:state, attempt}, change}, state) do
    Stargate.Component.report(state.component, change)
    {:noreply, if(attempt == state.attempt, do: changed(state, change), else: state)}
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

  def handle_info(:open, %{handle: nil} = state) do
    case open(state) do
      {:ok, state} -> {:noreply, state}
      {:error, error} -> {:noreply, failed(state, error)}
    end
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp changed(state, %{state: :connected}), do: %{state | pause: @pause}
  defp changed(state, %{state: :failed, error: error}), do: failed(state, error)
  defp changed(state, _change), do: state

  defp failed(state, error) do
    Logger.error(
      "#{inspect(hd(state.component.keys))} ended, and is opened again in #{state.pause} ms: #{error && error.message}"
    )

    Process.send_after(self(), :open, state.pause)
    %{state | handle: nil, attempt: nil, pause: min(state.pause * 2, 30_000)}
  end

  @impl true
  def terminate(_reason, %{handle: nil}), do: :ok
  def terminate(_reason, %{handle: handle}), do: Stargate.Client.close_ref(handle.ref, 4_000)
end
