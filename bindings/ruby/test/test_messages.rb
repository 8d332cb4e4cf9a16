# frozen_string_literal: true

require_relative "helper"

# What goes with a message, and how messages are sent and received.
class TestMessages < BrokerTest
  def setup
    super
    @consumer = client.consumer("orders", "billing", subscription_type: :shared, negative_ack_delay: 0.05)
    @producer = client.producer("orders")
  end

  def test_everything_that_goes_with_a_message_arrives
    at = Time.utc(2026, 11, 29, 12, 0, 0.123r)
    id = @producer.send("one \0 pizza", key: "Ännä", properties: { size: "l", "note" => "" }, event_time: at)
    message = @consumer.receive(timeout: 5)
    assert_equal(["one \0 pizza", Encoding::BINARY], [message.payload, message.payload.encoding])
    assert_equal(["Ännä", { "size" => "l", "note" => "" }, at], [message.key, message.properties, message.event_time])
    assert_equal(["persistent://public/default/orders", id], [message.topic, message.id])
    assert_in_delta(Time.now, message.publish_time, 5)
    assert_equal([0, 0, false], [message.redelivery_count, message.reconsume_times, message.encrypted?])
  end

  def test_a_message_without_key_and_properties_has_none
    @producer.send("")
    message = @consumer.receive(timeout: 5)
    assert_equal(["", nil, {}, nil], [message.payload, message.key, message.properties, message.event_time])
  end

  def test_a_delayed_message_comes_later
    @producer.send("later", deliver_after: 0.2)
    assert_nil(@consumer.receive(timeout: 0.1))
    assert_equal("later", @consumer.receive(timeout: 5).payload)
  end

  def test_a_message_may_name_the_clusters_to_replicate_to
    id = @producer.send_async("here", replication_clusters: ["standalone"]).value(timeout: 5)
    assert_equal([id], broker.messages("orders").map(&:message_id))
  end

  def test_receipts_have_the_ids_in_order_and_blocks_receive_them
    seen = Thread::Queue.new
    receipts = Array.new(100) { |number| @producer.send_async(number.to_s) { |receipt| seen << receipt.message_id } }
    ids = receipts.map { |receipt| receipt.value(timeout: 5) }
    assert_equal(ids.sort, ids)
    assert_equal(ids, Array.new(100) { seen.pop })
    assert_equal(ids, broker.messages("orders").map(&:message_id))
  end

  def test_several_threads_may_read_the_id_of_a_receipt
    receipt = Stargate::Receipt.new(@producer, nil)
    text = +"CAEQADAA"
    read_by_another = false
    text.define_singleton_method(:is_a?) do |type|
      unless read_by_another
        read_by_another = true
        receipt.message_id # as a thread does that gets its turn here
      end
      super(type)
    end
    receipt.settle(text)
    assert_equal(Stargate::MessageId.new("CAEQADAA"), receipt.message_id)
  end

  def test_many_have_a_result_each_and_a_failure_harms_no_other
    broker.fault("send", "send-error:8:no room")
    failed, *stored = @producer.send_many(["a", { payload: "b", key: "k", properties: { "x" => "y" } }, "c"])
    assert_equal([:broker, "no room"], [failed.kind, failed.broker_text])
    assert_equal(%w[b c], broker.messages("orders").map(&:payload))
    assert_equal(["k", { "x" => "y" }], broker.messages("orders").first.then { |one| [one.key, one.properties] })
    assert_equal(stored, broker.messages("orders").map(&:message_id))
  end

  def test_many_that_cannot_be_accepted_have_the_error_each
    @producer.close
    results = @producer.send_many(Array.new(600, "late"))
    assert_equal([600, [:closed]], [results.size, results.map(&:kind).uniq])
    small = client.producer("many", max_pending_msg: 10, when_full: :fail)
    broker.fault("send", "delay:200", topic: "many")
    results = small.send_many(Array.new(600) { |number| number.to_s })
    stored, refused = results.partition { |result| result.is_a?(Stargate::MessageId) }
    assert_equal([600, [:queue_full]], [results.size, refused.map(&:kind).uniq])
    assert_equal(Array.new(stored.size) { |number| number.to_s }, broker.messages("many").map(&:payload))
  end

  def test_many_with_an_invalid_message_or_one_that_is_too_big_are_sent_but_for_these
    big = "x" * 20_000_000
    wrong = [5, { paylod: "x" }, { payload: "x", kee: "k" }, { payload: "x", key: "a\0b" }, { payload: "x", key: "\xff" },
             { payload: "x", properties: 5 }, { payload: "x", deliver_after: "soon" }]
    results = @producer.send_many([*Array.new(300, "a"), *wrong, "b", big, "c", big])
    assert_equal([nil] * 300 + [:invalid_argument] * wrong.size + [nil, :too_big, nil, :too_big],
                 results.map { |result| result.kind if result.is_a?(Stargate::Error) })
    assert_equal(["payload: expected a String, got Integer", "key not found: :payload", "unknown keyword: :kee"],
                 results[300, 3].map(&:message))
    assert_equal([*Array.new(300, "a"), "b", "c"], broker.messages("orders").map(&:payload))
    assert_equal(results.grep(Stargate::MessageId), broker.messages("orders").map(&:message_id))
  end

  def test_a_time_limit_bounds_a_send_with_its_wait_for_room
    slow = client.producer("slow", max_pending_msg: 1)
    broker.fault("send", "delay:1000", topic: "slow")
    broker.fault("send", "delay:3000", topic: "slow")
    slow.send_async("a")
    before = now
    assert_raises(Stargate::TimeoutError) { slow.send("b", timeout: 1.5) }
    assert_in_delta(1.5, now - before, 0.9)
  end

  def test_a_time_limit_bounds_the_whole_of_many
    slow = client.producer("slow", max_pending_msg: 1)
    broker.fault("send", "delay:300", topic: "slow", count: Stargate::MockBroker::ALWAYS)
    before = now
    results = slow.send_many(Array.new(300, "a"), timeout: 1)
    assert_operator(now - before, :<, 5)
    assert_equal([300, [:timeout]], [results.size, results.grep(Stargate::Error).map(&:kind).uniq])
    assert_operator(broker.messages("slow").size, :<, 10)
  end

  def test_more_messages_than_there_is_room_for_are_all_stored_in_order
    small = client.producer("many", max_pending_msg: 10)
    numbers = (1..1000).map(&:to_s)
    assert(small.send_many(numbers).all?(Stargate::MessageId))
    numbers.each { |number| small.send_async(number) }
    small.flush
    assert_equal(numbers * 2, broker.messages("many").map(&:payload))
  end

  def test_a_full_queue_raises_if_configured
    small = client.producer("many", max_pending_msg: 1, when_full: :fail)
    broker.fault("send", "delay:200", topic: "many")
    small.send_async("one")
    error = assert_raises(Stargate::QueueFullError) { small.send_async("two") }
    assert_predicate(error, :retriable?)
  end

  def test_a_message_that_is_refused_is_redelivered
    @producer.send("bad")
    @consumer.nack(@consumer.receive(timeout: 5))
    again = @consumer.receive(timeout: 5)
    assert_equal(["bad", 1], [again.payload, again.redelivery_count])
    @consumer.ack(again)
    @consumer.ack(again) # a second time does nothing
    broker.wait("ack")
    assert_equal(0, @consumer.backlog)
  end

  def test_messages_are_acknowledged_by_id_and_in_arrays
    @producer.send_many(%w[a b c])
    messages = @consumer.first(3)
    @consumer.ack(messages.pop.id)
    @consumer.ack(messages)
    broker.wait("ack", at_least: 3)
    assert_equal(0, @consumer.backlog)
  end

  def test_messages_survive_marshal_and_can_still_be_acknowledged
    @producer.send("kept", key: "k")
    message = Marshal.load(Marshal.dump(@consumer.receive(timeout: 5)))
    assert_equal(%w[kept k], [message.payload, message.key])
    @consumer.ack(message)
    broker.wait("ack")
    assert_equal(0, @consumer.backlog)
  end

  def test_receive_many_takes_what_is_there
    @producer.send_many(%w[a b c])
    parts = [@consumer.receive_many(2, timeout: 5)]
    parts << @consumer.receive_many(2, timeout: 5) while parts.sum(&:size) < 3
    assert_equal(%w[a b c], parts.flatten.map(&:payload))
    assert_operator(parts.map(&:size).max, :<=, 2)
    assert_empty(@consumer.receive_many(2, timeout: 0.05))
  end

  def test_a_consumer_is_enumerable_and_ends_with_its_close
    @producer.send_many(%w[a b c])
    assert_equal(%w[a b], @consumer.lazy.map(&:payload).first(2))
    reading = Thread.new { @consumer.each.map(&:payload) }
    sleep(0.01) until reading.stop?
    @consumer.close
    assert_equal(%w[c], reading.value)
  end

  def test_a_reader_reads_to_the_end_and_moves
    @producer.send_many(%w[a b c])
    reader = client.reader("orders", starting_message: :earliest)
    assert_equal(%w[a b c], reader.until_caught_up.map(&:payload))
    refute_predicate(reader, :message_available?)
    reader.seek(:earliest)
    assert_predicate(reader, :message_available?)
    first = reader.receive(timeout: 5)
    reader.seek(first.id, after: true)
    assert_equal("b", reader.receive(timeout: 5).payload)
    reader.seek(first.publish_time - 1)
    assert_equal("a", reader.receive(timeout: 5).payload)
    assert_equal(reader.last_message_ids, [broker.messages("orders").last.message_id])
  end

  def test_reading_to_the_end_goes_on_where_an_interrupted_receive_left_off
    @producer.send("a")
    reader = client.reader("orders", starting_message: :earliest)
    reader.receive(timeout: 5)
    assert_nil(reader.receive(timeout: 0.01)) # C goes on receiving
    @producer.send_many(%w[b c])
    assert_equal(%w[b c], reader.until_caught_up.map(&:payload))
  end

  def test_a_topic_has_not_ended_while_a_message_is_on_its_way
    reader = client.reader("orders", starting_message: :earliest)
    assert_nil(reader.receive(timeout: 0)) # C goes on receiving
    @producer.send("a")
    broker.terminate("orders")
    200.times do
      refute_predicate(reader, :end_of_topic?)
      sleep(0.002)
    end
    assert_equal("a", reader.receive(timeout: 5).payload)
    Timeout.timeout(10) { sleep(0.01) until reader.end_of_topic? }
  end

  def test_a_message_that_arrives_meanwhile_is_available
    reader = client.reader("orders", starting_message: :earliest)
    assert_nil(reader.receive(timeout: 0)) # C goes on receiving
    broker.fault("http", "delay:500")
    asked = Thread.new { reader.message_available? }
    sleep(0.1)
    @producer.send("a")
    assert(asked.value)
    assert_equal("a", reader.receive(timeout: 5).payload)
  end

  def test_the_end_of_a_topic_may_be_asked_for_beside_a_handler
    seen = Thread::Queue.new
    reader = client.reader("orders", starting_message: :earliest).listen { |message| seen << message.payload }
    @producer.send("a")
    assert_equal("a", seen.pop)
    broker.terminate("orders")
    assert_at_once do
      Array.new(3) { Thread.new { sleep(0.001) until reader.end_of_topic? } }.each(&:join)
    end
  end

  def test_a_seek_drops_what_was_received_before
    @producer.send_many(%w[a b c])
    assert_equal("a", @consumer.receive(timeout: 5).payload)
    @consumer.seek(:latest)
    @producer.send("d")
    assert_equal("d", @consumer.receive(timeout: 5).payload)
  end

  def test_consumers_of_arrays_and_patterns
    both = client.consumer(%w[orders returns], "audit")
    matching = client.consumer(%r{persistent://public/default/RET.*}i, "audit-returns")
    client.producer("returns").send("back")
    assert_equal("back", both.receive(timeout: 5).payload)
    assert_equal("back", matching.receive(timeout: 10).payload)
  end

  def test_handles_say_what_they_are
    lazy = client.consumer("parcels", "pull", lazy: true, pull_mode: true, queue_size: 5)
    assert_same(lazy, lazy.wait_connected(timeout: 5))
    assert_predicate(lazy, :connected?)
    assert_equal(["persistent://public/default/parcels", "pull"], [lazy.topic, lazy.subscription])
    client.producer("parcels").send_many(%w[a b c])
    assert_equal(%w[a b c], lazy.first(3).map(&:payload))
    assert_nil(lazy.permit(1))
    assert_equal([3, 3], [lazy.stats[:received], client.stats[:receipts]])
    assert_nil(client.proxy)
    refute_predicate(lazy, :closed?)
    assert_nil(lazy.unsubscribe)
    assert_nil(lazy.close)
    assert_predicate(lazy, :closed?)
    refute_predicate(lazy, :connected?)
  end

  def test_ids_are_ordered_hashable_and_have_parts
    a, b = @producer.send_many(%w[a b])
    assert_operator(a, :<, b)
    same = Stargate::MessageId.new(a.to_s)
    assert_equal({ a => 1 }, { same => 1 })
    assert_equal([a.ledger, a.entry + 1, nil, nil], [b.ledger, b.entry, b.partition, b.batch_index])
    assert_raises(Stargate::InvalidArgumentError) { Stargate::MessageId.new("no id") <=> a }
  end

  def test_arguments_of_the_wrong_kind_are_named
    assert_match(/payload: expected a String, got Symbol/, assert_raises(TypeError) { @producer.send(:name) }.message)
    error = assert_raises(Stargate::InvalidArgumentError) { @producer.send("x", properties: { "a" => "b\0c" }) }
    assert_match(/properties: .* U\+0000/, error.message)
    assert_raises(Stargate::InvalidArgumentError) { client.producer("a\0b") }
    assert_raises(TypeError) { client.producer("orders", send_timeout: Object.new) }
    assert_raises(Stargate::InvalidArgumentError) { @consumer.receive(timeout: -1) }
  end
end
