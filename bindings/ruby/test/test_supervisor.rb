# frozen_string_literal: true

require_relative "helper"

# Supervisors: what they open, hold, open again and give up.
class TestSupervisor < BrokerTest
  OPTIONS = { subscription: "billing", initial_position: :earliest, backoff_min: 0.01 }.freeze

  def test_a_supervisor_holds_what_its_configuration_names
    seen = Thread::Queue.new
    handler = Class.new { define_method(:call) { |message| seen << message.payload } }
    supervised(
      producer: { topic: "orders", send_timeout: 5 },
      consumer: [{ topic: "orders", handler: handler, **OPTIONS }, { topic: "orders", subscription: "audit" }],
      reader: { topic: "public/default/orders", starting_message: :earliest }
    ) do |shop|
      assert_same(shop, Stargate::Supervisor.find("shop"))
      shop.producer("persistent://public/default/orders").send("one pizza")
      assert_equal("one pizza", seen.pop)
      assert_equal("one pizza", shop.consumer("orders", "audit").receive(timeout: 5).payload)
      assert_equal("one pizza", shop.reader("orders").receive(timeout: 5).payload)
      names = %w[producer consumer consumer reader]
      assert_equal(names, shop.keys.map { |key| key.component.to_s })
      assert_equal("consumer of persistent://public/default/orders on billing", shop.keys[1].to_s)
    end
    until_alone
    assert_raises(Stargate::NotFoundError) { Stargate::Supervisor.find("shop") }
  end

  def test_names_and_keys_are_unique
    supervised(consumer: { topic: "orders", subscription: "a" }) do |shop|
      assert_match(/"shop" already/, assert_raises(Stargate::BusyError) { supervised }.message)
      busy = assert_raises(Stargate::BusyError) { shop.add_consumer(topic: "orders", subscription: "a") }
      assert_match(/consumer of .*orders on a in supervisor "shop" already/, busy.message)
      assert_equal("a", shop.consumer("orders").subscription)
      shop.add_consumer(topic: "orders", subscription: "b") { nil }
      assert_match(/name the subscription/, assert_raises(Stargate::InvalidArgumentError) { shop.consumer("orders") }.message)
      assert_match(/no producer of .*orders/, assert_raises(Stargate::NotFoundError) { shop.producer("orders") }.message)
      shop.consumer("orders", "a").close
      shop.add_consumer(topic: "orders", subscription: "a")
      shop.close
      assert_raises(Stargate::ClosedError) { shop.add_reader(topic: "orders") }
    end
  end

  def test_what_cannot_be_opened_closes_the_rest
    broker.fault("connect", "http:401:no", topic: "locked")
    assert_raises(Stargate::AuthenticationError) { supervised(producer: [{ topic: "orders" }, { topic: "locked" }]) }
    assert_raises(ArgumentError) { supervised(producer: { send_timeout: 5 }) }
    until_alone
    supervised { |shop| assert_empty(shop.keys) } # the name is free
  end

  def test_a_permanent_error_restarts_a_handle_and_its_handler
    log = StringIO.new
    seen = Thread::Queue.new
    consumer = { topic: "orders", handler: ->(message) { seen << message.payload }, **OPTIONS }
    capture_io do
      supervised(consumer: consumer, producer: { topic: "orders" }, logger: Logger.new(log)) do |shop|
        before = shop.consumer("orders")
        broker.fault("connect", "http:401:revoked", topic: "orders", count: 2) # for each of the two
        broker.drop_connections("orders")
        Timeout.timeout(10) { sleep(0.01) while same?(shop, before) || broker.faults_left.positive? }
        client.producer("orders") { |producer| producer.send("again") }
        assert_equal("again", seen.pop)
      end
    end
    assert_match(/failed: .*revoked.*was restarted/m, log.string)
  end

  def test_what_fails_too_often_is_given_up_with_its_error
    log = StringIO.new
    states = Thread::Queue.new
    producer = { topic: "orders", backoff_min: 0.01, on_state: ->(change) { states << change.state } }
    supervised(producer: producer, max_restarts: 1, logger: Logger.new(log)) do |shop|
      broker.fault("connect", "http:401:revoked", topic: "orders", count: 2)
      broker.drop_connections("orders")
      Timeout.timeout(10) { sleep(0.01) until log.string.include?("given up after 1 restarts") }
      assert_match(/revoked/, assert_raises(Stargate::AuthenticationError) { shop.producer("orders") }.message)
      shop.add_producer(topic: "orders")
      refute_nil(shop.producer("orders").send("back"))
    end
    assert_includes(Array.new(states.size) { states.pop }, :failed)
  end

  def test_a_handler_may_close_its_supervisor
    closed = Thread::Queue.new
    shop = supervised
    shop.add_consumer(topic: "orders", **OPTIONS) { closed << shop.close }
    client.producer("orders").send("a")
    assert_nil(closed.pop)
    assert_predicate(shop, :closed?)
    Timeout.timeout(10) { sleep(0.01) until broker.backlog("orders", "billing").zero? }
  end

  def test_a_handler_that_cannot_be_made_is_tried_again
    seen = Thread::Queue.new
    made = 0
    handler = Class.new do
      define_method(:initialize) { (made += 1) == 2 and raise NotImplementedError, "no database" }
      define_method(:call) { |message| seen << message.payload }
    end
    log = StringIO.new
    consumer = { topic: "orders", handler: handler, **OPTIONS }
    capture_io do
      supervised(consumer: consumer, logger: Logger.new(log)) do
        broker.fault("connect", "http:401:revoked", topic: "orders")
        broker.drop_connections("orders")
        Timeout.timeout(10) { sleep(0.01) until log.string.include?("was restarted") }
        client.producer("orders").send("again")
        assert_equal("again", popped(seen))
      end
    end
    assert_match(/revoked.*no database.*was restarted/m, log.string)
  end

  def test_a_child_has_no_supervisor_of_its_parent
    host = broker.url.delete_prefix("ws://")
    supervised(producer: { topic: "orders" }) do |shop|
      pid = fork do
        Stargate::Supervisor.find("shop")
        exit!(1)
      rescue Stargate::NotFoundError
        exit!(Stargate::Supervisor.open(name: "shop", host: host, reader: { topic: "orders" }) { |own| own.keys.size == 1 })
      end
      assert_predicate(Process.wait2(pid)[1], :success?)
      refute_nil(shop.producer("orders").send("still here"))
    end
  end

  def test_nothing_is_left_after_a_close
    threads = -> { Thread.list.count { |thread| thread.name.to_s.start_with?("stargate") } }
    before = [Stargate::Callbacks.size, threads.call]
    supervised(producer: { topic: "orders" }, consumer: { topic: "orders", handler: proc {}, **OPTIONS }) { nil }
    # Threads of clients of other tests may end meanwhile.
    Timeout.timeout(10) { sleep(0.01) until threads.call <= before[1] }
    assert_operator(Stargate::Callbacks.size, :<=, before[0])
  end

  private

  def supervised(**parts, &block)
    Stargate::Supervisor.open(name: "shop", host: broker.url.delete_prefix("ws://"), **parts, &block)
  end

  def same?(supervisor, handle)
    supervisor.consumer("orders").equal?(handle)
  rescue Stargate::AuthenticationError
    true # until it is open again
  end
