# frozen_string_literal: true

require_relative "callbacks"

module Stargate
  # What happens when a process forks or ends.
  module Processes # :nodoc:
    # How long the close of all clients may take when the process ends.
    SECONDS_AT_EXIT = 2

    @clients = {}.compare_by_identity
    @hooked = false

    class << self
      # Keeps the resources of a client, to be closed when the process ends.
      def opened(client)
        @clients[client] = true
        return if @hooked

        # With the first client and not before: hooks run last in, first out, and minitest runs the tests in one.
        @hooked = true
        at_exit { close_all }
      end

      # Forgets a client.
      def closed(client)
        @clients.delete(client)
      end

      # Nothing of the parent goes on in a child, and its messages belong to the parent.
      def forked
        Callbacks.clear
        @clients.each_key(&:clear)
        @clients.clear
      end

      private

      def close_all
        @hooked = false
        # Those that wait here now end with an error, and nobody is left to be told.
        (Thread.list - [Thread.current]).each { |thread| thread.report_on_exception = false }
        closing = @clients.keys.map do |client|
          Thread.new do
            client.close(Deadline.new(SECONDS_AT_EXIT))
          rescue Error
            nil # what could not be closed in time is given up
          end
        end
        closing.each { |thread| thread.join(SECONDS_AT_EXIT + 1) }
      end
    end

    # Ruby calls _fork for every way to fork but Process.daemon.
    module Fork
      def _fork
        pid = super
        Processes.forked if pid.zero?
        pid
      end

      def daemon(...)
        super.tap { Processes.forked }
      end
    end
    ::Process.singleton_class.prepend(Fork)
  end
end
