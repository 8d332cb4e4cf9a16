defmodule Stargate.Test.Broker do
  @moduledoc false
  # A mock broker and a client for each test.
  use ExUnit.CaseTemplate

  alias Stargate.{Client, MockBroker}

  using do
    quote do
      alias Stargate.{Client, Consumer, Error, Message, MessageId, MockBroker, Producer, Reader}
      import Stargate.Test.Broker
    end
  end

  setup do
    {:ok, mock} = MockBroker.start()
    {:ok, client} = Client.new(mock.url, backoff_min: 10, backoff_max: 20)
    on_exit(fn -> Client.close(client, 2_000) end)
    %{mock: mock, client: client}
  end

  @doc "The `host` of a supervisor for a mock broker, in the form that the README of the first Stargate has."
  def host(mock) do
    %URI{host: host, port: port} = URI.parse(mock.url)
    [{String.to_atom(host), port}]
  end

  @doc "Asks until the answer is the wanted one, for five seconds at most."
  def eventually(wanted, ask, tries \\ 250) do
    case ask.() do
      ^wanted ->
        wanted

      other when tries == 0 ->
        raise ExUnit.AssertionError, "expected #{inspect(wanted)}, got #{inspect(other)}"

      _other ->
        Process.sleep(20)
        eventually(wanted, ask, tries - 1)
    end
  end

  @doc "A name that no other test has."
  def unique_name, do: :"test_#{System.unique_integer([:positive])}"
end
