# Microseconds of CPU of this process a message of 100 bytes, with the mock broker in another process:
#     mix run test/by_hand/cost.exs [MESSAGES]
Logger.configure(level: :error)
alias Stargate.{Client, Consumer, Producer}

messages = System.argv() |> List.first("100000") |> String.to_integer()

Code.require_file("broker.exs", __DIR__)
{_port, url} = Broker.start()

cpu = fn ->
  [_, rest] = String.split(File.read!("/proc/self/stat"), ") ")
  fields = String.split(rest)
  ticks = String.to_integer(Enum.at(fields, 11)) + String.to_integer(Enum.at(fields, 12))
  ticks * 10_000
end

measure = fn what, count, run ->
  before = cpu.()
  {time, _} = :timer.tc(run)

  IO.puts(
    "#{what}: #{Float.round((cpu.() - before) / count, 1)} us, #{div(count * 1000, max(div(time, 1000), 1))} messages/s"
  )
end

{:ok, client} = Client.new(url)
payload = String.duplicate("x", 100)
topic = "cost"
{:ok, consumer} = Consumer.open(client, topic, "received")
{:ok, handled} = Consumer.open(client, topic, "handled")
{:ok, producer} = Producer.open(client, topic)

measure.("send_batch", messages, fn ->
  for _ <- 1..div(messages, 1000), do: Producer.send_batch(producer, List.duplicate(payload, 1000))
end)

measure.("send_async", messages, fn ->
  for _ <- 1..messages, do: {:ok, _} = Producer.send_async(producer, payload, tag: :sent)
  for _ <- 1..messages, do: receive(do: ({:sent, {:ok, _}} -> :ok))
end)

measure.("send", div(messages, 20), fn ->
  for _ <- 1..div(messages, 20), do: {:ok, _} = Producer.send(producer, payload)
end)

measure.("receive_many and ack", messages, fn ->
  drain = fn drain, left ->
    if left > 0 do
      {:ok, some} = Consumer.receive_many(consumer, 64)
      Enum.each(some, &Consumer.ack(consumer, &1))
      drain.(drain, left - length(some))
    end
  end

  drain.(drain, messages)
end)

main = self()
count = :counters.new(1, [])

measure.("handler", messages, fn ->
  {:ok, listener} =
    Consumer.listen(handled, fn _message ->
      :counters.add(count, 1, 1)
      if :counters.get(count, 1) == messages, do: send(main, :done)
      :ack
    end)

  receive do: (:done -> :ok)
  Supervisor.stop(listener)
end)

Client.close(client)
