# frozen_string_literal: true

require "logger"
require "minitest/autorun"
require "minitest/mock"
require "timeout"
require_relative "../lib/stargate/testing"

# A mock broker and a client for each test.
class BrokerTest < Minitest::Test
  attr_reader :broker, :client

  def setup
    @broker = Stargate::MockBroker.new
    @client = Stargate::Client.new(broker.url)
  end

  def teardown
    client.close
    broker.close
  end

  # Runs a program in a Ruby of its own, with the URL of the broker in +url+, and returns its output and status.
  def ruby(program, signal: nil)
    library = File.expand_path("../lib/stargate", __dir__)
    prelude = "require #{library.inspect}; url = #{broker.url.inspect}; $stdout.sync = true\n"
    prelude += "trap(:INT, 'DEFAULT')\n" # a shell that runs the tests in the background has it ignored
    IO.popen([RbConfig.ruby, "-w", "-e", prelude + program, err: %i[child out]]) do |io|
      yield io if block_given?
      Process.kill(signal, io.pid) if signal
      Timeout.timeout(60) { io.read } # on a busy machine
    ensure
      Process.kill(:KILL, io.pid)
    end
  end

  def now
    Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  # The next of a Queue.
  def popped(queue)
    Timeout.timeout(10) { queue.pop }
  end

  # Waits until nothing is connected to the broker.
  def until_alone
    Timeout.timeout(10) { sleep(0.01) until broker.connections.zero? }
  end

  def assert_at_once
    before = now
    yield
    assert_operator now - before, :<, 5 # on a busy machine
  end
end
