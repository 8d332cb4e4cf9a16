defmodule Stargate.SupervisorTest do
  # What a supervisor does with its options, and how components are opened again.
  use Stargate.Test.Broker, async: true

  alias Stargate.StateChange

  @place [tenant: "public", namespace: "default", topic: "orders"]

  defp start(mock, options) do
    name = unique_name()
    options = [name: name, host: host(mock), backoff_min: 10, backoff_max: 20] ++ options
    start_supervised!({Stargate.Supervisor, options})
    &Stargate.registry_key("public", "default", "orders", [name: name] ++ &1)
  end

  defp hasten(process), do: :sys.replace_state(process, &%{&1 | pause: 10})

  describe "what a permanent error ended" do
    test "is opened again once, after one pause for each attempt", %{mock: mock} do
      key = start(mock, producer: @place ++ [on_state: {self(), :state}])
      process = GenServer.whereis(key.([]))
      hasten(process)
      MockBroker.fault(mock, "connect", "http:403", topic: "orders", count: 4)
      MockBroker.drop_connections(mock, "orders")
      for _ <- 1..4, do: assert_receive({:state, %StateChange{state: :failed}})
      eventually(1_000, fn -> :sys.get_state(process).pause end)
      # Other attempts would come within a second.
      Process.sleep(1_500)
      assert {:ok, 6} = MockBroker.count(mock, "connect", "orders")
      assert MockBroker.connections(mock) == 1
      assert :ok = Stargate.produce(key.([]), "x")
      send(process, :open)
      :sys.get_state(process)
      assert {:ok, 6} = MockBroker.count(mock, "connect", "orders")
    end

    test "is opened after longer and longer pauses, with lazy, too", %{mock: mock} do
      MockBroker.fault(mock, "connect", "http:403", topic: "orders", count: :infinity)
      key = start(mock, lazy: true, producer: @place ++ [on_state: {self(), :state}])
      process = GenServer.whereis(key.([]))
      hasten(process)
      assert_receive {:state, %StateChange{state: :failed}}

      # It waits half of that.
      eventually(640, fn -> :sys.get_state(process).pause end)
      MockBroker.clear_faults(mock)
      assert_receive {:state, %StateChange{state: :connected}}
      eventually(1_000, fn -> :sys.get_state(process).pause end)
    end

    test "is opened again once when one connection of several failed", %{mock: mock} do
      MockBroker.create_partitioned(mock, "orders", 3)
      handler = [handler: MyApp.Reader.Handler, handler_init_args: [to: self()]]
      key = start(mock, reader: @place ++ handler ++ [on_state: {self(), :state}])
      hasten(GenServer.whereis(key.(component: :reader)))
      MockBroker.fault(mock, "connect", "http:403", count: 1)
      MockBroker.drop_connections(mock)
      assert_receive {:state, %StateChange{state: :failed}}
      eventually(3, fn -> MockBroker.connections(mock) end)
      Process.sleep(200)
      assert MockBroker.connections(mock) == 3
      MockBroker.publish(mock, "orders", "x")
      assert_receive {:handled, _, %{payload: "x"}, _}
    end
  end

  describe "components" do
    test "of one topic, with several subscriptions, each has a name", %{mock: mock} do
      consumer = fn subscription ->
        handler = [handler: MyApp.Reader.Handler, handler_init_args: [to: self()]]
        @place ++ [subscription: subscription] ++ handler
      end

      key = start(mock, producer: @place, consumer: Enum.map(["a", "b", "c"], consumer))
      assert :ok = Stargate.produce(key.([]), "x")
      for _ <- 1..3, do: assert_receive({:handled, _, %{payload: "x"}, 1})

      for subscription <- ["a", "b", "c"] do
        name = key.(component: :consumer, subscription: subscription)
        assert %Consumer{subscription: ^subscription} = Stargate.handle(name)
        assert %Consumer{subscription: ^subscription} = GenServer.call(name, :handle)
        eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "orders", subscription) end)
      end

      # The first has the name of the first Stargate, too; after a restart it gets its names again.
      GenServer.stop(key.(component: :consumer), :restart)

      eventually(true, fn ->
        processes =
          for more <- [[], [subscription: "a"]], do: GenServer.whereis(key.([component: :consumer] ++ more))

        match?([pid, pid] when is_pid(pid), processes)
      end)

      assert %Consumer{subscription: "a"} = Stargate.handle(key.(component: :consumer))
    end

    test "that nothing tells apart are refused", %{mock: mock} do
      consumer = @place ++ [subscription: "s", handler: MyApp.Defaults]

      for {components, name} <- [
            {[producer: [@place, @place]], ~s({:producer, "persistent", "public", "default", "orders"})},
            {[consumer: [consumer, consumer]],
             ~s({:consumer, "persistent", "public", "default", "orders", "s"})},
            {[reader: [consumer, consumer]], ~s({:reader, "persistent", "public", "default", "orders"})}
          ] do
        assert_raise ArgumentError, "there are two components with the key " <> name, fn ->
          Stargate.Supervisor.start_link([host: host(mock)] ++ components)
        end
      end
    end

    test "report their states to the process of the supervisor, or to their own, or to none", %{mock: mock} do
      topic = &Keyword.put(@place, :topic, &1)
      own = topic.("own") ++ [on_state: {self(), :own}]
      none = topic.("none") ++ [on_state: nil]
      start(mock, on_state: {self(), :all}, producer: [topic.("of-all"), own, none])
      assert_receive {:all, %StateChange{state: :connected, topic: "persistent://public/default/of-all"}}
      assert_receive {:own, %StateChange{state: :connected, topic: "persistent://public/default/own"}}
      refute_receive {_tag, %StateChange{state: :connected}}, 100

      assert_raise ArgumentError, "on_state: :me is neither pid nor {pid, tag}", fn ->
        Stargate.Supervisor.start_link(host: host(mock), on_state: :me, producer: @place)
      end
    end

    test "take options beside query_params as those in it", %{mock: mock} do
      params = [ack_timeout: 100, name: "rick", consumer_name: "morty", query_params: %{queue_size: 10}]
      start(mock, consumer: @place ++ [subscription: "s", handler: MyApp.Defaults] ++ params)
      assert MockBroker.connections(mock) == 1
    end

    test "have a server name, if they have one", %{mock: mock} do
      assert_raise ArgumentError, ~r/server_name_indication: :disable is not possible/, fn ->
        ssl_options = [server_name_indication: :disable]
        Stargate.Supervisor.start_link(host: host(mock), ssl_options: ssl_options, producer: @place)
      end
    end
  end
end
