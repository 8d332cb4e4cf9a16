# frozen_string_literal: true

require_relative "completion"
require_relative "delivery"

module Stargate
  # The messages of a consumer or reader that C has passed on and the application has not received yet. It has at most
  # one receive of C under way, and so keeps the order. A receive that was given up, for example by Timeout.timeout,
  # goes on; what it brings is for the next one. Nothing is lost by an interrupt.
  class Inbox # :nodoc:
    RECEIVED = Callbacks.function(:stargate_received_fn, once: true) do |inbox, status, messages, count, error|
      inbox.received(status, messages, count, error)
    end

    # +most+ is how many messages one receive of C may bring; +keep+, whether they are to be acknowledged.
    def initialize(role, most:, keep:)
      @receive_async = :"stargate_#{role}_receive_async"
      @interrupt = :"stargate_#{role}_interrupt"
      @most = most
      @keep = keep
      @messages = []
      @lock = Mutex.new
      @holding = Mutex.new
      @changed = ConditionVariable.new
      @requested = @held = @stopped = false
    end

    # Takes the next message, and waits for it; nil when the time is over.
    def take(handle, timeout)
      (@messages.shift unless over?) || await(handle, Deadline.new(timeout)) { @messages.shift }
    end

    # As take, but up to +count+ messages that are there; none when the time is over.
    def take_many(handle, count, timeout)
      await(handle, Deadline.new(timeout)) { @messages.shift(count) unless @messages.empty? } || []
    end

    def empty?
      @messages.empty?
    end

    # Drops what is there.
    def clear
      @messages.clear
    end

    # What runs the handler, if there is one.
    attr_accessor :processors

    # Before a close: ends what runs until then, such as a handler, which gets no further message.
    def stop
      @lock.synchronize do
        @stopped = true
        @messages.clear if @processors
        @changed.broadcast
      end
      @processors&.stop
    end

    def stopped?
      @stopped
    end

    # Takes the next message that is there.
    def shift
      @messages.shift
    end

    # Adds the message that C wrote to +out+, if it did.
    def put(out)
      @messages.concat(Delivery.messages(out, 1, keep: @keep)) unless out.read_pointer.null?
    end

    # Ends the receive of C that is under way. What it brought is there.
    def finish(handle)
      return unless @requested

      @lock.synchronize do
        Native.call(@interrupt, handle) if @requested
        @changed.wait(@lock) while @requested
      end
    end

    # Runs a block, such as a seek, while no receive is under way.
    def hold(handle)
      @holding.synchronize do
        @held = true
        finish(handle)
        yield
      ensure
        @lock.synchronize do
          @held = false
          @changed.broadcast
        end
      end
    end

    # Called by C.
    def received(status, messages, count, error)
      @lock.synchronize do
        @requested = false
        if status.zero?
          @messages.concat(Delivery.messages(messages, count, keep: @keep))
        elsif status != Raw::TIMEOUT && status != Raw::INTERRUPTED
          @failure = Error.from(status, error)
        end
        @changed.broadcast
      end
    end

    private

    # Whether the handler is to receive nothing more.
    def over?
      @stopped && @processors
    end

    # Waits until the block has something, and returns it; nil when the time is over.
    def await(handle, deadline)
      @lock.synchronize do
        @failure = nil
        loop do
          return if over?

          found = yield
          return found if found
          raise @failure if @failure

          request(handle) unless @requested || @held
          return if deadline.over?

          @changed.wait(@lock, deadline.left)
        end
      end
    end

    def request(handle)
      number = Callbacks.add(self)
      @requested = true
      Native.call(@receive_async, handle, @most, -1, RECEIVED, number, nil)
    rescue Exception => error # rubocop:disable Lint/RescueException -- an interrupt may come after C has begun
      @requested = false
      # Only after an error of C is it certain that nothing comes.
      Callbacks.remove(number) if error.is_a?(Error)
      raise
    end
  end
end
