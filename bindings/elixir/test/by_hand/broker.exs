defmodule Broker do
  @moduledoc false
  # A mock broker in a process of its own, so that what it costs and keeps does not count.

  @program """
  {:ok, _} = Application.ensure_all_started(:stargate)
  {:ok, mock} = Stargate.MockBroker.start()
  IO.puts(mock.url)

  for _line <- IO.stream(:line), do: Stargate.MockBroker.clear_requests(mock)
  """

  @doc "Starts it, and returns its port and its URL."
  def start do
    arguments = ["-pa", Application.app_dir(:stargate, "ebin"), "-e", @program]
    elixir = System.find_executable("elixir")
    port = Port.open({:spawn_executable, elixir}, [:binary, {:line, 200}, args: arguments])

    receive do
      {^port, {:data, {:eol, url}}} -> {port, url}
    end
  end

  @doc "Has it forget the requests that it remembers."
  def forget(port), do: Port.command(port, "forget\n")
end
