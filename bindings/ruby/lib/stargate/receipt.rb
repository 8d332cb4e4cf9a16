# frozen_string_literal: true

require_relative "completion"
require_relative "message_id"

module Stargate
  # The outcome of a message that was sent with Producer#send_async, as soon as it is known.
  class Receipt < Completion
    # The function that C calls.
    SENT = Callbacks.function(:stargate_sent_fn, once: true) do |receipt, status, id, length, error| # :nodoc:
      receipt.sent(status, id, length, error)
    end

    # The producer is kept until the receipt is there.
    def initialize(producer, block) # :nodoc:
      super()
      @producer = producer
      @block = block if block # an object of Ruby has room for three values without further memory
    end

    # Waits for the receipt, and returns the id of the message; nil for a duplicate, which the broker had already.
    # Raises the error that the message ended with, and TimeoutError after +timeout+ seconds.
    def value(timeout: nil)
      wait(timeout: timeout) or raise TimeoutError, "send to #{@producer.topic}: no receipt in time; " \
                                                     "the message may still be stored"
      raise error if error

      message_id
    end

    # Waits for the receipt, and returns itself, or nil after +timeout+ seconds.
    def wait(timeout: nil)
      return self if done?

      @producer.client.check_process
      super(Deadline.new(timeout)) ? self : nil
    end

    # Whether the message has its receipt, or has failed.
    def done? = super

    # The error that the message ended with, once it has; otherwise nil.
    def error = super

    # The id of the message, once the broker has it; otherwise nil.
    def message_id
      outcome = @outcome # read once: another thread may replace the text with its id meanwhile
      outcome = @outcome = MessageId.new(outcome) if outcome.is_a?(String)
      outcome if outcome.is_a?(MessageId)
    end

    def sent(status, id, length, error) # :nodoc:
      return settle(Error.from(status, error)) unless status.zero?

      settle(id.null? ? true : id.read_bytes(length))
    end

    # Takes the outcome: an id, its text, true for a duplicate, or an error.
    def settle(outcome) # :nodoc:
      complete(outcome)
      return unless @block

      block = @block
      @block = nil
      @producer.client.resources.dispatcher.run { block.call(self) }
    end
  end
end
