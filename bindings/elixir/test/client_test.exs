defmodule Stargate.ClientTest do
  # Producers, consumers and readers by hand.
  use Stargate.Test.Broker, async: true

  describe "send" do
    test "every field of a message", %{client: client, mock: mock} do
      {:ok, producer} = Producer.open(client, "orders")
      event_time = ~U[2026-11-29 08:00:00.123Z]
      options = [key: "grün", properties: %{size: "L"}, event_time: event_time]
      assert {:ok, id} = Producer.send(producer, "one pizza", options)
      {:ok, [stored]} = MockBroker.messages(mock, "orders")
      assert %{"payload" => "one pizza", "key" => "grün", "properties" => %{"size" => "L"}} = stored
      assert stored["event_time_ms"] == DateTime.to_unix(event_time, :millisecond)
      assert MessageId.compare(stored["message_id"], id) == :eq

      for later <- [%{"deliverAfterMs" => 60_000}, %{"deliverAt" => DateTime.add(DateTime.utc_now(), 60)}] do
        assert {:ok, _} = Producer.send(producer, Map.put(later, "payload", "later"))
        assert MockBroker.messages(mock, "orders") |> elem(1) |> List.last() |> Map.get("deliver_at_ms") > 0
      end

      assert {:ok, _} =
               Producer.send(producer, %{"payload" => "x", "eventTime" => "2026-11-29T08:00:00.123Z"})

      assert MockBroker.messages(mock, "orders") |> elem(1) |> List.last() |> Map.get("event_time_ms") ==
               stored["event_time_ms"]

      assert {:ok, _} = Producer.send(producer, %{"payload" => "x", "replicationClusters" => ["__local__"]})
    end

    test "texts with U+0000 and other mistakes are refused", %{client: client} do
      {:ok, producer} = Producer.open(client, "orders")

      invalid = fn result, text ->
        assert({:error, %Error{kind: :invalid_argument, message: message}} = result) &&
          assert(message =~ text)
      end

      invalid.(Producer.send(producer, "x", key: "a\0b"), "key: expected a text without U+0000")
      invalid.(Producer.send(producer, "x", properties: %{"a" => "b\0"}), "properties: expected texts")
      invalid.(Producer.send(producer, "x", key: <<255>>), "UTF-8")
      assert_raise ArgumentError, ~r/payload/, fn -> Producer.send(producer, %{payload: 1}) end

      assert_raise ArgumentError, ~r/event_time/, fn ->
        Producer.send(producer, "x", event_time: "yesterday")
      end

      invalid.(Producer.open(client, "a\0b"), "topic")
      assert {:ok, _} = Producer.send(producer, "still here")
    end

    test "many at a time, more than there is room for, in order", %{client: client, mock: mock} do
      {:ok, producer} = Producer.open(client, "orders", max_pending_msg: 10)
      payloads = for number <- 1..2_000, do: "#{number}"
      results = Producer.send_batch(producer, payloads)
      assert length(results) == 2_000
      assert Enum.all?(results, &match?({:ok, id} when is_binary(id), &1))
      {:ok, stored} = MockBroker.messages(mock, "orders")
      assert Enum.map(stored, & &1["payload"]) == payloads
      assert Producer.send_batch(producer, []) == []
    end

    test "a long batch is passed to the library in pieces", %{client: client, mock: mock} do
      {:ok, producer} = Producer.open(client, "orders", max_pending_msg: 50_000)
      large = String.duplicate("x", 600_000)
      payloads = Enum.map(1..3_500, &"#{&1}") ++ List.duplicate(large, 5)

      sending =
        Task.async(fn ->
          receive do: (:go -> Producer.send_batch(producer, payloads))
        end)

      :erlang.trace_pattern({Stargate.Native, :send_many, 3}, true, [])
      :erlang.trace(sending.pid, true, [:call])
      send(sending.pid, :go)
      results = Task.await(sending)
      :erlang.trace_pattern({Stargate.Native, :send_many, 3}, false, [])
      assert length(results) == 3_505 and Enum.all?(results, &match?({:ok, _id}, &1))
      assert passed() == [1_000, 1_000, 1_000, 502, 2, 1]
      {:ok, stored} = MockBroker.messages(mock, "orders")
      assert Enum.map(stored, & &1["payload"]) == payloads
    end

    defp passed do
      receive do
        {:trace, _pid, :call, {_module, :send_many, [_producer, _tag, terms]}} -> [length(terms) | passed()]
      after
        0 -> []
      end
    end

    test "a batch that waits for room ends with the producer", %{client: client, mock: mock} do
      {:ok, producer} = Producer.open(client, "orders", max_pending_msg: 1)
      MockBroker.fault(mock, "send", "no-receipt", topic: "orders")
      sending = Task.async(fn -> Producer.send_batch(producer, ["a", "b", "c"]) end)
      :ok = MockBroker.wait(mock, "send", 1, topic: "orders")
      assert {:error, %Error{}} = Producer.close(producer, 50)
      assert [{:error, %Error{}} | rest] = Task.await(sending)
      assert [{:error, %Error{kind: :closed}}, {:error, %Error{kind: :closed}}] = rest
    end

    test "send_async waits for room, and delivers each result once", %{client: client} do
      {:ok, producer} = Producer.open(client, "orders", max_pending_msg: 5)
      tags = for number <- 1..500, do: producer |> Producer.send_async("#{number}") |> elem(1)
      assert :ok = Producer.flush(producer)
      for tag <- tags, do: assert_receive({^tag, {:ok, _id}})
      refute_receive _, 50
      assert {:ok, :mine} = Producer.send_async(producer, "x", tag: :mine, to: self())
      assert_receive {:mine, {:ok, _}}
    end

    test "a full queue refuses with when_full: :fail", %{client: client, mock: mock} do
      {:ok, producer} = Producer.open(client, "orders", max_pending_msg: 2, when_full: :fail)
      MockBroker.fault(mock, "send", "no-receipt", topic: "orders", count: 2)
      sending = Task.async(fn -> Producer.send_batch(producer, ["a", "b", "c", "d"]) end)
      :ok = MockBroker.wait(mock, "send", 2, topic: "orders")
      # The first two are sent again.
      MockBroker.drop_connections(mock, "orders")

      assert [
               {:ok, _},
               {:ok, _},
               {:error, %Error{kind: :queue_full, retriable: true}},
               {:error, %Error{kind: :queue_full}}
             ] = Task.await(sending)
    end

    test "each message of a batch has its result", %{client: client, mock: mock} do
      {:ok, producer} = Producer.open(client, "orders")
      MockBroker.fault(mock, "send", "send-error:8:no room", topic: "orders")

      assert [{:error, %Error{kind: :broker}}, {:ok, _}, {:ok, _}] =
               Producer.send_batch(producer, ["a", "b", "c"])
    end

    test "a producer that nothing refers to any more ends after its messages", %{client: client, mock: mock} do
      MockBroker.fault(mock, "send", "delay:200", topic: "orders")
      test = self()

      spawn(fn ->
        {:ok, producer} = Producer.open(client, "orders")
        {:ok, :last} = Producer.send_async(producer, "last", to: test, tag: :last)
      end)

      assert_receive {:last, {:ok, _id}}
      eventually(0, fn -> MockBroker.connections(mock) end)
    end
  end

  describe "receive" do
    setup %{client: client} do
      {:ok, consumer} =
        Consumer.open(client, "orders", "billing", subscription_type: :shared, negative_ack_delay: 50)

      {:ok, producer} = Producer.open(client, "orders")
      %{consumer: consumer, producer: producer}
    end

    test "a killed process costs no message, and others wait on", %{consumer: consumer, producer: producer} do
      killed = for _ <- 1..5, do: spawn(fn -> Consumer.receive(consumer) end)
      waiting = Task.async(fn -> Consumer.receive(consumer, 5_000) end)
      Process.sleep(50)
      Enum.each(killed, &Process.exit(&1, :kill))
      {:ok, _} = Producer.send(producer, "x")
      assert {:ok, %Message{payload: "x"}} = Task.await(waiting)
    end

    test "receives and kills at once lose nothing", %{consumer: consumer, producer: producer} do
      test = self()

      for number <- 1..200 do
        pid =
          spawn(fn ->
            with {:ok, message} <- Consumer.receive(consumer),
                 do: send(test, {:got, message.payload}) && Consumer.ack(consumer, message)
          end)

        {:ok, _} = Producer.send_async(producer, "#{number}", tag: :sent)
        if rem(number, 2) == 0, do: Process.exit(pid, :kill)
      end

      collect = fn collect ->
        case Consumer.receive(consumer, 1_000) do
          {:ok, message} ->
            send(test, {:got, message.payload})
            Consumer.ack(consumer, message)
            collect.(collect)

          :timeout ->
            :ok
        end
      end

      collect.(collect)
      eventually({:ok, 0}, fn -> Consumer.backlog(consumer) end)
    end

    test "timeouts end in time, at zero too", %{consumer: consumer} do
      assert :timeout = Consumer.receive(consumer, 0)
      {time, :timeout} = :timer.tc(fn -> Consumer.receive(consumer, 200) end)
      assert time in 190_000..1_500_000
      assert :timeout = Consumer.receive_many(consumer, 10, 0)
    end

    test "large payloads are whole, and outlive the consumer", %{consumer: consumer, producer: producer} do
      payload = :crypto.strong_rand_bytes(300_000)
      {:ok, _} = Producer.send(producer, payload)
      {:ok, message} = Consumer.receive(consumer, 5_000)
      :ok = Consumer.ack(consumer, message)
      :ok = Consumer.close(consumer)
      kept = message.payload
      :erlang.garbage_collect()
      assert kept == payload
    end

    test "nack, ack by id, ack_many, and reading on", %{
      consumer: consumer,
      producer: producer,
      client: client
    } do
      Producer.send_batch(producer, ["a", "b", "c", "d"])
      {:ok, [a]} = Consumer.receive_many(consumer, 1)
      :ok = Consumer.nack(consumer, a)
      {:ok, b} = Consumer.receive(consumer)
      :ok = Consumer.ack(consumer, b.message_id)
      {:ok, c} = Consumer.receive(consumer)
      {:ok, d} = Consumer.receive(consumer)
      :ok = Consumer.ack_many(consumer, [c, d])
      assert {:ok, %Message{payload: "a", redelivery_count: 1} = again} = Consumer.receive(consumer, 5_000)
      :ok = Consumer.nack(consumer, again.message_id)
      assert {:ok, %Message{payload: "a", redelivery_count: 2} = again} = Consumer.receive(consumer, 5_000)
      :ok = Consumer.ack(consumer, again)
      eventually({:ok, 0}, fn -> Consumer.backlog(consumer) end)
      assert {:error, %Error{kind: :invalid_argument}} = Consumer.ack(consumer, "no id")

      {:ok, reader} = Reader.open(client, "orders", starting_message: :earliest)
      assert reader |> Reader.stream() |> Enum.take(4) |> Enum.map(& &1.payload) == ["a", "b", "c", "d"]
      assert {:ok, false} = Reader.has_message_available?(reader)
      :ok = Reader.seek(reader, again.message_id, after: true)
      assert {:ok, %Message{payload: "b"}} = Reader.receive(reader, 5_000)
      :ok = Reader.seek(reader, DateTime.add(DateTime.utc_now(), -60))
      assert {:ok, messages} = Reader.read_to_end(reader)
      assert Enum.map(messages, & &1.payload) == ["a", "b", "c", "d"]
      assert {:ok, [last]} = Reader.last_message_ids(reader)
      assert MessageId.compare(last, d.message_id) == :eq
      ids = Enum.map(messages, & &1.message_id)
      assert ids |> Enum.reverse() |> Enum.sort(MessageId) == ids
      assert {:ok, %{partition: -1, batch_index: -1, ledger: ledger}} = MessageId.parts(last)
      assert is_integer(ledger)
      assert {:error, %Error{kind: :invalid_argument}} = MessageId.parts("nonsense")
    end

    test "a reader goes on after a stream that is halted", %{client: client, producer: producer} do
      Producer.send_batch(producer, ["a", "b", "c", "d"])
      {:ok, reader} = Reader.open(client, "orders", starting_message: :earliest)
      assert reader |> Reader.stream() |> Enum.take(2) |> Enum.map(& &1.payload) == ["a", "b"]
      assert {:ok, %Message{payload: "c"}} = Reader.receive(reader, 5_000)
    end

    test "what a halted stream of a consumer has taken ahead is redelivered", context do
      %{consumer: consumer, producer: producer} = context
      Producer.send_batch(producer, ["a", "b", "c", "d"])
      # All have arrived, so that it takes them.
      eventually({:ok, 4}, fn ->
        with {:ok, stats} <- Consumer.stats(consumer), do: {:ok, stats["queued"]}
      end)

      assert [%Message{payload: "a"} = first] = consumer |> Consumer.stream(4) |> Enum.take(1)
      :ok = Consumer.ack(consumer, first)
      taken = for _ <- 1..3, do: Consumer.receive(consumer, 5_000)
      assert Enum.sort(for {:ok, message} <- taken, do: message.payload) == ["b", "c", "d"]
    end

    test "a stream ends with a close", %{consumer: consumer, producer: producer} do
      Producer.send_batch(producer, ["a", "b"])
      test = self()

      task =
        Task.async(fn ->
          consumer |> Consumer.stream() |> Stream.each(&send(test, &1.payload)) |> Enum.count()
        end)

      assert_receive "a"
      assert_receive "b"
      :ok = Consumer.close(consumer)
      assert Task.await(task) == 2
    end
  end

  describe "read_to_end" do
    test "goes on when a receive of another process is interrupted", %{client: client, mock: mock} do
      for payload <- ["a", "b", "c"], do: MockBroker.publish(mock, "orders", payload)
      MockBroker.fault(mock, "receive", "delay:1000", topic: "orders")
      {:ok, reader} = Reader.open(client, "orders", starting_message: :earliest)
      reading = Task.async(fn -> Reader.read_to_end(reader) end)
      Process.sleep(100)
      killed = spawn(fn -> Reader.receive(reader) end)
      Process.sleep(100)
      Process.exit(killed, :kill)
      assert {:ok, messages} = Task.await(reading)
      assert Enum.map(messages, & &1.payload) == ["a", "b", "c"]
    end

    test "returns what it has read with the reason of a failure", %{client: client, mock: mock} do
      # A reader that gets "a", but never "b".
      open = fn topic ->
        MockBroker.publish(mock, topic, "a")
        {:ok, reader} = Reader.open(client, topic, starting_message: :earliest)
        MockBroker.wait(mock, "receive", 1, topic: topic)
        MockBroker.fault(mock, "receive", "stall", topic: topic)
        MockBroker.publish(mock, topic, "b")
        reader
      end

      reader = open.("times-out")
      assert {:timeout, [%Message{payload: "a"}]} = Reader.read_to_end(reader, 200)
      MockBroker.fault(mock, "http", "delay:500")
      assert {:error, %Error{kind: :timeout}, []} = Reader.read_to_end(reader, 50)

      reader = open.("fails")
      reading = Task.async(fn -> Reader.read_to_end(reader) end)
      Process.sleep(100)
      MockBroker.fault(mock, "connect", "http:403", topic: "fails")
      MockBroker.drop_connections(mock, "fails")
      assert {:error, %Error{kind: :authorization}, [%Message{payload: "a"}]} = Task.await(reading)
    end
  end

  test "several topics, a pattern, states, stats and connections", %{client: client, mock: mock} do
    for topic <- ["a-1", "a-2"], do: MockBroker.create_subscription(mock, topic, "s")
    {:ok, both} = Consumer.open(client, ["a-1", "a-2"], "s", on_state: {self(), :mine})
    assert_receive {:mine, %Stargate.StateChange{state: :connecting}}
    assert_receive {:mine, %Stargate.StateChange{state: :connected, error: nil, host: "127.0.0.1:" <> _}}
    for topic <- ["a-1", "a-2"], do: MockBroker.publish(mock, topic, topic)
    payloads = for _ <- 1..2, do: both |> Consumer.receive(5_000) |> elem(1) |> Map.get(:payload)
    assert Enum.sort(payloads) == ["a-1", "a-2"]
    assert {:ok, %{"received" => 2}} = Consumer.stats(both)
    assert {:ok, %{"received" => 2}} = Client.stats(client)
    assert Consumer.connected?(both)
    assert :ok = Consumer.wait_connected(both, 1_000)
    :ok = Consumer.close(both)
    refute Consumer.connected?(both)

    {:ok, all} = Consumer.open(client, {:pattern, "persistent://public/default/a-.*"}, "p", timeout: 5_000)
    MockBroker.publish(mock, "a-2", "matched")
    assert {:ok, %Message{payload: "matched"}} = Consumer.receive(all, 5_000)
    assert inspect(all) =~ "#Stargate.Consumer<"
  end

  test "a lazy producer opens while the broker is down", %{client: client, mock: mock} do
    MockBroker.down(mock)

    assert {:error, %Error{kind: :connect, retriable: true}} =
             Producer.open(client, "orders", connect_timeout: 500)

    {:ok, producer} = Producer.open(client, "orders", lazy: true)
    refute Producer.connected?(producer)
    assert {:error, %Error{kind: :timeout}} = Producer.wait_connected(producer, 50)
    sent = Task.async(fn -> Producer.send(producer, "x") end)
    MockBroker.up(mock)
    assert {:ok, _id} = Task.await(sent)
  end

  test "functions for tokens, headers and logs", %{mock: _} do
    {:ok, mock} = MockBroker.start(token: "secret")
    test = self()

    token = fn ->
      send(test, :asked)
      "secret"
    end

    {:ok, client} = Client.new(mock.url, auth_token: token, headers: fn -> [{"X-Key", "value"}] end)
    assert {:ok, _} = Producer.open(client, "orders")
    assert_received :asked

    for token <- [fn -> raise "no vault" end, fn -> nil end, fn -> Process.exit(self(), :kill) end] do
      {:ok, client} = Client.new(mock.url, auth_token: token, connect_timeout: 1_000)
      assert {:error, %Error{}} = Producer.open(client, "orders")
    end

    assert {:error, %Error{kind: :authorization}} =
             with(
               {:ok, mock} <- MockBroker.start(token: "a", forbidden_token: "b"),
               {:ok, client} <- Client.new(mock.url, auth_token: "b"),
               do: Producer.open(client, "orders")
             )
  end

  test "mistakes in options are named" do
    assert {:error, %Error{kind: :invalid_argument, message: text}} = Client.new("nonsense")
    assert text =~ "nonsense"
    assert {:error, %Error{kind: :invalid_argument}} = Client.new("ws://localhost:8080", ping_interval: -1)
    assert_raise ArgumentError, ~r/on_state/, fn -> Client.new("ws://localhost:8080", on_state: :me) end

    assert_raise ArgumentError, ~r/ordering: there is no key/, fn ->
      Client.new("ws://localhost:8080", ordering: :key)
    end

    assert_raise ArgumentError, ~r/processors: an option of listen/, fn ->
      Client.new("ws://localhost:8080", processors: 2)
    end

    assert_raise ArgumentError, ~r/log_level/, fn -> Client.new("ws://localhost:8080", log_level: :loud) end

    assert_raise ArgumentError, ~r/option auth_token/, fn ->
      Client.new("ws://localhost:8080", auth_token: {1})
    end

    assert Enum.any?(Stargate.Options.describe(), &(&1["key"] == "queue_size"))
  end
end
