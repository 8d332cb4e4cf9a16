# frozen_string_literal: true

require "io/wait"
require_relative "completion"

module Stargate
  # The thread of a client on which C calls back. It runs nothing of the application. It waits for the descriptor of the
  # client and polls, until the client is closed and nothing is promised any more, or the client was collected.
  class Events # :nodoc:
    # Takes the client as C has it, which lives as long as the thread.
    def initialize(client)
      @client = client
      @io = IO.for_fd(Native.get(:int32, :stargate_client_event_fd, client), autoclose: false)
      @served = FFI::MemoryPointer.new(:size_t)
      @lock = Mutex.new
      expect
    end

    # Makes sure that the thread runs, once C has promised a call.
    def expect
      @lock.synchronize do
        return if @running

        @running = true
        @thread = Thread.new { Thread.handle_interrupt(Object => :never) { run } }
        @thread.name = "stargate-events"
      end
    end

    # Ends the thread. It never waits, so that finalizers may call it.
    def stop
      @thread.kill
    end

    private

    # No interrupt reaches a callback, which could not be unwound: only the wait ends early.
    def run
      while serve || @lock.synchronize { @running = serve }
        Thread.handle_interrupt(Object => :immediate) { @io.wait_readable }
      end
    end

    # Runs what is due, and returns whether more can come. It holds the lock of the interpreter, as it waits for
    # nothing.
    def serve
      loop do
        return false unless Raw.stargate_client_poll_at_once(@client, 0, @served, nil).zero?
        return true if @served.get_uint64(0).zero?
      end
    end
  end

  # The thread of a client for functions of the application: changes of state, and the blocks of sends. It begins with
  # the first of them.
  class Dispatcher # :nodoc:
    def initialize
      @jobs = Thread::Queue.new
      @lock = Mutex.new
    end

    # Runs a block later, after those before it.
    def run(&job)
      start unless @thread
      @jobs.push(job)
    rescue ClosedQueueError
      nil # the client was closed, or given up
    end

    # Waits until what was given before has run; not on the thread itself.
    def catch_up(deadline)
      return if @thread.nil? || Thread.current == @thread || !@thread.alive?

      passed = Completion.new
      run { passed.complete }
      passed.wait(deadline)
    end

    # Lets the thread end once it has run everything. It never waits, so that finalizers may call it.
    def stop
      @jobs.close
    end

    private

    # The thread may begin on that for events; but here interrupts are welcome.
    def start
      @lock.synchronize do
        @thread ||= Thread.new { Thread.handle_interrupt(Object => :immediate) { work } }
        @thread.name = "stargate-callbacks"
      end
    end

    def work
      while (job = @jobs.pop)
        Callbacks.guard(&job)
      end
    end
  end
end
