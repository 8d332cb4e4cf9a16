# frozen_string_literal: true

require_relative "completion"
require_relative "message_id"

module Stargate
  # The outcomes of messages that the library accepted together.
  class BatchReceipt < Completion # :nodoc:
    SENT = Callbacks.function(:stargate_sent_many_fn, once: true) do |receipt, _status, results, count|
      receipt.sent(results, count)
    end
    # A result in C: a status, a text and an error.
    ROW = "lx4QQ"

    class << self
      # The outcomes that C wrote: a MessageId, nil for a duplicate, or an Error each. They stay with C.
      def outcomes(results, count)
        rows(results, count).map do |status, id, error|
          next Error.from(status, FFI::Pointer.new(error)) unless status.zero?

          MessageId.new(Native::MEMORY.get_string(id - 1).force_encoding(Encoding::UTF_8).freeze) unless id.zero?
        end
      end

      # Whether any of them has an error of its own.
      def errors?(results, count)
        rows(results, count).any? { |_, _, error| error.nonzero? }
      end

      private

      def rows(results, count)
        results.read_bytes(count * Raw::SendResult.size).unpack(ROW * count).each_slice(3)
      end
    end

    # How many messages it is for.
    attr_accessor :count

    # Takes a function that receives the outcomes as soon as they are known.
    def initialize(&follower)
      super()
      @follower = follower
    end

    def sent(results, count)
      @results = BatchReceipt.outcomes(results, count)
      complete
      @follower&.call(@results)
    end

    # Waits, and returns a MessageId, nil for a duplicate, or the Error that it ended with, for each message.
    def results_by(deadline, topic)
      return @results if wait(deadline)

      text = "send to #{topic}: no receipt in time; the message may still be stored"
      Array.new(count) { TimeoutError.new(text, topic: topic, retriable: true) }
    end
  end
end
