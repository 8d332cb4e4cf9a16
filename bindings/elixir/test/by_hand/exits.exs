# Ends the VM with work pending, in several ways: mix run test/by_hand/exits.exs [TIMES]
# Each has a minute, for a machine that is busy; a VM that hangs or crashes is named.
times = System.argv() |> List.first("100") |> String.to_integer()
ebin = Application.app_dir(:stargate, "ebin")

program = """
{:ok, _} = Application.ensure_all_started(:stargate)
Logger.configure(level: :none)
alias Stargate.{Client, Consumer, MockBroker, Producer, Reader}
{:ok, mock} = MockBroker.start()
{:ok, client} = Client.new(mock.url)
{:ok, producer} = Producer.open(client, "orders")
{:ok, consumer} = Consumer.open(client, "orders", "billing")
{:ok, _} = Consumer.listen(consumer, fn _ -> Process.sleep(20) && :nack end, processors: 4)
for number <- 1..200, do: MockBroker.publish(mock, "orders", "\#{number}")
MockBroker.fault(mock, "send", "no-receipt", count: :infinity)
{:ok, reader} = Reader.open(client, "orders")
for _ <- 1..5, do: spawn(fn -> Reader.receive(reader) end)
for _ <- 1..5, do: spawn(fn -> MockBroker.wait(mock, "ack", 1_000_000, timeout: 60_000) end)
spawn(fn -> for number <- 1..10_000, do: Producer.send_async(producer, "\#{number}") end)
spawn(fn -> Producer.send_batch(producer, List.duplicate("x", 10_000)) end)
place = [tenant: "public", namespace: "default", topic: "more"]
%URI{port: port} = URI.parse(mock.url)
{:ok, _} = Stargate.Supervisor.start_link(host: [localhost: port], producer: place)
Stargate.produce(Stargate.registry_key("public", "default", "more"), List.duplicate("x", 500), {Process, :sleep, [1]})
Process.sleep(:rand.uniform(50))
"""

ends = %{
  "the script ends" => "",
  "System.stop" => "System.stop(3); Process.sleep(:infinity)",
  "System.halt" => "System.halt(3)",
  ":erlang.halt without flush" => ":erlang.halt(3, flush: false)",
  "an exception" => "raise \"the end\"",
  "SIGTERM" => "System.cmd(\"kill\", [\"-TERM\", System.pid()]); Process.sleep(:infinity)"
}

expected = %{"the script ends" => [0], "an exception" => [1], "SIGTERM" => [0, 143]}

results =
  for number <- 1..times do
    {name, last} = Enum.at(ends, rem(number, map_size(ends)))
    arguments = ["60", "elixir", "-pa", ebin, "-e", program <> last]
    {output, status} = System.cmd("timeout", arguments, stderr_to_stdout: true)
    good = status in Map.get(expected, name, [3])
    unless good, do: IO.puts("#{name}: status #{status}\n#{output}")
    good
  end

IO.puts("exits: #{Enum.count(results, & &1)} of #{times} were as they should be")
unless Enum.all?(results), do: System.halt(1)
