# frozen_string_literal: true

require_relative "helper"

# Every call that waits ends at once with its thread.
class TestWaits < BrokerTest
  parallelize_me! # they wait more than they compute

  # Messages without receipts are not waited for.
  def teardown
    client.close(timeout: 0)
  rescue Stargate::TimeoutError
    nil
  ensure
    broker.close
  end

  # What waits, by name: each is interrupted in all ways.
  WAITS = {
    "receive" => ->(test) { test.client.consumer("empty", "s").receive },
    "receive_many" => ->(test) { test.client.reader("empty").receive_many(3) },
    "each" => ->(test) { test.client.consumer("empty", "s").first },
    "send" => lambda { |test|
      test.broker.fault("send", "no-receipt", topic: "silent")
      test.client.producer("silent").send("x")
    },
    "flush" => lambda { |test|
      test.broker.fault("send", "no-receipt", topic: "silent")
      test.client.producer("silent").then { |producer| producer.send_async("x") && producer.flush }
    },
    "room" => lambda { |test|
      test.broker.fault("send", "no-receipt", topic: "silent")
      producer = test.client.producer("silent", max_pending_msg: 1)
      2.times { producer.send_async("x") }
    },
    "open" => lambda { |test|
      test.broker.fault("connect", "delay:20000", topic: "slow")
      test.client.producer("slow")
    },
    "backlog" => lambda { |test|
      consumer = test.client.consumer("empty", "s")
      test.broker.fault("http", "delay:20000")
      consumer.backlog
    },
    "until_caught_up" => lambda { |test|
      reader = test.client.reader("read", starting_message: :earliest)
      test.broker.fault("receive", "delay:20000", topic: "read")
      test.client.producer("read").send("x")
      reader.until_caught_up.to_a
    },
    "join" => ->(test) { test.client.consumer("empty", "s").listen { nil }.join },
    "wait" => ->(test) { test.broker.wait("ack", timeout: 20) }
  }.freeze

  WAITS.each do |name, wait|
    define_method(:"test_a_#{name}_ends_at_once_when_its_thread_is_killed") do
      thread = Thread.new { wait.call(self) }
      called = name == "room" ? "send_async" : name
      sleep(0.01) until thread.status == "sleep" && thread.backtrace.to_s.include?(called)
      sleep(0.05)
      assert_at_once { thread.kill.join }
    end

    define_method(:"test_a_#{name}_ends_at_once_with_timeout") do
      assert_at_once { assert_raises(Timeout::Error) { Timeout.timeout(0.3) { wait.call(self) } } }
    end
  end

  # As when the library has no processor: its answer is a second late.
  def test_a_close_without_an_answer_is_a_timeout
    operation = Stargate::Operation.new
    assert_raises(Stargate::TimeoutError) { operation.result(Stargate::Deadline.new(0)) }
  end
end
