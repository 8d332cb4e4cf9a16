# frozen_string_literal: true

require_relative "completion"

module Stargate
  # What a handler decides about a message.
  class Outcome
    # The seconds after which it is redelivered, for Stargate.reconsume_later.
    attr_reader :delay # :nodoc:

    def initialize(name, delay = nil) # :nodoc:
      @name = name
      @delay = delay
      freeze
    end

    def inspect # :nodoc:
      "#<Stargate::Outcome #{@name}>"
    end
  end

  # The outcome of a handler with which the broker redelivers the message, after the option +negative_ack_delay+.
  NACK = Outcome.new("nack")
  # The outcome of a handler with which the application acknowledges the message later.
  CONTINUE = Outcome.new("continue")

  # The outcome of a handler with which the retry letter topic redelivers the message after this many seconds. It needs
  # the option +enable_retry+; without it, and if the topic cannot store the message, it is as NACK.
  def self.reconsume_later(delay)
    Outcome.new("reconsume later", Float(delay))
  end

  # The threads that run a handler.
  class Processors # :nodoc:
    # How many messages wait for a processor, where the key decides which.
    WAITING = 10

    # Runs a block that closes a receiver or a client, and so waits until its handlers have finished their message. In
    # such a handler the block runs on a thread of its own.
    def self.outside(closed, &close)
      processors = Thread.current.thread_variable_get(:stargate_processors)
      processors&.of?(closed) ? processors.close_later(&close) : yield
    end

    def initialize(receiver, inbox, handler, count, ordering)
      @receiver = receiver
      @inbox = inbox
      handlers = Array.new(count) { handler.is_a?(Class) ? handler.new : handler }
      @lanes = ordering == "key" && count > 1 ? handlers.map { Thread::SizedQueue.new(WAITING) } : []
      @closing = []
      @lock = Mutex.new
      @lock.synchronize do
        inbox.processors = self
        @threads = handlers.zip(@lanes).map { |one, lane| start(one, lane) }
        @threads << Thread.new { distribute } unless @lanes.empty?
      end
    end

    # Whether these are the processors of a receiver, or of one of a client.
    def of?(owner)
      [@receiver, @receiver.client].include?(owner)
    end

    # Drops what waits for a processor.
    def stop
      @lanes.each { |lane| lane.close.clear }
    end

    # Runs a block on a thread of its own.
    def close_later(&close)
      @closing << Thread.new { Callbacks.guard(&close) }
      @closing.last.name = "stargate-close"
    end

    # Waits until the handler has finished its messages; but not for the one that calls this. Returns whether it has.
    def finish(deadline)
      threads = @lock.synchronize { @threads } # they may still begin
      (threads - [Thread.current]).all? { |thread| thread.join(deadline.left) }
    end

    # As finish, but also waits for a close in the handler, and raises what ended it.
    def join(deadline)
      ended = finish(deadline) && @closing.all? { |thread| thread.join(deadline.left) }
      raise @failure if ended && @failure && !@failure.is_a?(ClosedError)

      ended
    end

    private

    # A processor, which receives, or gets the messages of its keys from a lane.
    def start(handler, lane)
      Thread.new do
        Thread.current.thread_variable_set(:stargate_processors, self)
        while (message = lane ? lane.pop : next_message)
          work(handler, message)
        end
      ensure
        leave(lane) if lane
      end.tap { |thread| thread.name = "stargate-handler" }
    end

    # Receives, and puts each message into the lane of its key.
    def distribute
      number = 0
      while (message = next_message)
        begin
          @lanes[(message.key || number += 1).hash % @lanes.size].push(message)
        rescue ClosedQueueError
          nack(message) unless @inbox.stopped? # its processor was killed
        end
      end
    ensure
      @lanes.each(&:close)
    end

    # Gives back what waits for a processor that was killed.
    def leave(lane)
      lane.close
      while (message = lane.pop)
        nack(message)
      end
    end

    # The next message; nil when there is none any more.
    def next_message
      @inbox.take(@receiver, nil)
    rescue Error => error
      Callbacks.report(error) unless error.is_a?(ClosedError)
      @failure = error
      nil
    end

    # Passes a message to the handler. It is given back if its outcome cannot be carried out, or the thread is killed.
    def work(handler, message)
      settle(message, Callbacks.guard(NACK) { handler.call(message) })
      settled = true
    rescue ClosedError
      settled = true # the broker redelivers it
    rescue Error => error
      Callbacks.report(error) unless error.is_a?(InvalidArgumentError) # there is no retry letter topic
    ensure
      nack(message) unless settled
    end

    def settle(message, outcome)
      return unless @receiver.is_a?(Consumer)

      case outcome
      when CONTINUE then nil
      when NACK then @receiver.nack(message)
      when Outcome then @receiver.reconsume_later(message, outcome.delay)
      else @receiver.ack(message)
      end
    end

    def nack(message)
      settle(message, NACK)
    rescue Error
      nil # it is closed, and the broker redelivers it
    end
  end
end
