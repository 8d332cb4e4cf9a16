# frozen_string_literal: true

require_relative "helper"

# Handlers: outcomes, failures, threads and order.
class TestHandlers < BrokerTest
  OPTIONS = { subscription_type: :shared, negative_ack_delay: 0.05, initial_position: :earliest }.freeze

  def test_the_value_of_a_handler_decides
    seen = Thread::Queue.new
    consumer = client.consumer("orders", "billing", enable_retry: true, **OPTIONS)
    kept = []
    consumer.listen do |message|
      seen << [message.payload, message.redelivery_count, message.reconsume_times]
      next if message.redelivery_count.positive? || message.reconsume_times.positive?

      case message.payload
      when "nack" then Stargate::NACK
      when "later" then Stargate.reconsume_later(0.05)
      when "fail" then raise "it fails once"
      when "continue" then (kept << message) && Stargate::CONTINUE
      end
    end
    _, err = capture_io do
      client.producer("orders").send_many(%w[ack nack later fail continue])
      calls = Array.new(8) { seen.pop }
      again = calls.select { |call| call[1..].sum.positive? }.sort
      assert_equal([["fail", 1, 0], ["later", 0, 1], ["nack", 1, 0]], again)
    end
    assert_match(/it fails once/, err)
    until_equal(1) { consumer.backlog }
    consumer.ack(kept)
    until_equal(0) { consumer.backlog }
  end

  def test_processors_work_side_by_side_and_a_class_gives_each_an_object
    handler = Class.new do
      @made = Thread::Queue.new
      @met = Thread::Queue.new
      class << self
        attr_reader :made, :met
      end

      def initialize = self.class.made << self

      # Returns only when four of them run.
      def call(_message)
        self.class.met << self
        sleep(0.01) while self.class.met.size < 4
      end
    end
    consumer = client.consumer("orders", "billing", processors: 4, **OPTIONS).listen(handler)
    client.producer("orders").send_many(%w[a b c d])
    until_equal(0) { consumer.backlog }
    assert_equal([4, 4], [handler.made.size, Array.new(4) { handler.met.pop }.uniq.size])
  end

  def test_the_order_of_each_key_is_kept
    seen = Thread::Queue.new
    consumer = client.consumer("orders", "billing", processors: 3, ordering: :key, **OPTIONS)
    consumer.listen do |message|
      sleep(rand / 500)
      seen << [message.key, message.payload.to_i]
    end
    client.producer("orders").send_many(Array.new(200) { |number| { payload: number.to_s, key: "k#{number % 7}" } })
    Array.new(200) { seen.pop }.group_by(&:first).each_value { |calls| assert_equal(calls.sort, calls) }
    assert_raises(Stargate::InvalidArgumentError) { client.consumer("orders", "billing", ordering: :size) }
  end

  def test_receiving_and_a_handler_exclude_each_other
    consumer = client.consumer("orders", "billing", **OPTIONS)
    consumer.listen { nil }
    assert_raises(Stargate::InvalidArgumentError) { consumer.receive }
    assert_raises(Stargate::InvalidArgumentError) { consumer.listen { nil } }
    assert_raises(ArgumentError) { client.reader("orders").listen }
  end

  def test_a_close_waits_for_the_message_at_hand_and_acknowledges_it
    started = Thread::Queue.new
    consumer = client.consumer("orders", "billing", **OPTIONS)
    consumer.listen { (started << 1) && sleep(0.2) }
    client.producer("orders").send("a")
    started.pop
    consumer.close
    assert_equal(0, broker.backlog("orders", "billing"))
    assert_same(consumer, consumer.join(timeout: 0))
  end

  ORDERINGS = [{ processors: 1 }, { processors: 2, ordering: :key }].freeze

  def test_after_a_close_no_handler_gets_a_message_that_waits
    ORDERINGS.each_with_index do |ordering, number|
      started = Thread::Queue.new
      consumer = client.consumer("orders#{number}", "billing", **ordering, **OPTIONS)
      client.producer("orders#{number}").send_many([{ payload: "a", key: "k" }] * 50)
      consumer.listen { (started << 1) && sleep(0.2) }
      started.pop
      assert_at_once { assert_nil(consumer.close) }
      assert_equal([0, 49], [started.size, broker.backlog("orders#{number}", "billing")])
    end
  end

  def test_a_handler_may_close_its_consumer_and_its_message_is_acknowledged
    ORDERINGS.each_with_index do |ordering, number|
      calls = Thread::Queue.new
      consumer = client.consumer("orders#{number}", "billing", **ordering, **OPTIONS)
      client.producer("orders#{number}").send_many([{ payload: "a", key: "k" }] * 50)
      consumer.listen do
        sleep(0.2) # the messages that follow wait
        calls << consumer.close
      end
      assert_at_once { assert_same(consumer, consumer.join) }
      assert_nil(calls.pop)
      assert_equal([true, 0, 49], [consumer.closed?, calls.size, broker.backlog("orders#{number}", "billing")])
    end
  end

  def test_handlers_may_close_their_client_at_once
    other = Stargate::Client.new(broker.url)
    consumers = %w[orders returns].map { |topic| other.consumer(topic, "billing", processors: 2, **OPTIONS) }
    met = Thread::Queue.new
    consumers.each do |consumer|
      consumer.listen do
        met << 1
        sleep(0.01) while met.size < 4
        consumer == consumers[0] ? other.close : consumer.close
      end
    end
    %w[orders returns].each { |topic| client.producer(topic).send_many(%w[a b]) }
    assert_at_once { consumers.each(&:join) }
    assert_equal([true, 0, 0], [other.closed?, *%w[orders returns].map { |topic| broker.backlog(topic, "billing") }])
  end

  FAILURES = {
    "not implemented" => -> { raise NotImplementedError }, "no library" => -> { require "stargate/no/such/file" },
    "too deep" => -> { (deeper = -> { deeper.call + 1 }).call }, "no memory" => -> { raise NoMemoryError },
    "an assertion" => -> { raise Minitest::Assertion }, "no delay" => -> { Stargate.reconsume_later("soon") }
  }.freeze

  def test_no_exception_ends_a_processor
    consumer = client.consumer("orders", "billing", enable_retry: true, **OPTIONS)
    _, err = capture_io do
      consumer.listen { |message| FAILURES[message.payload].call if message.redelivery_count.zero? }
      client.producer("orders").send_many(FAILURES.keys)
      until_equal(0) { consumer.backlog }
    end
    assert_equal(FAILURES.size, err.scan("a callback failed").size)
    assert_nil(consumer.join(timeout: 0))
  end

  def test_no_exception_ends_the_thread_of_blocks
    producer = client.producer("orders")
    seen = Thread::Queue.new
    _, err = capture_io do
      producer.send_async("a") { raise NotImplementedError }
      producer.send_async("b") { seen << 1 }
      assert_equal(1, popped(seen))
    end
    assert_match(/NotImplementedError/, err)
  end

  def test_the_message_of_a_processor_that_is_killed_is_redelivered
    ORDERINGS.each_with_index do |ordering, number|
      seen = Thread::Queue.new
      consumer = client.consumer("orders#{number}", "billing", **OPTIONS, **ordering, processors: 2)
      consumer.listen do |message|
        Thread.current.kill if message.payload == "kill" && message.redelivery_count.zero?
        seen << [message.payload, message.redelivery_count.positive?]
      end
      client.producer("orders#{number}").send_many(["kill", *%w[a b c]]) # without a key: in turn
      assert_includes(Array.new(4) { popped(seen) }, ["kill", true])
      until_equal(0) { consumer.backlog }
    end
  end

  def test_what_cannot_be_stored_for_later_is_redelivered
    seen = Thread::Queue.new
    consumer = client.consumer("orders", "billing", enable_retry: true, **OPTIONS)
    client.producer("orders").send("a")
    broker.fault("send", "send-error:8:no room")
    _, err = capture_io do
      consumer.listen do |message|
        seen << message.redelivery_count
        Stargate.reconsume_later(0) if message.redelivery_count.zero?
      end
      assert_equal([0, 1], [popped(seen), popped(seen)])
    end
    assert_match(/no room/, err)
    until_equal(0) { consumer.backlog }
  end

  def test_join_raises_what_ended_the_consumer
    consumer = client.consumer("orders", "billing", backoff_min: 0.01, **OPTIONS)
    consumer.listen { nil }
    assert_nil(consumer.join(timeout: 0.01))
    broker.fault("connect", "http:401:revoked", topic: "orders", count: Stargate::MockBroker::ALWAYS)
    capture_io do
      broker.drop_connections("orders")
      assert_match(/revoked/, assert_raises(Stargate::AuthenticationError) { consumer.join }.message)
    end
  end

  def test_changes_of_state_tokens_headers_and_records_arrive
    broker = Stargate::MockBroker.new(token: "secret")
    states = Thread::Queue.new
    log = StringIO.new
    options = { token_supplier: -> { "secret" }, headers_supplier: -> { { "X-Key" => "k" } },
                on_state: ->(change) { states << change }, logger: Logger.new(log) }
    Stargate::Client.open(broker.url, **options) do |other|
      other.producer("orders").send("a")
      assert_equal(%i[connecting connected], [states.pop.state, states.pop.state])
    end
    assert_match(/orders/, log.string)
    capture_io do
      Stargate::Client.open(broker.url, token_supplier: -> { raise "no vault" }, connect_timeout: 0.3) do |other|
        assert_raises(Stargate::Error) { other.producer("orders") }
      end
    end
  ensure
    broker.close
  end

  private

  def until_equal(expected)
    ends = now + 10
    sleep(0.01) until (answer = yield) == expected || now > ends
    assert_equal(expected, answer)
  end
end
