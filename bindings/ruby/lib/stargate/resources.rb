# frozen_string_literal: true

require_relative "events"
require_relative "processes"

module Stargate
  # What a client has: the client of C, threads, and what its receivers hold. It does not know the Client, and so does
  # not keep it: the end of a client that was not closed gives them up.
  class Resources # :nodoc:
    attr_reader :events, :dispatcher

    def initialize(url, options, dispatcher)
      @options = options
      @dispatcher = dispatcher
      @pointer = Native.get(:pointer, :stargate_client_new, url, options)
      ObjectSpace.define_finalizer(self, Resources.releaser(@pointer))
      @events = Events.new(self)
      @inboxes = {}.compare_by_identity
      @listening = {}.compare_by_identity
      Processes.opened(self)
    end

    # Frees the client of C.
    def self.releaser(pointer)
      proc { Raw.stargate_client_release(pointer) }
    end

    # Gives up the resources of a client that was collected.
    def self.abandoner(resources)
      proc { resources.abandon }
    end

    # An option that what the client opens inherits, or nil.
    def option(name)
      @options[name]
    end

    # Keeps an inbox, as long as its receiver is in use.
    def add(inbox)
      @inboxes[inbox] = true
    end

    # Forgets an inbox.
    def remove(inbox)
      @inboxes.delete(inbox)
    end

    # Keeps the options of a handle that have functions.
    def listen(options)
      @listening[options] = true
    end

    # Ends the functions among the options of a handle.
    def unlisten(options)
      @listening.delete(options)
      options.close
    end

    # Drops all that was received, in a child after fork.
    def clear
      @inboxes.each_key(&:clear)
    end

    # Ends the handlers, after their message at hand.
    def stop
      @inboxes.keys.each(&:stop)
    end

    # Closes everything that the client opened.
    def close(deadline)
      stop
      @inboxes.keys.each { |inbox| inbox.processors&.finish(deadline) }
      closing = Operation.start(self, :stargate_client_close_async, self, Native.millis(deadline.left))
      closing.result(deadline.with_grace)
      @dispatcher.catch_up(deadline)
      @dispatcher.stop
      end_functions
      clear
      Processes.closed(self)
    end

    # Gives everything up. It never waits, as finalizers must not.
    def abandon
      Processes.closed(self)
      @events.stop
      @dispatcher.stop
      end_functions
    end

    # The client of C, for its functions.
    def to_ptr
      @pointer
    end

    private

    # Ends the functions among all options.
    def end_functions
      [@options, *@listening.keys].each(&:close)
      @listening.clear
    end
  end
end
