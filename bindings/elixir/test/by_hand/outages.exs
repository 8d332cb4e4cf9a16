# 10,000 messages with receipts and a handler, over a broker that goes down five times: nothing is lost.
#     mix run test/by_hand/outages.exs [MESSAGES]
Logger.configure(level: :error)
alias Stargate.{Client, Consumer, MockBroker, Producer}

messages = System.argv() |> List.first("10000") |> String.to_integer()
{:ok, mock} = MockBroker.start()
{:ok, client} = Client.new(mock.url, backoff_min: 10, backoff_max: 50, log_level: nil)

{:ok, consumer} =
  Consumer.open(client, "orders", "billing", subscription_type: :shared, negative_ack_delay: 100)

{:ok, producer} = Producer.open(client, "orders", send_timeout: 60_000)
main = self()

{:ok, listener} =
  Consumer.listen(
    consumer,
    fn message ->
      # Some fail the first time, by each way of failing.
      number = String.to_integer(message.payload)
      first = message.redelivery_count == 0

      cond do
        first and rem(number, 1000) == 1 -> raise "once"
        first and rem(number, 1000) == 2 -> Process.exit(self(), :kill)
        first and rem(number, 1000) == 3 -> :nack
        true -> send(main, {:handled, number}) && :ack
      end
    end,
    processors: 4
  )

Task.start_link(fn ->
  for _ <- 1..5 do
    Process.sleep(300)
    MockBroker.down(mock)
    Process.sleep(200)
    MockBroker.up(mock)
  end

  send(main, :calm)
end)

for number <- 1..messages do
  {:ok, _tag} = Producer.send_async(producer, "#{number}", tag: :sent)
  if rem(number, div(messages, 100)) == 0, do: Process.sleep(20)
end

receipts = for _ <- 1..messages, do: receive(do: ({:sent, result} -> elem(result, 0)))
receive do: (:calm -> :ok)

collect = fn collect, seen ->
  if MapSet.size(seen) == messages do
    seen
  else
    receive do
      {:handled, number} -> collect.(collect, MapSet.put(seen, number))
    after
      20_000 -> seen
    end
  end
end

seen = collect.(collect, MapSet.new())

wait = fn wait, tries ->
  {:ok, backlog} = MockBroker.backlog(mock, "orders", "billing")
  if backlog == 0 or tries == 0, do: backlog, else: Process.sleep(50) && wait.(wait, tries - 1)
end

backlog = wait.(wait, 200)
Supervisor.stop(listener)

IO.puts(
  "receipts: #{inspect(Enum.frequencies(receipts))}, handled: #{MapSet.size(seen)}, backlog: #{backlog}"
)

Client.close(client)

if Enum.all?(receipts, &(&1 == :ok)) and MapSet.size(seen) == messages and backlog == 0,
  do: :ok,
  else: System.halt(1)
