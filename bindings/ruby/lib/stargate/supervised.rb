# frozen_string_literal: true

require_relative "handle"

module Stargate
  # A producer, consumer or reader of a supervisor: it is opened, watched, and opened again after a permanent error.
  class Supervised # :nodoc:
    # The seconds between a failure and the next attempt.
    PAUSE = 0.5

    # Takes a block that opens it, and passes changes of state on to the function that it receives. +logger+ is a Logger
    # or nil.
    def initialize(what, max_restarts:, max_seconds:, logger:, &open)
      @what = what
      @max_restarts = max_restarts
      @max_seconds = max_seconds
      @logger = logger
      @open = open
      @restarts = []
      ended = attempt
      @thread = Thread.new { watch(ended) }
      @thread.name = "stargate-supervisor"
    end

    # What is open now; raises the error that it ended with.
    def handle
      failure = @failure
      raise failure if failure

      @handle
    end

    # Whether it was given up, or closed by the application.
    def over?
      !@thread.alive? || @handle.closed?
    end

    # Opens it no more.
    def stop
      @thread.kill
      @thread.join unless @thread == Thread.current
    end

    # Closes it.
    def discard
      stop
      close
    end

    private

    # Opens it, and returns the queue that receives what ends it.
    def attempt
      ended = Thread::Queue.new
      @handle = @open.call(->(change) { ended << change.error if change.state == :failed })
      @failure = nil
      ended
    end

    def watch(ended)
      ended = reopen(ended.pop) while ended
    end

    # As attempt, after the handle has failed; nil once it has failed too often.
    def reopen(error)
      loop do
        @failure = error
        note(:error, "failed: #{error.message}")
        unless restart?
          note(:error, "was given up after #{@restarts.size} restarts")
          return
        end

        sleep(PAUSE)
        close
        return attempt.tap { note(:warn, "was restarted") }
      rescue StandardError, ScriptError => again # also what the class of a handler raises
        error = again
      end
    end

    # Counts a restart; false if there were too many.
    def restart?
      now = ::Process.clock_gettime(::Process::CLOCK_MONOTONIC)
      @restarts.reject! { |at| now - at >= @max_seconds }
      @restarts.size < @max_restarts && @restarts << now
    end

    # Closes what is open, or has failed.
    def close
      @handle.close(timeout: 1)
    rescue Error
      nil # a handler that still runs goes on to the end of its message
    end

    def note(severity, text)
      @logger&.public_send(severity, "stargate") { "#{@what} #{text}" }
    end
  end
end
