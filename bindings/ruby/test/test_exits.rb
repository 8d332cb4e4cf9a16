# frozen_string_literal: true

require_relative "helper"

# Processes that end with work pending; each in a Ruby of its own.
class TestExits < BrokerTest
  parallelize_me! # they wait for their two seconds

  EXITS = {
    "sends without receipts" => 'broker_fault = client.producer("silent"); 100.times { broker_fault.send_async("x") }',
    "a handler that sleeps" => <<~RUBY,
      started = Thread::Queue.new
      client.consumer("busy", "s").listen { started << 1; sleep }
      client.producer("busy").send("x")
      started.pop
    RUBY
    "a thread in a receive" => 'consumer = client.consumer("empty", "s"); Thread.new { consumer.receive }; sleep(0.05)',
    "a thread in a send" => 'producer = client.producer("silent"); Thread.new { producer.send("x") }; sleep(0.05)',
    "a callback that sleeps" => <<~RUBY,
      started = Thread::Queue.new
      client.producer("loud").send_async("x") { started << 1; sleep }
      started.pop
    RUBY
    "an open that waits" => 'Thread.new { client.producer("slow") }; sleep(0.05)'
  }.freeze

  EXITS.each do |name, program|
    define_method(:"test_the_process_ends_with_#{name.tr(" ", "_")}") do
      broker.fault("send", "no-receipt", topic: "silent", count: Stargate::MockBroker::ALWAYS)
      broker.fault("connect", "delay:30000", topic: "slow")
      before = now
      assert_equal("done\n", ruby("client = Stargate::Client.new(url); #{program}; puts 'done'"))
      assert_operator(now - before, :<, 12)
    end
  end

  def test_messages_in_flight_are_sent_first
    ruby(<<~RUBY)
      producer = Stargate::Client.new(url).producer("orders")
      1000.times { |number| producer.send_async(number.to_s) }
    RUBY
    assert_equal((0...1000).map(&:to_s), broker.messages("orders").map(&:payload))
  end
end
