# frozen_string_literal: true

require_relative "native"
require_relative "state_change"
require_relative "suppliers"

module Stargate
  # The options of a client and of what it opens, as C takes them. docs/configuration.md describes them; the library
  # checks them. Times are in seconds here and in milliseconds there.
  class Options # :nodoc:
    # The functions among the options: what registers each.
    FUNCTIONS = {
      on_state: StateListener, token_supplier: TokenSupplier, headers_supplier: HeadersSupplier,
      crypto_key_reader: KeySupplier, logger: LogListener
    }.freeze

    class << self
      # The description of an option by its name or alias, or nil.
      def find(name)
        @table ||= JSON.parse(Native.view(:stargate_options_describe)).each_with_object({}) do |option, table|
          [option["key"], *option["aliases"]].each { |key| table[key] = option }
        end
        @table[name.to_s]
      end

      # The value of an option as JSON takes it.
      def value(name, value)
        return Native.millis(value, name) if time?(name) && !value.is_a?(String)

        case value
        when String, Integer, Float, Hash, true, false then value
        when Symbol, MessageId then value.to_s
        when Array then value.map { |item| item.respond_to?(:to_path) ? item.to_path : item.to_s }.join(",")
        else path(name, value)
        end
      end

      # The default of an option, times in seconds.
      def default(name)
        default = find(name)["default"]
        time?(name) ? Integer(default) / 1000.0 : default
      end

      private

      def time?(name)
        find(name)&.fetch("type") == "millis"
      end

      def path(name, value)
        return value.to_path if value.respond_to?(:to_path)

        raise TypeError, "#{name}: expected a String, Symbol, Numeric or boolean, got #{value.class}"
      end
    end

    # Takes options by name. Functions for changes of state run on the thread of +dispatcher+.
    def initialize(given, dispatcher)
      @pointer = FFI::AutoPointer.new(Raw.stargate_options_new, Raw.method(:stargate_options_free))
      @given = given.compact
      functions, values = @given.partition { |name, _| FUNCTIONS.key?(name) }
      set(values) unless values.empty?
      @listeners = functions.map { |name, function| FUNCTIONS.fetch(name).new(@pointer, function, dispatcher) }
    end

    # An option that was given, or nil.
    def [](name)
      @given[name]
    end

    # Whether there are functions among them.
    def functions?
      !@listeners.empty?
    end

    # Ends the functions, once what was opened with these options is closed.
    def close
      @listeners.each(&:close)
    end

    # Runs callbacks only when they are polled.
    def poll_callbacks
      Native.call(:stargate_options_poll_callbacks, @pointer)
    end

    def to_ptr
      @pointer
    end

    private

    def set(values)
      json = values.to_h { |name, value| [name.to_s, Options.value(name, value)] }
      Native.call(:stargate_options_set_json, @pointer, JSON.generate(json))
      # The library checked it. It is Processors that keeps the order, with what the library lets it receive.
      Native.call(:stargate_options_set, @pointer, "ordering", "none") if json["ordering"] == "key"
    end
  end
end
