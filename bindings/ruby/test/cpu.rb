# frozen_string_literal: true

# Measures the CPU time of this process for each message of 100 bytes, and that of the same work in C if there is a C
# compiler, on a mock broker in a process of its own: cpu.rb [MESSAGES]

require "tmpdir"
require_relative "../lib/stargate/testing"

if ARGV[0] == "broker"
  puts Stargate::MockBroker.new.url
  $stdout.flush
  $stdin.read
  exit
end

ROOT = File.expand_path("../../..", __dir__)
BASELINE = File.join(ROOT, "bindings/go/internal/cost/baseline/baseline.c")
COUNT = Integer(ARGV[0] || 100_000)
PAYLOAD = "x" * 100

def cpu
  Process.times.then { |times| times.utime + times.stime }
end

def measure(what)
  GC.start
  used = cpu
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  yield
  seconds = Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
  printf("ruby  %-26s %5.2f us CPU a message, %8.0f a second\n", what, (cpu - used) * 1e6 / COUNT, COUNT / seconds)
end

def measure_ruby(url)
  topic = "cost-ruby-#{Process.pid}"
  Stargate::Client.open(url) do |client|
    measure("send_async") { client.producer(topic) { |producer| COUNT.times { producer.send_async(PAYLOAD) } } }
    client.consumer(topic, "cost", initial_position: :earliest) do |consumer|
      measure("receive and ack") { COUNT.times { consumer.ack(consumer.receive) } }
    end
    client.reader(topic, starting_message: :earliest) { |reader| measure("read") { COUNT.times { reader.receive } } }
    measure("send_many") { client.producer(topic) { |producer| producer.send_many(Array.new(COUNT, PAYLOAD)) } }
    client.consumer(topic, "cost") do |consumer|
      done = Thread::Queue.new
      seen = 0
      measure("a handler that acknowledges") do
        consumer.listen { done << 1 if (seen += 1) == COUNT }
        done.pop
      end
    end
  end
end

def measure_c(url)
  return puts("there is no cc, so C is left out") unless system("cc --version", out: File::NULL, err: File::NULL)

  library = File.dirname(ENV.fetch("STARGATE_LIBRARY"))
  Dir.mktmpdir do |folder|
    program = File.join(folder, "baseline")
    library = ["-L#{library}", "-Wl,-rpath,#{library}", "-lstargate"]
    system("cc", "-O2", "-I#{ROOT}/include", "-o", program, BASELINE, *library, exception: true)
    system(program, url, COUNT.to_s, exception: true)
  end
end

IO.popen([RbConfig.ruby, __FILE__, "broker"], "r+") do |broker|
  url = broker.gets.chomp
  measure_c(url)
  measure_ruby(url)
  broker.close_write
end
