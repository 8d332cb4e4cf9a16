# frozen_string_literal: true

require_relative "batch_receipt"
require_relative "events"
require_relative "options"
require_relative "outgoing"

module Stargate
  # Sends messages over a connection of their own, which is closed in any case. Returns an Array with the id of each, nil
  # for a duplicate, or the Error that it ended with, as Producer#send_many does; raises what failed before any message
  # was sent.
  #
  # +url+ is that of a producer, <tt>ws://host:port/ws/v2/producer/persistent/tenant/namespace/topic</tt>, with the
  # server's query parameters if any. The options are those of clients and producers.
  #
  # After +timeout+ seconds it raises TimeoutError, and any of the messages may still be stored; nil waits without limit.
  # An interrupt such as Ctrl-C ends the wait at once, but the process does not end before the call does.
  #
  #   Stargate.produce(url, ["one pizza", { payload: "two pizzas", key: "anna" }])
  def self.produce(url, messages, timeout: 60, **options)
    url = Native.text_for("url", url)
    millis = Native.millis(timeout)
    outgoing = Outgoing.new(messages.to_a)
    return [] if outgoing.count.zero?

    Native.wait { OneShot.new(options).send(url, outgoing, millis) }
  end

  # A connection for some messages only.
  class OneShot # :nodoc:
    def initialize(options)
      @dispatcher = Dispatcher.new
      @options = Options.new(options, @dispatcher)
    end

    # Sends the messages, and returns their outcomes.
    def send(url, outgoing, millis)
      results = FFI::MemoryPointer.new(:char, Raw::SendResult.size * outgoing.count)
      begin
        Native.call(:stargate_produce, url, outgoing, outgoing.count, @options, millis, results)
      rescue Error
        raise unless BatchReceipt.errors?(results, outgoing.count)
      end
      BatchReceipt.outcomes(results, outgoing.count)
    ensure
      Raw.stargate_send_results_free(results, outgoing.count)
      @dispatcher.stop
      @options.close
    end
  end
  private_constant :OneShot
end
