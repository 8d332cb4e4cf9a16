# frozen_string_literal: true

# Opens and closes, sends and receives, and checks that memory, threads and descriptors do not grow:
# leaks.rb [CYCLES [MESSAGES]]

require_relative "../lib/stargate/testing"

# What this process has.
module Usage
  module_function

  def memory = File.read("/proc/self/status")[/VmRSS:\s+(\d+)/, 1].to_i / 1024

  def threads = Dir.children("/proc/self/task").size

  def descriptors = Dir.children("/proc/self/fd").size

  def now
    GC.start
    { megabytes: memory, threads: threads, descriptors: descriptors, callbacks: Stargate::Callbacks.size }
  end
end

# Outside of the cycle, for a function that knows its client keeps it.
ON_STATE = ->(_change) {}

# One cycle, half of them without a close.
def cycle(url, number)
  client = Stargate::Client.new(url, on_state: ON_STATE)
  producer = client.producer("leaks")
  consumer = client.consumer("leaks", "s#{number % 10}", subscription_type: :shared)
  producer.send("x" * 1000)
  consumer.ack(consumer.receive(timeout: 10))
  consumer.close
  client.close if number.even?
end

def messages(url, count)
  Stargate::Client.open(url) do |client|
    consumer = client.consumer("many", "s")
    producer = client.producer("many")
    (count / 1000).times do
      1000.times { producer.send_async("x" * 100) }
      1000.times { consumer.ack(consumer.receive) }
    end
  end
end

def grown?(first, last)
  last[:megabytes] - first[:megabytes] > 30 || last[:threads] > first[:threads] + 2 ||
    last[:descriptors] > first[:descriptors] + 4 || last[:callbacks] > first[:callbacks] + 2
end

# What was not closed is found by the garbage collector, and given up in the background: within 20 seconds.
def check(what, first)
  last = Usage.now
  40.times do
    break unless grown?(first, last)

    sleep(0.5)
    last = Usage.now
  end
  puts "#{what}: #{first} then #{last}"
  abort("#{what} grew") if grown?(first, last)
end

cycles = Integer(ARGV[0] || 1000)
count = Integer(ARGV[1] || 50_000)
reader, writer = IO.pipe
broker = fork { writer.puts(Stargate::MockBroker.new.url) || sleep }
url = reader.gets.chomp
begin
  [cycles / 10, 50].max.times { |number| cycle(url, number) }
  first = Usage.now
  cycles.times { |number| cycle(url, number) }
  check("cycles", first)
  messages(url, count / 10)
  first = Usage.now
  messages(url, count)
  check("messages", first)
ensure
  Process.kill(:KILL, broker)
end
