# frozen_string_literal: true

# Sends messages to a handler while the broker is killed five times, and checks that none is lost: outages.rb [MESSAGES]
#
# It takes the broker at PULSAR_URL if that is set, where only connections break; otherwise the mock.

require_relative "../lib/stargate/testing"

# Sends +count+ messages, and returns how many have receipts, arrived and arrived more than once.
class Outages
  OPTIONS = { backoff_min: 0.01, backoff_max: 0.05 }.freeze

  def initialize(count)
    @count = count
    @broker = ENV["PULSAR_URL"] ? nil : Stargate::MockBroker.new
    @topic = "outages-#{Process.pid}"
    @seen = Hash.new(0)
    @all = Thread::Queue.new
  end

  def run
    Stargate::Client.open(ENV["PULSAR_URL"] || @broker.url, **OPTIONS) do |client|
      consumer = client.consumer(@topic, "all", subscription_type: :shared, processors: 2)
      consumer.listen { |message| note(message.payload) }
      breaking = Thread.new { break_five_times } if @broker
      receipts = client.producer(@topic) { |producer| Array.new(@count) { |number| producer.send_async(number.to_s) } }
      breaking&.join
      stored = receipts.count { |receipt| receipt.value(timeout: 60) }
      Timeout.timeout(60) { @all.pop }
      { stored: stored, arrived: @seen.size, repeated: @seen.values.sum - @seen.size,
        reconnects: client.stats[:reconnects] }
    end
  ensure
    @broker&.close
  end

  private

  def note(payload)
    @seen[payload] += 1
    @all << 1 if @seen.size == @count
  end

  # Each time after another sixth of the messages.
  def break_five_times
    (1..5).each do |time|
      @broker.wait("send", at_least: @count * time / 6, timeout: 60)
      @broker.outage { sleep(0.05) }
    end
  end
end

if $PROGRAM_NAME == __FILE__
  require "timeout"
  count = Integer(ARGV[0] || 10_000)
  result = Outages.new(count).run
  puts(result.map { |name, value| "#{name} #{value}" }.join(", "))
  exit(result[:stored] == count && result[:arrived] == count)
end
