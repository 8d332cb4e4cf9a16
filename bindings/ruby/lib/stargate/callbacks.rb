# frozen_string_literal: true

require_relative "native"

module Stargate
  # What C calls later: a table of objects, whose numbers C passes back. One function of C's kind serves all of them.
  module Callbacks # :nodoc:
    @table = {}
    @last = 0

    class << self
      # Keeps an object, and returns its number.
      def add(object)
        # The interpreter lets no other thread in between, and a lock would cost each message a quarter of a
        # microsecond.
        number = (@last += 1)
        @table[number] = object
        number
      end

      # Returns the object of a number, and keeps it.
      def find(number)
        @table[number]
      end

      # Forgets an object, and returns it.
      def remove(number)
        @table.delete(number)
      end

      # Forgets everything, in a child after fork: nothing of the parent is called back there.
      def clear
        @table.clear
        # The gem's thread, which runs what threads of the library call, has ended. A new function starts it again.
        FFI::Function.new(:void, []) {}
      end

      # How many objects C may still call.
      def size
        @table.size
      end

      # Makes a function for C of one of the kinds that Raw declares. It runs +body+ with the object of the number and
      # the rest of the arguments, and returns what it returns. No exception leaves it.
      def function(kind, once: false, failure: nil, &body)
        type = Raw.find_type(kind)
        # Five are as many as any kind has; a splat would cost each call an Array.
        FFI::Function.new(type.result_type, type.param_types) do |number, one = nil, two = nil, three = nil, four = nil,
                                                                   five = nil|
          object = once ? @table.delete(number) : @table[number]
          object ? body.call(object, one, two, three, four, five) : failure
        rescue Exception => error # rubocop:disable Lint/RescueException -- nothing may unwind through C
          report(error)
          failure
        end
      end

      # Runs a block that calls a function of the application. What that raises is reported, and +failure+ is returned;
      # but an exit and a signal go on.
      def guard(failure = nil)
        yield
      rescue SystemExit, SignalException
        raise
      rescue Exception => error # rubocop:disable Lint/RescueException -- not all that can go wrong is a StandardError
        report(error)
        failure
      end

      # Tells that a function of the application failed, as threads of Ruby do.
      def report(error)
        warn("stargate: a callback failed: #{error.full_message(highlight: false)}")
      end
    end
  end
end
