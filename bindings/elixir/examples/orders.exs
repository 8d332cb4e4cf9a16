# Sends orders, and reads them back: mix run examples/orders.exs [URL]
# Without a URL, such as ws://localhost:8080, it starts a broker in memory.
alias Stargate.{Client, Producer, Reader}

url =
  case System.argv() do
    [url] -> url
    [] -> with {:ok, mock} <- Stargate.MockBroker.start(), do: mock.url
  end

{:ok, client} = Client.new(url)
{:ok, producer} = Producer.open(client, "orders")

# One by one: each waits for its receipt.
{:ok, first} = Producer.send(producer, "one pizza", key: "table 7", properties: %{size: "L"})

# Many, in order: the fastest way.
orders = for number <- 1..1000, do: {"table #{rem(number, 9)}", "pizza #{number}"}
[] = for {:error, error} <- Producer.send_batch(producer, orders), do: IO.puts(error.message)

# Without waiting: the result is a message to this process.
{:ok, tag} = Producer.send_async(producer, "the bill", key: "table 7")

receive do
  {^tag, {:ok, id}} -> IO.puts("the bill is stored, #{Stargate.MessageId.compare(id, first)} the first order")
  {^tag, {:error, error}} -> IO.puts(error.message)
end

{:ok, reader} = Reader.open(client, "orders", starting_message: first)
{:ok, messages} = Reader.read_to_end(reader)
IO.puts("#{length(messages)} orders after the first, up to #{List.last(messages).payload}")
:ok = Client.close(client)
