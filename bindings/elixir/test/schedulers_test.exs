defmodule Stargate.SchedulersTest do
  # Neither schedulers nor dirty threads are held by what waits.
  use Stargate.Test.Broker

  test "files are read and processes run while hundreds of calls wait", %{client: client, mock: mock} do
    {:ok, consumer} = Consumer.open(client, "orders", "billing")
    {:ok, producer} = Producer.open(client, "orders", max_pending_msg: 1)
    MockBroker.fault(mock, "send", "delay:1000", topic: "orders")
    MockBroker.fault(mock, "connect", "delay:1000", topic: "slow", count: 30)
    MockBroker.fault(mock, "http", "delay:1000", count: 30)

    waiting =
      List.flatten([
        for(_ <- 1..100, do: fn -> Consumer.receive(consumer, 1_000) end),
        for(_ <- 1..30, do: fn -> Producer.send(producer, "x") end),
        for(_ <- 1..30, do: fn -> Producer.open(client, "slow") end),
        for(_ <- 1..30, do: fn -> Stargate.Admin.topics(client, "public/default") end),
        for(_ <- 1..30, do: fn -> MockBroker.wait(mock, "ack", 1000, timeout: 1_000) end)
      ])

    tasks = Enum.map(waiting, &Task.async/1)
    Process.sleep(100)

    slowest =
      Enum.max(
        for _ <- 1..20 do
          {time, _} =
            :timer.tc(fn ->
              File.read!(__ENV__.file)
              Task.async(fn -> :crypto.hash(:sha256, "x") end) |> Task.await()
            end)

          time
        end
      )

    assert slowest < 400_000
    Task.await_many(tasks, 20_000)
  end

  test "finalizers of hundreds of handles with work pending hold nothing", %{client: client, mock: mock} do
    MockBroker.fault(mock, "send", "no-receipt", count: :infinity)

    spawn(fn ->
      for number <- 1..30 do
        {:ok, producer} = Producer.open(client, "t#{number}")
        Producer.send_async(producer, "x")
        {:ok, _consumer} = Consumer.open(client, "t#{number}", "s")
        {:ok, _reader} = Reader.open(client, "t#{number}")
      end
    end)

    eventually(30, fn -> mock |> MockBroker.count("send") |> elem(1) end)
    # Readers and consumers go at once; a producer when its message has ended, at the latest.
    eventually(30, fn -> MockBroker.connections(mock) end)
    {time, _} = :timer.tc(fn -> File.read!(__ENV__.file) end)
    assert time < 400_000
  end
end
