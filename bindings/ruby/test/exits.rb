# frozen_string_literal: true

# Ends processes with work pending, at random moments, and checks that each ends in time: exits.rb [PROCESSES]

require "timeout"
require_relative "../lib/stargate/testing"

PROGRAM = <<~RUBY
  $stderr.reopen(File::NULL)
  client = Stargate::Client.new(ARGV[0])
  silent = client.producer("silent")
  work = [
    -> { loop { silent.send_async("x") } },
    -> { client.consumer("busy", "s", subscription_type: :shared).listen { sleep } && sleep },
    -> { client.consumer("empty", "s", subscription_type: :shared).receive },
    -> { client.reader("busy", starting_message: :earliest).each { |message| message.payload } },
    -> { loop { client.producer("busy").send("x") { sleep } } },
    -> { loop { client.admin.topics("public/default") } }
  ]
  threads = work.map { |one| Thread.new(&one) }
  sleep(rand * 0.5)
  case ARGV[1]
  when "exit" then exit(0)
  when "raise" then raise "the end"
  when "kill" then threads.each(&:kill)
  when "signal" then Process.kill(:TERM, Process.pid) && sleep
  end
RUBY

count = Integer(ARGV[0] || 20)
Stargate::MockBroker.open do |broker|
  broker.fault("send", "no-receipt", topic: "silent", count: Stargate::MockBroker::ALWAYS)
  library = File.expand_path("../lib/stargate", __dir__)
  longest = (1..count).map do |number|
    began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    way = %w[end exit raise kill signal][number % 5]
    pid = Process.spawn(RbConfig.ruby, "-r#{library}", "-e", PROGRAM, broker.url, way)
    begin
      Timeout.timeout(30) { Process.wait(pid) }
    rescue Timeout::Error
      Process.kill(:KILL, pid)
      abort("process #{number} (#{way}) did not end")
    end
    Process.clock_gettime(Process::CLOCK_MONOTONIC) - began
  end.max
  puts "#{count} processes ended, the last to do so after #{longest.round(1)} s"
end