end

# Sending by URL.
class TestProduce < BrokerTest
  def test_messages_are_sent_and_the_connection_ends
    states = Thread::Queue.new
    two = { payload: "two pizzas", key: "anna", properties: { "size" => "l" } }
    outcomes = Stargate.produce(url("orders"), ["one pizza", two], on_state: ->(change) { states << change.state })
    stored = broker.messages("orders")
    assert_equal(stored.map(&:message_id), outcomes)
    assert_equal([nil, "anna"], stored.map(&:key))
    assert_equal(:connecting, states.pop)
    assert_empty(Stargate.produce(url("orders"), []))
    until_alone
  end

  def test_a_failed_message_has_its_error_and_what_failed_before_is_raised
    broker.fault("send", "send-error:8:no disk", topic: "orders")
    outcomes = Stargate.produce(url("orders"), %w[a b], batch_enabled: false, send_timeout: 5)
    assert_equal([true, false], outcomes.map { |outcome| outcome.is_a?(Stargate::Error) })
    assert_raises(Stargate::InvalidArgumentError) { Stargate.produce("ws://nonsense", %w[a]) }
    assert_raises(Stargate::InvalidArgumentError) { Stargate.produce(url("orders"), %w[a], sendtimeout: 5) }
    assert_raises(TypeError) { Stargate.produce(url("orders"), [5]) }
    broker.fault("connect", "http:401:no", topic: "orders")
    assert_raises(Stargate::AuthenticationError) { Stargate.produce(url("orders"), %w[a b]) }
  end

  def test_the_call_ends_at_last
    calls = []
    Stargate::Raw.stub(:stargate_produce, ->(*arguments) { (calls << arguments[4]) && 0 }) do
      Stargate.produce(url("orders"), %w[a])
      Stargate.produce(url("orders"), %w[a], timeout: nil)
    end
    assert_equal([60_000, -1], calls)
  end

  private

  def url(topic) = "#{broker.url}/ws/v2/producer/persistent/public/default/#{topic}"
end
