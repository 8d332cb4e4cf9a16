# frozen_string_literal: true

require_relative "callbacks"

module Stargate
  # What ends once, and can be waited for. A wait ends at once with Thread#kill, Timeout.timeout and Ctrl-C.
  class Completion # :nodoc:
    LOCK = Mutex.new

    def done?
      @outcome ? true : false
    end

    # The exception that it ended with, or nil.
    def error
      @outcome if @outcome.is_a?(StandardError)
    end

    # Ends it, with an exception or with anything else but nil and false.
    def complete(outcome = true)
      @outcome = outcome
      # A thread that waits has set the condition before it looked whether this is done.
      LOCK.synchronize { @condition.broadcast } if @condition
    end

    # Waits until it is done, and returns whether it is.
    def wait(deadline)
      return true if @outcome

      LOCK.synchronize do
        @condition ||= ConditionVariable.new
        until @outcome
          return false if deadline.over?

          @condition.wait(LOCK, deadline.left)
        end
      end
      true
    end
  end

  # When a wait ends.
  class Deadline # :nodoc:
    # Takes seconds; nil waits without limit.
    def initialize(seconds)
      millis = Native.millis(seconds)
      @at = now + (millis / 1000.0) unless millis.negative?
    end

    # A little later, for what C ends at the deadline.
    def with_grace
      Deadline.new(left && (left + 1))
    end

    # The seconds that are left; nil without limit.
    def left
      [@at - now, 0].max if @at
    end

    def over?
      @at ? @at <= now : false
    end

    private

    def now
      ::Process.clock_gettime(::Process::CLOCK_MONOTONIC)
    end
  end

  # The end of an open, close, flush or wait that C carries out.
  class Operation < Completion # :nodoc:
    DONE = Callbacks.function(:stargate_done_fn, once: true) do |operation, status, handle, error|
      operation.ended(status, handle, error)
    end

    # Starts a function of C, and returns its operation. A block makes an object of the new handle.
    def self.start(resources, name, *arguments, &wrap)
      operation = new(&wrap)
      number = Callbacks.add(operation)
      begin
        Native.call(name, *arguments, DONE, number, nil)
      rescue StandardError
        Callbacks.remove(number)
        raise
      end
      resources.events.expect
      operation
    end

    def initialize(&wrap)
      super()
      @wrap = wrap
    end

    def ended(status, handle, error)
      return complete(Error.from(status, error)) unless status.zero?

      @result = @wrap.call(handle) if @wrap
      @result&.abandon if @abandoned
      complete
    end

    # Waits for its end, and returns what it made. If the wait is interrupted, what comes is given up.
    def result(deadline = Deadline.new(nil))
      returned = false
      wait(deadline) or raise TimeoutError, "it did not end in time, and goes on in the background"
      returned = true
      raise error if error

      @result
    ensure
      abandon unless returned
    end

    private

    def abandon
      @abandoned = true
      @result&.abandon
    end
  end
end
