# frozen_string_literal: true

require_relative "callbacks"

module Stargate
  # A change of state of a connection, which the option +on_state+ receives.
  #
  # +state+ is +:connecting+, +:connected+, +:disconnected+, +:stalled+, +:closed+ or +:failed+; +topic+ that of the
  # handle; +session+ the number of its connection; +host+ and +proxy+ what is connected to, or nil; +error+ the reason,
  # or nil; +retry_in+ the seconds until the next attempt, or nil when none follows.
  StateChange = Struct.new(:state, :topic, :session, :host, :proxy, :error, :retry_in, keyword_init: true) do
    class << self
      # What C passes, copied.
      def from(pointer) # :nodoc:
        fields = Raw::StateChange.new(pointer)
        delay = fields[:retry_in_ms]
        new(state: self::NAMES.fetch(fields[:state], :unknown), topic: text(fields[:topic]), session: fields[:session],
            host: text(fields[:host]), proxy: text(fields[:proxy]), error: error(fields[:error]),
            retry_in: (delay / 1000.0 unless delay.negative?)).freeze
      end

      private

      # A text; nil for an empty one.
      def text(view)
        text = Native.read_text(view[:ptr].address, view[:len])
        text unless text.nil? || text.empty?
      end

      def error(pointer)
        Error.from(Raw.stargate_error_status(pointer), pointer) unless pointer.null?
      end
    end
  end

  # The names of the states.
  StateChange::NAMES = Raw.constants.grep(/\ASTATE_/).to_h do |name|
    [Raw.const_get(name), name.name.delete_prefix("STATE_").downcase.to_sym]
  end.freeze

  # Calls a function for changes of state, on the thread for callbacks.
  class StateListener # :nodoc:
    CHANGED = Callbacks.function(:stargate_state_fn) { |listener, change| listener.changed(StateChange.from(change)) }

    def initialize(options, function, dispatcher)
      @function = function
      @dispatcher = dispatcher
      @number = Callbacks.add(self)
      Native.call(:stargate_options_on_state, options, CHANGED, @number, nil)
    end

    def changed(change)
      @dispatcher.run { @function.call(change) }
    end

    # Nothing is called any more.
    def close
      Callbacks.remove(@number)
    end
  end
end
