# frozen_string_literal: true

require_relative "receiver"

module Stargate
  # Reads a topic from a position, without a subscription. After a reconnect it continues after the last message, with
  # neither a gap nor a replay. Many threads may use it at once.
  class Reader < Receiver
    # Whether the topic has a message that was not received yet.
    def message_available?
      return true unless @inbox.empty?

      Native.wait { Native.get(:int32, :stargate_reader_has_message_available, @pointer, -1) } == 1 || message_here?
    end

    # Reads to where the topic ends now, and passes each message to the block; without a block, returns an Enumerator.
    #
    #   reader.until_caught_up.map(&:payload)
    def until_caught_up
      return to_enum(:until_caught_up) unless block_given?

      wait_for(:mark_end, -1)
      while (message = before_end)
        yield message
      end
      self
    end

    private

    # The next message before the end that was marked; nil there.
    def before_end
      receiving
      @inbox.finish(self)
      fetch_before_end if @inbox.empty?
      @inbox.shift
    end

    # Puts the next message before the end into the inbox. If the wait is interrupted, what comes is for the next call.
    def fetch_before_end
      out = FFI::MemoryPointer.new(:pointer)
      # Nothing has to be waited for while messages are there.
      return @inbox.put(out) if Raw.stargate_reader_receive_before_end_at_once(@pointer, 0, out, nil).zero?

      begin
        ended = false
        Native.wait do
          Native.call(:stargate_reader_receive_before_end, @pointer, -1, out)
          @inbox.put(out)
        rescue InterruptedError
          retry unless ended # an interrupt of an earlier receive
        end
        returned = true
      ensure
        ended = true
        Native.call(:stargate_reader_interrupt, @pointer) unless returned
      end
    end
  end
end
