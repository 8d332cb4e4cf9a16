# Opens and closes, or drops, handles, then sends and receives: mix run test/by_hand/leaks.exs [CYCLES] [MESSAGES]
# Memory, descriptors, threads and processes are printed before and after. If they grow, the status is 1.
Logger.configure(level: :error)
alias Stargate.{Client, Consumer, Producer, Reader}

Code.require_file("broker.exs", __DIR__)
{port, url} = Broker.start()

[cycles, messages] =
  System.argv()
  |> Kernel.++(Enum.drop(["10000", "1000000"], length(System.argv())))
  |> Enum.map(&String.to_integer/1)

usage = fn ->
  for pid <- Process.list(), do: :erlang.garbage_collect(pid)
  Process.sleep(200)
  [_, kilobytes] = Regex.run(~r/VmRSS:\s+(\d+)/, File.read!("/proc/self/status"))
  threads = "/proc/self/task" |> File.ls!() |> length()
  descriptors = "/proc/self/fd" |> File.ls!() |> length()

  %{
    resident_kilobytes: String.to_integer(kilobytes),
    erlang_kilobytes: div(:erlang.memory(:total), 1024),
    descriptors: descriptors,
    threads: threads,
    processes: length(Process.list())
  }
end

# What a run may leave: pages that allocators keep, and threads that are about to end.
room = %{resident_kilobytes: 8_000, erlang_kilobytes: 2_000, descriptors: 2, threads: 2, processes: 2}

steady = fn before, later ->
  grown = for {what, most} <- room, later[what] > before[what] + most, do: what
  unless grown == [], do: IO.puts("these have grown: #{Enum.join(grown, ", ")}")
  grown == []
end

{:ok, client} = Client.new(url)

cycle = fn number ->
  # A topic for each hundred, as none of its messages is acknowledged and each consumer gets all of them.
  topic = "orders-#{div(number, 100)}"
  {:ok, own} = Client.new(url, log_level: nil)
  {:ok, producer} = Producer.open(own, topic)
  {:ok, _} = Producer.send_async(producer, "x", tag: :sent)
  {:ok, consumer} = Consumer.open(own, topic, "s#{rem(number, 3)}", subscription_type: :shared)
  {:ok, reader} = Reader.open(own, topic)
  Consumer.receive(consumer, 0)
  {:error, _} = Producer.open(own, "a//b")
  receive do: ({:sent, _} -> :ok)
  # Every second time the garbage collector has to end them.
  if rem(number, 2) == 0 do
    :ok = Reader.close(reader)
    :ok = Client.close(own)
  end

  if rem(number, 100) == 0, do: :erlang.garbage_collect()
end

for number <- 1..div(cycles, 10), do: cycle.(number)
Broker.forget(port)
before = usage.()
IO.inspect(before, label: "after #{div(cycles, 10)} cycles")
for number <- 1..cycles, do: cycle.(number)
Broker.forget(port)
later = usage.()
IO.inspect(later, label: "after #{cycles} more")

{:ok, producer} = Producer.open(client, "many")
{:ok, consumer} = Consumer.open(client, "many", "s")

pass = fn count ->
  Enum.each(1..div(count, 1000), fn _ ->
    Producer.send_batch(producer, List.duplicate(String.duplicate("x", 100), 1000))

    drain = fn drain, left ->
      if left > 0 do
        {:ok, some} = Consumer.receive_many(consumer, 64)
        Enum.each(some, &Consumer.ack(consumer, &1))
        drain.(drain, left - length(some))
      end
    end

    drain.(drain, 1000)
  end)
end

pass.(div(messages, 10))
Broker.forget(port)
middle = usage.()
IO.inspect(middle, label: "after #{div(messages, 10)} messages")
pass.(messages)
Broker.forget(port)
last = usage.()
IO.inspect(last, label: "after #{messages} more")

unless steady.(before, later) and steady.(middle, last), do: System.halt(1)
