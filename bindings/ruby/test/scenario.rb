# frozen_string_literal: true

# Carries out a scenario of tests/scenarios/table with the Ruby package: scenario.rb SCENARIO [URL]
#
# The README there describes the steps and what each of them prints.

require "stringio"
require "timeout"
require_relative "../lib/stargate/testing"

# A step that this interpreter does not know.
class UnknownStep < StandardError; end

# What `interrupt` interrupts a receive with.
class Interrupted < StandardError; end

# A line of a scenario. The properties of a message have their names after a dot.
Step = Struct.new(:verb, :handle, :given) do
  WORD = /([a-z_]+(?:\.[^= ]+)?)=("(?:[^"\\]|\\.)*"|[^ "]*)|([^ ]+)/

  def self.parse(text)
    text.lines(chomp: true).reject { |line| line.empty? || line.start_with?("#") }.map do |line|
      words, given = line.scan(WORD).partition(&:last)
      verb, handle = words.map(&:last)
      new(verb, handle, given.to_h { |name, value| [name, value_of(value)] })
    end
  end

  def self.value_of(text)
    return text.b unless text.start_with?('"')

    text[1..-2].b.gsub(/\\(x[0-9a-f]{2}|.)/n) { $1.size == 1 ? $1 : $1[1..].hex.chr }
  end

  def [](name) = given[name.to_s]

  def text(name) = self[name]&.dup&.force_encoding("UTF-8")

  def number(name, default = nil) = self[name] ? Integer(self[name]) : default

  def seconds(name, default = nil) = self[name] ? Integer(self[name].delete_suffix("ms")) / 1000.0 : default
end

# How the transcript shows things.
module Shown
  module_function

  def quoted(bytes)
    shown = bytes.bytes.map do |byte|
      next "\\#{byte.chr}" if [34, 92].include?(byte)

      byte.between?(0x20, 0x7e) ? byte.chr : format("\\x%02x", byte)
    end
    "\"#{shown.join}\""
  end

  def payload(bytes)
    return quoted(bytes) if bytes.bytesize <= 64

    hash = bytes.each_byte.inject(0) { |sum, byte| ((sum * 31) + byte) & 0xffffffff }
    format("<%d bytes, hash %08x>", bytes.bytesize, hash)
  end

  def error(error) = "error #{error.kind}: #{error.message}"
end

# What a consumer or reader has seen, and what has happened to a handle: added to on other threads.
class Seen
  def initialize
    @lock = Mutex.new
    @changed = ConditionVariable.new
    @all = []
  end

  # Adds something, and returns whether it is the first of its kind.
  def add(thing)
    @lock.synchronize do
      first = !@all.include?(thing)
      @all << thing
      @changed.broadcast
      first
    end
  end

  # Waits until the block says that all is there, and returns all.
  def wait(seconds)
    ends = Process.clock_gettime(Process::CLOCK_MONOTONIC) + seconds
    @lock.synchronize do
      until yield @all
        left = ends - Process.clock_gettime(Process::CLOCK_MONOTONIC)
        break if left <= 0

        @changed.wait(@lock, left)
      end
      @all.dup
    end
  end

  # How far PREFIX1 to PREFIXcount have been seen.
  def self.progress(all, prefix, count)
    first = all.select { |payload| payload.start_with?(prefix) }.uniq
    wanted = (1..count).map { |number| prefix + number.to_s }
    return "#{(first & wanted).size} of #{count}" unless (wanted - first).empty?

    "all #{count}, #{first == wanted ? "in" : "out of"} order"
  end
end

# A producer, consumer or reader under its name in the scenario.
Named = Struct.new(:native, :states, :seen, :receipts, :last, :in_hand) do
  def note(message)
    last[message.payload] = message
    in_hand << message
  end
end

