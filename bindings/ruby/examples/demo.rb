# frozen_string_literal: true

# Produces 1,000 messages, consumes them with a handler that acknowledges, and reads them again from the earliest:
# demo.rb [URL]
#
# The URL is that of a Pulsar broker or proxy, such as ws://localhost:8080; without one it is taken from PULSAR_URL. The
# program prints what it did, and exits with status 1 if a count is off.

require "stargate"

COUNT = 1000

url = ARGV[0] || ENV["PULSAR_URL"] || abort("usage: demo.rb URL, or set PULSAR_URL")
topic = "example-#{Process.pid}"
payloads = Array.new(COUNT) { |number| "message #{number}" }

good = Stargate::Client.open(url) do |client|
  # The subscription is there before the messages are, so it gets them all.
  handled = Thread::Queue.new
  consumer = client.consumer(topic, "counting")
  consumer.listen { |message| handled << message.payload }

  results = client.producer(topic) { |producer| producer.send_many(payloads) }
  stored = results.grep(Stargate::MessageId).size
  puts "produced #{stored} messages to #{consumer.topic}"

  COUNT.times { handled.pop }
  consumer.close # sends the acknowledgements that wait for company
  acknowledged = consumer.stats[:acked]
  puts "the handler acknowledged #{acknowledged}"

  read = client.reader(topic, starting_message: :earliest) { |reader| reader.until_caught_up.map(&:payload) }
  puts "read #{read.size} again from the earliest, #{read == payloads ? "in order" : "NOT in order"}"

  stored == COUNT && acknowledged == COUNT && read == payloads
end
exit(good)
