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
  # the option +enable_retry+; without it, it is as NACK.
  def self.reconsume_later(delay)
    Outcome.new("reconsume later", delay)
  end

  # The threads that run a handler.
  class Processors # :nodoc:
    # How many messages wait for a processor, where the key decides which.
    WAITING = 10

    def initialize(receiver, inbox, handler, count, ordering)
      @receiver = receiver
      @inbox = inbox
      handlers = Array.new(count) { handler.is_a?(Class) ? handler.new : handler }
      @threads = ordering == "key" && count > 1 ? by_key(handlers) : handlers.map { |one| start(one) { next_message } }
    end

    # Waits until the handler has finished its messages; but not for the one that calls this.
    def finish(deadline)
      join(deadline)
    rescue Error
      nil # it had ended before
    end

    # Waits until all have ended, and raises what ended them. Returns whether they have.
    def join(deadline)
      ended = (@threads - [Thread.current]).all? { |thread| thread.join(deadline.left) }
      raise @failure if ended && @failure && !@failure.is_a?(ClosedError)

      ended
    end

    private

    def start(handler)
      Thread.new do
        while (message = yield)
          work(handler, message)
        end
      end.tap { |thread| thread.name = "stargate-handler" }
    end

    # A thread that receives, and one for each processor, which gets the messages of its keys.
    def by_key(handlers)
      queues = handlers.map { Thread::SizedQueue.new(WAITING) }
      number = 0
      receiving = Thread.new do
        while (message = next_message)
          queues[(message.key || number += 1).hash % queues.size].push(message)
        end
      ensure
        queues.each(&:close)
      end
      handlers.zip(queues).map { |handler, queue| start(handler) { queue.pop } } << receiving
    end

    # The next message; nil when there is none any more.
    def next_message
      @inbox.take(@receiver, nil)
    rescue Error => error
      Callbacks.report(error) unless error.is_a?(ClosedError)
      @failure = error
      nil
    end

    def work(handler, message)
      settle(message, handle(handler, message))
    rescue Error => error
      Callbacks.report(error) unless error.is_a?(ClosedError)
    end

    def handle(handler, message)
      handler.call(message)
    rescue StandardError => error
      Callbacks.report(error)
      NACK
    end

    def settle(message, outcome)
      return unless @receiver.is_a?(Consumer)

      case outcome
      when CONTINUE then nil
      when NACK then @receiver.nack(message)
      when Outcome then @receiver.reconsume_later(message, outcome.delay)
      else @receiver.ack(message)
      end
    rescue InvalidArgumentError
      raise unless outcome.is_a?(Outcome) && outcome.delay

      @receiver.nack(message) # it cannot be scheduled
    end
  end
end
