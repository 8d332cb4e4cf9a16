defmodule Stargate.OriginalTest do
  # The README of the Elixir library Stargate 0.1, line by line: every function, option, return value and shape.
  use Stargate.Test.Broker

  @moduletag :original

  setup %{mock: mock} do
    Process.register(self(), :publicizer)
    %{host: host(mock)}
  end

  # Calls Stargate.Supervisor.start_link(opts), in the supervision tree of the test.
  defp start(opts), do: start_supervised!({Stargate.Supervisor, opts})

  def stored(to, what), do: send(to, {:stored, what, self()})

  describe "Locating Processes" do
    test "registry_key" do
      assert Stargate.registry_key("foo", "bar", "baz") ==
               {:via, Registry, {:sg_reg_default, {:producer, "persistent", "foo", "bar", "baz"}}}

      custom = [name: :custom, persistence: "non-persistent", component: :consumer]
      key = {:via, Registry, {:sg_reg_custom, {:consumer, "non-persistent", "foo", "bar", "baz"}}}
      # The page calls it registry once.
      assert Stargate.registry("foo", "bar", "baz", custom) == key
      assert Stargate.registry_key("foo", "bar", "baz", custom) == key

      assert Stargate.registry_key("foo", "bar", "baz", registry: :mine, component: :reader) ==
               {:via, Registry, {:mine, {:reader, "persistent", "foo", "bar", "baz"}}}
    end

    test "the names of the supervisor, the registry and the processes", %{host: host} do
      producer = [tenant: "public", namespace: "default", topic: "foo"]
      pid = start(host: host, producer: producer)
      assert Process.whereis(:sg_sup_default) == pid
      assert is_pid(Process.whereis(:sg_reg_default))
      key = {:producer, "persistent", "public", "default", "foo"}
      assert [{process, _}] = Registry.lookup(:sg_reg_default, key)
      assert GenServer.whereis(Stargate.registry_key("public", "default", "foo")) == process
      assert Stargate.produce(process, "by its pid") == :ok
    end
  end

  describe "Produce" do
    test "ad hoc: a payload, a key and payload, a map, and lists of them", %{mock: mock} do
      for persistence <- ["persistent", "non-persistent"] do
        url = "#{mock.url}/ws/v2/producer/#{persistence}/public/default/adhoc"
        assert Stargate.produce(url, "payload only") == :ok
        assert Stargate.produce(url, ["first", {"key", "second"}]) == :ok
        assert Stargate.produce(url, %{"payload" => "third"}) == :ok
        assert Stargate.produce(url, [%{"payload" => "fourth", "context" => "mine"}]) == :ok
      end

      assert {:ok, messages} = MockBroker.messages(mock, "adhoc")
      assert Enum.map(messages, & &1["payload"]) == ["payload only", "first", "second", "third", "fourth"]
      assert Enum.map(messages, & &1["key"]) == [nil, nil, "key", nil, nil]
      # Stargate cleans up once the produce has completed.
      eventually(0, fn -> MockBroker.connections(mock) end)
    end

    test "ad hoc: many at a time, an MFA, and errors", %{mock: mock} do
      url = "#{mock.url}/ws/v2/producer/persistent/public/default/adhoc"
      tasks = for number <- 1..8, do: Task.async(fn -> Stargate.produce(url, "#{number}") end)
      assert Enum.map(tasks, &Task.await/1) == List.duplicate(:ok, 8)

      assert Stargate.produce(url, ["a", "b"], {__MODULE__, :stored, [self(), :adhoc]}) == :ok
      assert_receive {:stored, :adhoc, _}
      assert_receive {:stored, :adhoc, _}

      assert {:error, %Error{kind: :invalid_argument, message: text}} =
               Stargate.produce("ws://host:8080/orders", "x")

      assert text =~ "its path has no /ws/v2/producer/"
      missing = "#{mock.url}/ws/v2/producer/persistent/public/missing/adhoc"
      assert {:error, %Error{kind: :not_found}} = Stargate.produce(missing, "x")
      MockBroker.fault(mock, "send", "send-error:8:no room", topic: "adhoc")
      assert {:error, %Error{kind: :broker, broker_text: "no room"}} = Stargate.produce(url, ["x", "y"])
      eventually(0, fn -> MockBroker.connections(mock) end)
    end

    test "a supervised producer with every option", %{mock: mock, host: host} do
      opts = [
        name: :my_producer,
        host: host,
        protocol: "ws",
        producer: [
          persistence: "persistent",
          tenant: "public",
          namespace: "default",
          topic: "foo",
          query_params: %{
            name: "summer",
            send_timeout: 30_000,
            batch_enabled: true,
            batch_max_msg: 1_000,
            max_pending_msg: 1_000,
            batch_max_delay: 25,
            routing_mode: :round_robin,
            compression_type: :lz4,
            producer_name: "myapp-producer",
            initial_seq_id: 100,
            hashing_scheme: :murmur3
          }
        ]
      ]

      start(opts)
      producer = Stargate.registry_key("public", "default", "foo", name: :my_producer)
      assert Stargate.produce(producer, "hello") == :ok

      assert Stargate.produce(producer, [{"key", "world"}, %{"payload" => "!", "properties" => %{"a" => "b"}}]) ==
               :ok

      assert {:ok, [first, second, third]} = MockBroker.messages(mock, "foo")
      assert {first["payload"], first["producer_name"]} == {"hello", "summer"}
      assert {second["payload"], second["key"]} == {"world", "key"}
      assert {third["payload"], third["properties"]} == {"!", %{"a" => "b"}}

      {:ok, requests} = MockBroker.requests(mock)
      assert Enum.any?(requests, &(&1["op"] == "connect" and &1["role"] == "producer"))
    end

    test "the other values of the options", %{host: host} do
      for params <- [
            %{routing_mode: :single, compression_type: :zlib, hashing_scheme: :java_string},
            %{producer_name: "myapp-producer"}
          ] do
        name = unique_name()
        component = [tenant: "public", namespace: "default", topic: "values", query_params: params]
        start(name: name, host: host, producer: component)
        assert Stargate.produce(Stargate.registry_key("public", "default", "values", name: name), "x") == :ok
        stop_supervised!({Stargate.Supervisor, name})
      end
    end

    test "produce/2 blocks until the receipt, produce/3 calls the MFA upon it", %{mock: mock, host: host} do
      start(host: host, producer: [tenant: "public", namespace: "default", topic: "foo"])
      producer = Stargate.registry_key("public", "default", "foo")

      MockBroker.fault(mock, "send", "no-receipt", topic: "foo")
      blocked = Task.async(fn -> Stargate.produce(producer, "blocks") end)
      :ok = MockBroker.wait(mock, "send", 1, topic: "foo")
      assert Task.yield(blocked, 50) == nil
      # It is sent again, and this time there is a receipt.
      MockBroker.drop_connections(mock, "foo")
      assert Task.await(blocked) == :ok

      MockBroker.fault(mock, "send", "no-receipt", topic: "foo")
      assert Stargate.produce(producer, "later", {__MODULE__, :stored, [self(), 1]}) == :ok
      refute_receive {:stored, 1, _}, 50
      MockBroker.drop_connections(mock, "foo")
      assert_receive {:stored, 1, process}
      assert process != self()

      # Once for each message of a list; a function that fails, or is slow, costs only itself.
      assert Stargate.produce(producer, "x", {Kernel, :exit, [:oops]}) == :ok
      assert Stargate.produce(producer, ["a", {"k", "b"}], {__MODULE__, :stored, [self(), 2]}) == :ok
      assert_receive {:stored, 2, ^process}
      assert_receive {:stored, 2, ^process}

      # Upon a failure it is not called.
      MockBroker.fault(mock, "send", "send-error:8:no room", topic: "foo")
      assert Stargate.produce(producer, "refused", {__MODULE__, :stored, [self(), 3]}) == :ok
      assert Stargate.produce(producer, "after it", {__MODULE__, :stored, [self(), 4]}) == :ok
      assert_receive {:stored, 4, _}
      refute_received {:stored, 3, _}

      MockBroker.fault(mock, "send", "send-error:8:no room", topic: "foo")
      assert {:error, %Error{kind: :broker}} = Stargate.produce(producer, "refused")
      MockBroker.fault(mock, "send", "send-error:8:no room", topic: "foo")
      assert {:error, %Error{kind: :broker}} = Stargate.produce(producer, ["refused", "stored"])
    end

    test "messages with the same context, and everything that can be sent", %{mock: mock, host: host} do
      start(host: host, producer: [tenant: "public", namespace: "default", topic: "foo"])
      producer = Stargate.registry_key("public", "default", "foo")
      same = for number <- 1..20, do: %{"payload" => "#{number}", "context" => "the same"}
      tasks = Enum.map(same, &Task.async(fn -> Stargate.produce(producer, &1) end))
      assert Enum.map(tasks, &Task.await/1) == List.duplicate(:ok, 20)
      assert Stargate.produce(producer, same) == :ok

      for payload <- ["", <<0, 255, 1>>, String.duplicate("x", 100_000)] do
        assert Stargate.produce(producer, payload) == :ok
        assert payload == mock |> MockBroker.messages("foo") |> elem(1) |> List.last() |> Map.get("payload")
      end

      assert Stargate.produce(producer, []) == :ok
      assert_raise ArgumentError, ~r/42 is not a message/, fn -> Stargate.produce(producer, 42) end

      assert_raise ArgumentError, ~r/payload: expected a binary/, fn ->
        Stargate.produce(producer, %{"key" => "k"})
      end

      assert_raise ArgumentError, ~r/has no "paylaod"/, fn ->
        Stargate.produce(producer, %{"paylaod" => "x"})
      end
    end
  end

  describe "Receive" do
    test "a reader with every option", %{mock: mock, host: host} do
      opts = fn starting_message ->
        [
          name: :my_reader,
          host: host,
          protocol: "ws",
          reader: [
            persistence: "persistent",
            tenant: "public",
            namespace: "default",
            topic: "foo",
            processors: 3,
            handler: MyApp.Reader.Handler,
            handler_init_args: [to: self()],
            query_params: %{queue_size: 1_000, name: "morty", starting_message: starting_message}
          ]
        ]
      end

      ids = for number <- 1..20, do: mock |> MockBroker.publish("foo", "#{number}") |> elem(1)
      all = Enum.map(1..20, &"#{&1}")

      for {starting_message, expected} <- [
            {:earliest, all},
            {:latest, []},
            {Enum.at(ids, 14), Enum.drop(all, 15)}
          ] do
        start(opts.(starting_message))
        {:ok, stored} = MockBroker.messages(mock, "foo")
        expected = expected ++ Enum.map(Enum.drop(stored, 20), & &1["payload"]) ++ ["new"]
        expected = if starting_message == :latest, do: ["new"], else: expected
        MockBroker.publish(mock, "foo", "new")
        payloads = for _ <- expected, do: assert_receive({:handled, _, _, _}) |> elem(2) |> Map.get(:payload)
        assert Enum.sort(payloads) == Enum.sort(expected)
        reader = Stargate.registry_key("public", "default", "foo", name: :my_reader, component: :reader)
        assert is_pid(GenServer.whereis(reader))
        assert Stargate.Receiver.ack(reader, Enum.at(ids, 0)) == :ok
        assert Stargate.Receiver.nack(reader, Enum.at(ids, 0)) == :ok
        wrong = ~r/produce: expected a producer, got #Stargate.Reader</

        for message <- ["x", ["x"]],
            do: assert_raise(ArgumentError, wrong, fn -> Stargate.produce(reader, message) end)

        assert_raise ArgumentError, wrong, fn -> Stargate.produce(reader, "x", {Kernel, :self, []}) end
        stop_supervised!({Stargate.Supervisor, :my_reader})
        refute_received {:handled, _, _, _}
      end
    end

    test "a consumer with every option", %{mock: mock, host: host} do
      opts = [
        name: :my_consumer,
        host: host,
        protocol: "ws",
        consumer: [
          persistence: "persistent",
          tenant: "public",
          namespace: "default",
          topic: "foo",
          subscription: "my-app",
          processors: 3,
          handler: MyApp.Reader.Handler,
          handler_init_args: [to: self()],
          query_params: %{
            subscription_type: :shared,
            ack_timeout: 100,
            queue_size: 1_000,
            name: "rick",
            priority: 10,
            max_redeliver_count: 10,
            dead_letter_topic: "ricks-dlq",
            pull_mode: true
          }
        ]
      ]

      start(opts)
      for number <- 1..60, do: MockBroker.publish(mock, "foo", "#{number}")
      handled = for _ <- 1..60, do: assert_receive({:handled, _, _, _})
      assert handled |> Enum.map(&elem(&1, 1)) |> Enum.uniq() |> length() <= 3
      payloads = Enum.map(handled, &elem(&1, 2).payload)
      assert Enum.sort(payloads) == 1..60 |> Enum.map(&"#{&1}") |> Enum.sort()
      # Each processor counts its own messages.
      assert handled
             |> Enum.group_by(&elem(&1, 1), &elem(&1, 3))
             |> Enum.all?(fn {_, seen} -> seen == Enum.to_list(1..length(seen)) end)

      eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "foo", "my-app") end)
    end

    test "the subscription types, and the defaults of use", %{mock: mock, host: host} do
      for type <- [:exclusive, :failover, :shared, :key_shared] do
        component = [
          tenant: "public",
          namespace: "default",
          topic: "types-#{type}",
          subscription: "s",
          handler: MyApp.Defaults,
          query_params: %{subscription_type: type}
        ]

        start(name: unique_name(), host: host, consumer: component)
        MockBroker.publish(mock, "types-#{type}", "x")
        MockBroker.wait(mock, "ack", 1, topic: "types-#{type}")
        eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "types-#{type}", "s") end)
      end

      assert MyApp.Defaults.init(:anything) == {:ok, :anything}
      assert MyApp.Defaults.handle_message(%Stargate.Message{}) == :ack
      assert MyApp.Defaults.handle_message(%Stargate.Message{}, :state) == {:ack, :state}
      assert Publicizer.MessageHandler.handle_message(%Stargate.Message{}, :state) == {:ack, :state}
    end

    test "handlers that implement the behaviour without use", %{mock: mock, host: host} do
      place = [tenant: "public", namespace: "default", topic: "foo"]
      with_state = [subscription: "a", handler: MyApp.WithState, handler_init_args: [to: self()]]
      without = [subscription: "b", handler: MyApp.WithoutState]
      for given <- [with_state, without], do: start(name: unique_name(), host: host, consumer: place ++ given)
      MockBroker.publish(mock, "foo", "x")
      assert_receive {:with_state, "x"}
      assert_receive {:without_state, "x"}

      for subscription <- ["a", "b"],
          do: eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "foo", subscription) end)

      Process.flag(:trap_exit, true)
      nothing = [host: host, consumer: place ++ [subscription: "c", handler: String]]
      assert {:error, reason} = Stargate.Supervisor.start_link(nothing)
      assert inspect(reason, limit: :infinity) =~ "String has neither handle_message/1 nor handle_message/2"
    end

    test "everything that a message holds", %{mock: mock, host: host} do
      component = [
        tenant: "public",
        namespace: "default",
        topic: "foo",
        subscription: "s",
        handler: Publicizer.MessageHandler
      ]

      start(host: host, consumer: component)
      now = DateTime.utc_now()
      properties = %{"size" => "L", "colour" => "grün"}

      {:ok, id} =
        MockBroker.publish(mock, "foo", %{payload: <<0, 1, 255>>, key: "table 7", properties: properties})

      assert_receive {:feature, %Stargate.Message{} = message}
      assert %{topic: "foo", namespace: "default", tenant: "public", persistence: "persistent"} = message
      assert %{payload: <<0, 1, 255>>, key: "table 7", properties: ^properties} = message
      assert MessageId.compare(message.message_id, id) == :eq
      assert %DateTime{time_zone: "Etc/UTC"} = message.publish_time
      assert abs(DateTime.diff(message.publish_time, now, :millisecond)) < 5_000
      {:ok, [stored]} = MockBroker.messages(mock, "foo")
      assert DateTime.to_unix(message.publish_time, :millisecond) == stored["publish_time_ms"]
    end

    test ":continue leaves the acknowledgement to the application, and bounds what is delivered", context do
      %{mock: mock, host: host} = context

      component = [
        tenant: "public",
        namespace: "default",
        topic: "foo",
        subscription: "s",
        handler: MyApp.Continue,
        handler_init_args: self(),
        query_params: %{queue_size: 5}
      ]

      start(host: host, consumer: component)
      for number <- 1..12, do: MockBroker.publish(mock, "foo", "#{number}")
      messages = for _ <- 1..5, do: assert_receive({:handled, %Stargate.Message{}}) |> elem(1)
      assert Enum.map(messages, & &1.payload) == ~w(1 2 3 4 5)
      refute_receive {:handled, _}, 200

      receiver = Stargate.registry_key("public", "default", "foo", component: :consumer)
      {by_message, by_id} = Enum.split(messages, 2)
      for message <- by_message, do: assert(Stargate.Receiver.ack(receiver, message) == :ok)
      for message <- by_id, do: assert(Stargate.Receiver.ack(receiver, message.message_id) == :ok)
      payloads = for _ <- 1..5, do: assert_receive({:handled, _}) |> elem(1) |> Map.get(:payload)
      assert payloads == ~w(6 7 8 9 10)
      refute_receive {:handled, _}, 200
      eventually({:ok, 7}, fn -> MockBroker.backlog(mock, "foo", "s") end)
    end
  end

  describe "Producing AND Receiving" do
    test "in one supervisor", %{mock: mock, host: host} do
      MockBroker.create_namespace(mock, "marketing/public")
      MockBroker.create_namespace(mock, "internal/research")

      options = [
        name: :pulsar_app,
        host: host,
        producer: [
          persistence: "non-persistent",
          tenant: "marketing",
          namespace: "public",
          topic: "new-stuff"
        ],
        consumer: [
          tenant: "internal",
          namespace: "research",
          topic: "ready-to-release",
          subscription: "rss-feed",
          handler: Publicizer.MessageHandler
        ]
      ]

      start(options)
      MockBroker.publish(mock, "persistent://internal/research/ready-to-release", "feature")

      assert_receive {:feature,
                      %{
                        payload: "feature",
                        tenant: "internal",
                        namespace: "research",
                        topic: "ready-to-release"
                      }}

      producer =
        Stargate.registry_key("marketing", "public", "new-stuff",
          name: :pulsar_app,
          persistence: "non-persistent"
        )

      assert Stargate.produce(producer, "advertisement") == :ok
    end

    test "and reading, several of each", %{mock: mock, host: host} do
      place = [tenant: "public", namespace: "default", topic: "foo"]

      start(
        host: host,
        producer: [place, [tenant: "public", namespace: "default", topic: "bar"]],
        consumer: place ++ [subscription: "s", handler: Publicizer.MessageHandler],
        reader: place ++ [handler: MyApp.Reader.Handler, handler_init_args: [to: self()]]
      )

      assert Stargate.produce(Stargate.registry_key("public", "default", "foo"), "x") == :ok
      assert Stargate.produce(Stargate.registry_key("public", "default", "bar"), "y") == :ok
      assert_receive {:feature, %{payload: "x"}}
      assert_receive {:handled, _, %{payload: "x"}, 1}
      eventually({:ok, 0}, fn -> MockBroker.backlog(mock, "foo", "s") end)
    end
  end

  describe "Security" do
    @keys Path.expand("../../../tests/keys", __DIR__)

    test "auth_token, in the options of the component and of the supervisor" do
      {:ok, mock} = MockBroker.start(token: "some-jwt-token-string")
      component = [tenant: "public", namespace: "default", topic: "foo"]
      key = Stargate.registry_key("public", "default", "foo")

      start(host: host(mock), producer: component ++ [auth_token: "some-jwt-token-string"])
      assert Stargate.produce(key, "x") == :ok
      stop_supervised!({Stargate.Supervisor, :default})

      start(host: host(mock), auth_token: "some-jwt-token-string", producer: component)
      assert Stargate.produce(key, "x") == :ok
      stop_supervised!({Stargate.Supervisor, :default})

      Process.flag(:trap_exit, true)
      assert {:error, reason} = Stargate.Supervisor.start_link(host: host(mock), producer: component)
      assert inspect(reason) =~ "kind: :authentication"
    end

    test "wss:// with ssl_options, in the options of the component and of the supervisor" do
      tls = &Path.join([@keys, "tls", &1])

      {:ok, mock} =
        MockBroker.start(
          tls_cert_file: tls.("server.pem"),
          tls_key_file: tls.("server.key.pem"),
          tls_client_ca_file: tls.("ca.pem")
        )

      %URI{port: port} = URI.parse(mock.url)
      component = [tenant: "public", namespace: "default", topic: "foo"]
      key = Stargate.registry_key("public", "default", "foo")

      ssl_options = [
        cacertfile: tls.("ca.pem"),
        certfile: tls.("client.pem"),
        keyfile: tls.("client.key.pem")
      ]

      opts = [host: [localhost: port], protocol: "wss"]
      start(opts ++ [producer: component ++ [ssl_options: ssl_options]])
      assert Stargate.produce(key, "x") == :ok
      stop_supervised!({Stargate.Supervisor, :default})

      start(opts ++ [ssl_options: [verify: :verify_peer] ++ ssl_options, producer: component])
      assert Stargate.produce(key, "x") == :ok
      stop_supervised!({Stargate.Supervisor, :default})

      Process.flag(:trap_exit, true)
      assert {:error, reason} = Stargate.Supervisor.start_link(opts ++ [producer: component])
      assert inspect(reason) =~ "certificate"

      assert_raise ArgumentError, ~r/ssl_options: there is no :depth/, fn ->
        Stargate.Supervisor.start_link(opts ++ [ssl_options: [depth: 3], producer: component])
      end
    end
  end
end
