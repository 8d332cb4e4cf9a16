# frozen_string_literal: true

require_relative "completion"

module Stargate
  # What C opened: a producer, a consumer or a reader. C frees it when the object is collected.
  class Handle
    # The client that opened it.
    attr_reader :client # it is kept as long as this

    # Takes the handle of C.
    def initialize(client, pointer, options) # :nodoc:
      @client = client
      @pointer = pointer
      @options = options
      ObjectSpace.define_finalizer(self, self.class.releaser(pointer))
      return unless options.functions?

      client.resources.listen(options)
      ObjectSpace.define_finalizer(self, Handle.unlistener(client.resources, options))
    end

    class << self
      # The name in C, such as "producer".
      def role # :nodoc:
        @role ||= name.split("::").last.downcase
      end

      # Frees the handle of C without waiting for anything, as a finalizer must.
      def releaser(pointer) # :nodoc:
        release = Raw.method(:"stargate_#{role}_release")
        proc { release.call(pointer) }
      end

      # Ends the functions among the options of a handle that was collected.
      def unlistener(resources, options) # :nodoc:
        proc { resources.unlisten(options) }
      end

      # Opens a handle: <tt>arguments</tt> are those of C between the client and the options.
      def open(client, function, arguments, options) # :nodoc:
        options = Options.new(options, client.resources.dispatcher)
        operation = Operation.start(client.resources, function, client, *arguments, options, -1) do |pointer|
          new(client, pointer, options)
        end
        opened = operation.result
      ensure
        options.close if options.is_a?(Options) && opened.nil?
      end
    end

    # The full name of the topic.
    def topic
      Native.view(c(:topic), @pointer)
    end

    # Waits until it is connected, for example after an open with the option +lazy+.
    def wait_connected(timeout: nil)
      millis = Native.millis(timeout)
      Native.wait { Native.call(c(:wait_connected), @pointer, millis) }
      self
    end

    # Whether all its connections are up now.
    def connected?
      Raw.public_send(c(:is_connected), @pointer) == 1
    end

    # The counters, by their names. docs/statistics.md describes them.
    def stats
      Native.json(c(:stats_json), @pointer).transform_keys(&:to_sym)
    end

    # Closes it, within +timeout+ seconds. A second close does nothing.
    def close(timeout: 10)
      deadline = Deadline.new(timeout)
      Operation.start(client.resources, c(:close_async), @pointer, Native.millis(timeout)).result(deadline.with_grace)
      client.resources.dispatcher.catch_up(deadline)
      client.resources.unlisten(@options)
      @closed = true
      nil
    end

    # Whether #close has ended.
    def closed?
      @closed || false
    end

    # Closes it in the background, for one that nobody waits for any more.
    def abandon # :nodoc:
      Operation.start(client.resources, c(:close_async), @pointer, 0)
    rescue Error
      nil # the client is closed, and this with it
    end

    def inspect # :nodoc:
      "#<#{self.class} of #{topic}#{" closed" if closed?}>"
    end

    # The handle of C, for its functions.
    def to_ptr # :nodoc:
      @pointer
    end

    private

    # An option by its name, inherited or the default.
    def option(name)
      @options[name] || client.resources.option(name) || Options.default(name)
    end

    # The name of a function of this role in C.
    def c(function)
      :"stargate_#{self.class.role}_#{function}"
    end
  end
end