# Carries out the steps of one scenario, each in the method of its verb, which returns the outcome.
class Interpreter
  PATIENCE = 10
  DEFAULT = "persistent://public/default/"

  def initialize(folder, url, out)
    @folder = folder
    @out = out
    @run = format("%x-%x-", Process.pid, Process.clock_gettime(Process::CLOCK_REALTIME, :nanosecond))
    @mock = Stargate::MockBroker.new unless url
    @url = url || @mock.url
    @client = Stargate::Client.new(@url)
    @handles = {}
    @ids = {}
  end

  def carry_out(steps)
    steps.each do |step|
      verb = :"do_#{step.verb}"
      raise UnknownStep, "there is no step #{step.verb}" unless respond_to?(verb, true)

      outcome = attempt { __send__(verb, step) }
      outcome = "ok" unless outcome.is_a?(String) && !outcome.empty?
      show("#{[step.verb, step.handle].compact.join(" ")}: #{outcome}") if step.verb != "on"
    end
    @client.close
    show("end")
  ensure
    @mock&.close
  end

  private

  def attempt
    yield
  rescue Stargate::Error => error
    Shown.error(error)
  end

  def show(line)
    @out.puts(line.gsub(@run, "").gsub(@url.split("://").last, "BROKER"))
  end

  def broker
    @mock or raise UnknownStep, "this step needs a mock broker"
  end

  # what the parameters stand for

  def full_name(name) = name.include?("/") ? name : "#{DEFAULT}#{@run}#{name}"

  def topic(step) = step[:topic] && full_name(step.text(:topic))

  def topics(step)
    names = step.text(:topic).split(",").map { |name| full_name(name) }
    names.size == 1 ? names[0] : names
  end

  def options(step)
    step.given.except("topic", "subscription").to_h { |name, _| [name.to_sym, option(step.text(name))] }
  end

  def option(text)
    case text
    when /\A\d+ms\z/ then Integer(text.delete_suffix("ms")) / 1000.0
    when "true", "false" then text == "true"
    when /\A@/ then @ids.fetch(text[1..].b)
    when %r{\A\./} then File.join(@folder, text)
    when /\A\d+\z/ then Integer(text)
    else text
    end
  end

  def payload(step) = step[:payload] * step.number(:repeat, 1)

  def at(step) = @handles.fetch(step.handle)

  def native(step) = at(step).native

  def message(step) = at(step).last.fetch(step[:payload])

  def timeout(step) = step.seconds(:timeout, PATIENCE)

  # handles

  def open(step)
    handle = @handles[step.handle] = Named.new(nil, Seen.new, Seen.new, [], {}, [])
    handle.native = yield(on_state: ->(change) { handle.states.add(change.state) }, **options(step))
    nil
  end

  def do_on(_step); end

  def do_producer(step) = open(step) { |**options| @client.producer(topic(step), **options) }

  def do_consumer(step)
    open(step) { |**options| @client.consumer(topics(step), step.text(:subscription), **options) }
  end

  def do_reader(step) = open(step) { |**options| @client.reader(topic(step), **options) }

  def do_close(step) = native(step).close(timeout: timeout(step))

  def do_close_client(_step) = @client.close

  def do_states(step)
    count = step.number(:count)
    at(step).states.wait(PATIENCE) { |states| states.size >= count }.first(count).join(" ")
  end

  def do_stats(step)
    stats = native(step).stats
    step.text(:counters).split(",").map { |name| "#{name}=#{stats.fetch(name.to_sym)}" }.join(" ")
  end

  # producers

  def do_send(step)
    properties = step.given.keys.grep(/\Aproperty\./).to_h { |name| [name.delete_prefix("property."), step.text(name)] }
    event_time = step.number(:event_time)&.then { |millis| Rational(millis, 1000) }
    @ids[step[:payload]] =
      native(step).send(payload(step), key: step.text(:key), properties: properties, event_time: event_time)
    nil
  end

  def do_send_async(step)
    accepted = 0
    (1..step.number(:count)).each do |number|
      at(step).receipts << native(step).send_async((step[:payload] + number.to_s) * step.number(:repeat, 1))
      accepted += 1
    end
    "accepted #{accepted}"
  rescue Stargate::Error => error
    "accepted #{accepted}, then #{Shown.error(error)}"
  end

  def do_receipts(step)
    ends = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE
    counts = at(step).receipts.map do |receipt|
      left = [ends - Process.clock_gettime(Process::CLOCK_MONOTONIC), 0].max
      next "missing" unless receipt.wait(timeout: left)

      receipt.error ? receipt.error.kind.name : "ok"
    end.tally
    at(step).receipts.clear
    counts.sort_by { |kind, _| [kind == "ok" ? 0 : 1, kind] }.map { |kind, count| "#{kind} #{count}" }.join(", ")
  end

  def do_flush(step) = native(step).flush(timeout: PATIENCE)

  # receiving

  def receiving(step)
    count = step.number(:count, 1)
    messages = []
    ended = nil
    while messages.size < count && !ended
      more = begin
        yield count - messages.size
      rescue Stargate::Error => error
        ended = Shown.error(error)
        []
      end
      more.each { |message| at(step).note(message) }
      messages.concat(more)
      ended ||= "nothing" if more.empty?
    end
    outcome = [messages.empty? ? nil : messages.size.to_s, ended].compact.join(", then ")
    with_messages(outcome, messages, step[:order])
  end

  def with_messages(outcome, messages, in_any_order = nil)
    lines = messages.map { |message| message_line(message) }
    [outcome, *(in_any_order ? lines.sort : lines)].join("\n")
  end

  def message_line(message)
    line = +"  #{message.topic.delete_prefix(DEFAULT).delete_prefix(@run)}: #{Shown.payload(message.payload)}"
    line << " key=#{Shown.quoted(message.key)}" if message.key
    line << " event_time=#{(message.event_time.to_r * 1000).to_i}" if message.event_time
    line << " redelivered=#{message.redelivery_count}" if message.redelivery_count.positive?
    line << " reconsumed=#{message.reconsume_times}" if message.reconsume_times.positive?
    message.properties.sort.each do |name, value|
      line << " property.#{name}=#{Shown.quoted(value)}" unless name.match?(/\A[A-Z]/)
    end
    line
  end

  def do_receive(step) = receiving(step) { [native(step).receive(timeout: timeout(step))].compact }

  def do_receive_many(step) = receiving(step) { |most| native(step).receive_many(most, timeout: timeout(step)) }

  def do_interrupt(step)
    Timeout.timeout(0.1, Interrupted) { native(step).receive(timeout: PATIENCE) }
    "received"
  rescue Interrupted
    "interrupted"
  end

  def do_read_to_end(step)
    messages = native(step).until_caught_up.to_a
    with_messages(messages.size.to_s, messages)
  end

  def do_drain(step)
    seen = []
    until (progress = Seen.progress(seen, step[:payload], step.number(:count))).start_with?("all")
      message = native(step).receive(timeout: PATIENCE) or break
      native(step).ack(message)
      seen << message.payload
    end
    progress
  end

  def do_available(step) = native(step).message_available? ? "yes" : "no"

  def do_compare(step) = message(step).id == @ids.fetch(step[:payload]) ? "same id" : "different id"

  def do_seek(step)
    to = step.text(:to)
    native(step).seek(to.start_with?("@") ? option(to) : to.to_sym, after: step[:after] == "true")
  end

  # acknowledging

  def do_ack(step)
    handle = at(step)
    given = step[:payload] ? message(step) : handle.in_hand.dup
    handle.native.ack(given)
    handle.in_hand -= [*given]
  end

  def do_ack_cumulative(step) = native(step).ack_cumulative(message(step))

  def do_nack(step)
    native(step).nack(message(step))
    at(step).in_hand.delete(message(step))
  end

  def do_reconsume_later(step)
    native(step).reconsume_later(message(step), step.seconds(:delay))
    at(step).in_hand.delete(message(step))
  end

  def do_backlog(step) = wait_until(step.number(:count)) { native(step).backlog }.to_s

  def do_end_of_topic(step) = wait_until(true) { native(step).end_of_topic? } ? "yes" : "no"

  def do_unsubscribe(step) = native(step).unsubscribe

  def wait_until(wanted)
    ends = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE
    loop do
      answer = yield
      return answer if answer == wanted || Process.clock_gettime(Process::CLOCK_MONOTONIC) > ends

      sleep(0.02)
    end
  end

  # handlers

  def do_listen(step)
    seen = at(step).seen
    native(step).listen do |message|
      next unless seen.add(message.payload)

      case message.payload
      when step[:nack_once] then Stargate::NACK
      when step[:fail_once] then raise "this handler fails once"
      when step[:reconsume_once] then Stargate.reconsume_later(0.1)
      end
    end
  end

  def do_handled(step)
    seen = at(step).seen
    if step[:calls]
      all = seen.wait(PATIENCE) { |payloads| payloads.size >= step.number(:calls) }
      return all.tally.sort.map { |payload, count| "#{Shown.payload(payload)} #{count}" }.join(", ")
    end
    progress = ->(payloads) { Seen.progress(payloads, step[:payload], step.number(:count)) }
    progress.call(seen.wait(PATIENCE) { |payloads| progress.call(payloads).start_with?("all") })
  end

  # the mock broker

  def do_fault(step)
    count = step[:count] == "all" ? Stargate::MockBroker::ALWAYS : step.number(:count, 1)
    broker.fault(step.text(:op), step.text(:fault), topic: topic(step), count: count)
  end

  def do_down(_step) = broker.down

  def do_up(_step) = broker.up

  def do_cut(step) = broker.drop_connections(topic(step))

  def do_wait(step)
    broker.wait(step.text(:op), at_least: step.number(:count), topic: topic(step), timeout: PATIENCE)
  end

  def do_stored(step) = broker.messages(topic(step)).size.to_s

  def do_partitions(step) = broker.create_partitioned(topic(step), step.number(:count))

  def do_deduplicate(step) = broker.set_deduplication(step.text(:namespace))

  def do_terminate(step) = broker.terminate(topic(step))

  # Carries out the scenario of a file, and writes its transcript.
  def self.run(path, url, out)
    new(File.dirname(path), url, out).carry_out(Step.parse(File.read(path)))
  end
end

if $PROGRAM_NAME == __FILE__
  begin
    $stderr.reopen(File::NULL) if ARGV.empty?
    Interpreter.run(ARGV.fetch(0), ARGV[1], $stdout)
  rescue UnknownStep => reason
    warn("#{ARGV[0]}: #{reason}")
    exit(2)
  end
end
