defmodule Stargate.ReceiverTest do
  # Handlers: outcomes, failures, backpressure, stopping, and permanent errors.
  use Stargate.Test.Broker, async: true

  defp consume(mock, handler, more \\ []) do
    component = [
      tenant: "public",
      namespace: "default",
      topic: "orders",
      subscription: "s",
      handler: handler,
      handler_init_args: self(),
      query_params: %{subscription_type: :shared, negative_ack_delay: 50, enable_retry: true}
    ]

    component =
      Keyword.merge(component, more, fn key, a, b -> if key == :query_params, do: Map.merge(a, b), else: b end)

    start_supervised!(
      {Stargate.Supervisor,
       name: :receivers, host: host(mock), backoff_min: 10, backoff_max: 20, consumer: component}
    )
  end

  for failure <- ~w(raise throw exit nonsense linked kill nack) do
    test "a handler that fails by #{failure} costs its message, which is redelivered", %{mock: mock} do
      consume(mock, MyApp.Outcomes)
      payloads = ["a", unquote(failure), "b"]
      for payload <- payloads, do: MockBroker.publish(mock, "orders", payload)
      handled = for _ <- 1..4, do: assert_receive({:handled, _, _, _})
      # What a killed process had taken and not begun is redelivered with its message.
      assert handled |> Enum.map(&elem(&1, 2)) |> Enum.sort() == Enum.sort([unquote(failure) | payloads])
      assert [0, 1] = for({:handled, _, unquote(failure), count} <- handled, do: count) |> Enum.sort()
      eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "orders", "s") end)
      refute_received {:handled, _, _, _}
    end
  end

  test "an outcome for later goes through the retry letter topic", %{mock: mock} do
    consume(mock, MyApp.Outcomes)
    MockBroker.publish(mock, "orders", "later")
    assert_receive {:handled, _, "later", 0}
    assert_receive {:handled, _, "later", 0}
    eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "orders", "s") end)
  end

  test "a poison message that kills its processor each time leaves the others and the node alone", context do
    %{mock: mock} = context

    defmodule Poison do
      use Stargate.Receiver.MessageHandler
      @impl true
      def init(pid), do: {:ok, pid}
      @impl true
      def handle_message(%{payload: "poison"}, _pid), do: Process.exit(self(), :kill)

      def handle_message(%{payload: payload}, pid) do
        send(pid, {:handled, payload})
        {:ack, pid}
      end
    end

    supervisor = consume(mock, Poison, query_params: %{negative_ack_delay: 5})
    MockBroker.publish(mock, "orders", "poison")
    for number <- 1..50, do: MockBroker.publish(mock, "orders", "#{number}")
    for _ <- 1..50, do: assert_receive({:handled, _payload})
    # With enable_retry it is a dead letter after 16 times.
    eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "orders", "s") end)
    assert {:ok, [%{"payload" => "poison"}]} = MockBroker.messages(mock, "orders-s-DLQ")
    assert Process.alive?(supervisor)
  end

  test "slow handlers share the work", %{mock: mock} do
    defmodule Slow do
      use Stargate.Receiver.MessageHandler
      @impl true
      def handle_message(_message, pid) do
        send(pid, {:begun, self()})
        Process.sleep(100)
        {:ack, pid}
      end
    end

    # They wait already, so one process could take them all.
    MockBroker.create_subscription(mock, "orders", "s", :earliest)
    for _ <- 1..10, do: MockBroker.publish(mock, "orders", "x")

    {time, _} =
      :timer.tc(fn ->
        consume(mock, Slow, query_params: %{processors: 5})
        for _ <- 1..10, do: assert_receive({:begun, _})
        eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "orders", "s") end)
      end)

    assert time < 900_000
  end

  test "what is left for later is neither acknowledged nor refused, even if nothing refers to it", %{
    mock: mock
  } do
    defmodule Later do
      use Stargate.Receiver.MessageHandler
      @impl true
      def handle_message(message, pid) do
        send(pid, {:handled, message.message_id})
        :erlang.garbage_collect()
        {:continue, pid}
      end
    end

    consume(mock, Later, query_params: %{negative_ack_delay: 10})
    for number <- 1..5, do: MockBroker.publish(mock, "orders", "#{number}")
    ids = for _ <- 1..5, do: assert_receive({:handled, _}) |> elem(1)
    refute_receive {:handled, _}, 300
    receiver = Stargate.registry_key("public", "default", "orders", name: :receivers, component: :consumer)
    assert :ok = Stargate.Receiver.nack(receiver, hd(ids))
    assert_receive {:handled, _}
    for id <- ids, do: :ok = Stargate.Receiver.ack(receiver, id)
    eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "orders", "s") end)
    assert :ok = Stargate.Receiver.pull_permit(receiver, 1)
  end

  test "a stop lets the handler finish its message, and gives back the others", %{mock: mock} do
    defmodule Finishing do
      use Stargate.Receiver.MessageHandler
      @impl true
      def handle_message(message, pid) do
        send(pid, {:begun, message.payload})
        Process.sleep(200)
        send(pid, {:done, message.payload})
        {:ack, pid}
      end
    end

    consume(mock, Finishing)
    for number <- 1..3, do: MockBroker.publish(mock, "orders", "#{number}")
    assert_receive {:begun, "1"}
    stop_supervised!({Stargate.Supervisor, :receivers})
    assert_received {:done, "1"}
    refute_received {:begun, "2"}
    assert {:ok, 2} = MockBroker.backlog(mock, "orders", "s")
    eventually(0, fn -> MockBroker.connections(mock) end)
  end

  test "an outage costs nothing", %{mock: mock} do
    consume(mock, MyApp.Outcomes, processors: 2)
    for number <- 1..50, do: MockBroker.publish(mock, "orders", "a#{number}")
    MockBroker.down(mock)
    for number <- 1..50, do: MockBroker.publish(mock, "orders", "b#{number}")
    MockBroker.up(mock)
    wanted = for prefix <- ["a", "b"], number <- 1..50, do: "#{prefix}#{number}"
    assert handled_until(MapSet.new(wanted), MapSet.new()) == MapSet.new(wanted)
    eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "orders", "s") end)
  end

  defp handled_until(wanted, seen) do
    if MapSet.subset?(wanted, seen) do
      seen
    else
      receive do
        {:handled, _, payload, _} -> handled_until(wanted, MapSet.put(seen, payload))
      after
        5_000 -> seen
      end
    end
  end

  test "what a permanent error ended is opened again", %{mock: mock} do
    consume(mock, MyApp.Outcomes, on_state: self())

    assert_receive {:stargate_state,
                    %Stargate.StateChange{state: :connected, topic: "persistent://public/default/orders"}}

    MockBroker.fault(mock, "connect", "http:403", topic: "orders", count: 1)
    MockBroker.drop_connections(mock, "orders")

    assert_receive {:stargate_state,
                    %Stargate.StateChange{state: :failed, error: %Error{kind: :authorization}}}

    MockBroker.publish(mock, "orders", "after")
    assert_receive {:handled, _, "after", _}, 5_000
    receiver = Stargate.registry_key("public", "default", "orders", name: :receivers, component: :consumer)
    assert %Consumer{} = Stargate.handle(receiver)
  end

  test "what a handler leaves in its mailbox is dropped, and a processor answers sys", %{mock: mock} do
    defmodule Leaving do
      use Stargate.Receiver.MessageHandler
      @impl true
      def handle_message(message, pid) do
        :done = Task.await(Task.async(fn -> :done end))
        send(self(), {make_ref(), {:ok, "a result of send_async"}})
        send(pid, {:handled, self(), message.payload})
        {:ack, pid}
      end
    end

    consume(mock, Leaving)
    for number <- 1..100, do: MockBroker.publish(mock, "orders", "#{number}")
    for _ <- 1..100, do: assert_receive({:handled, _, _})
    MockBroker.publish(mock, "orders", "last")
    assert_receive {:handled, processor, "last"}
    eventually({:message_queue_len, 0}, fn -> Process.info(processor, :message_queue_len) end)

    test = self()
    assert {%{state: ^test}, _tag} = :sys.get_state(processor, 1_000)
    :ok = :sys.suspend(processor)
    MockBroker.publish(mock, "orders", "after")
    refute_receive {:handled, _, _}, 50
    :ok = :sys.resume(processor)
    assert_receive {:handled, ^processor, "after"}
    stop_supervised!({Stargate.Supervisor, :receivers})
    refute Process.alive?(processor)
  end

  test "a handler that cannot begin fails the start", %{mock: mock} do
    defmodule Unable do
      use Stargate.Receiver.MessageHandler
      @impl true
      def init(_), do: raise("no database")
    end

    Process.flag(:trap_exit, true)
    component = [tenant: "public", namespace: "default", topic: "orders", subscription: "s", handler: Unable]

    assert {:error, reason} =
             Stargate.Supervisor.start_link(name: :unable, host: host(mock), consumer: component)

    assert inspect(reason) =~ "no database"
    eventually(0, fn -> MockBroker.connections(mock) end)
  end

  test "what is missing or wrong is named", %{mock: mock} do
    place = [tenant: "public", namespace: "default", topic: "orders"]

    for {opts, text} <- [
          {[consumer: place ++ [handler: MyApp.Defaults]], "consumer: subscription is missing"},
          {[consumer: place ++ [subscription: "s"]], "consumer: handler is missing"},
          {[reader: place], "reader: handler is missing"},
          {[reader: place ++ [handler: MyApp.Defaults, processors: 0]],
           "processors: expected a number from 1, got 0"},
          {[producer: [tenant: "public", topic: "orders"]], "producer: namespace is missing"}
        ] do
      assert_raise ArgumentError, text, fn -> Stargate.Supervisor.start_link([host: host(mock)] ++ opts) end
    end

    assert_raise ArgumentError, ~r/host is missing/, fn -> Stargate.Supervisor.start_link(producer: place) end

    assert {:error, %Error{kind: :invalid_argument, message: text}} =
             Stargate.Supervisor.start_link(host: host(mock), ping_intervall: 3, producer: place)

    assert text =~ ~s(the nearest is "ping_interval")
    Process.flag(:trap_exit, true)
    params = %{query_params: %{subscription_tpye: :shared}}
    component = place ++ [subscription: "s", handler: MyApp.Defaults] ++ Map.to_list(params)
    assert {:error, reason} = Stargate.Supervisor.start_link(host: host(mock), consumer: component)
    assert inspect(reason) =~ "subscription_type"
  end
end
