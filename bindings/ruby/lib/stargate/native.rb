# frozen_string_literal: true

require "json"
require_relative "error"

module Stargate
  # How the rest of the package calls C. What is named here without the prefix is a function of Raw.
  module Native # :nodoc:
    # A pointer to all memory, so that reading at an address makes no pointer. It begins at 1, as 0 is NULL.
    MEMORY = FFI::Pointer.new(1)

    module_function

    # Calls a function that can fail, without its last parameter, and raises its error.
    def call(name, *arguments)
      error = FFI::MemoryPointer.new(:pointer)
      status = Raw.public_send(name, *arguments, error)
      raise Error.take(status, error.read_pointer) unless status.zero?
    end

    # As call, for a function whose last parameter before the error is a result of this type.
    def get(type, name, *arguments)
      out = FFI::MemoryPointer.new(type)
      call(name, *arguments, out)
      out.get(type, 0)
    end

    # As get, for a text that is ours to free; nil where there is none.
    def text(name, *arguments)
      pointer = get(:pointer, name, *arguments)
      pointer.read_string.force_encoding(Encoding::UTF_8) unless pointer.null?
    ensure
      Raw.stargate_string_free(pointer)
    end

    # As text, parsed.
    def json(name, *arguments)
      text = text(name, *arguments)
      JSON.parse(text) if text
    end

    # The text that a function returns as a view; nil where there is none.
    def view(name, *arguments)
      view = Raw.public_send(name, *arguments)
      read_text(view[:ptr].address, view[:len])
    end

    # Bytes at an address.
    def read(address, length)
      length.zero? ? String.new : MEMORY.get_bytes(address - 1, length)
    end

    # Text at an address; nil at 0.
    def read_text(address, length)
      read(address, length).force_encoding(Encoding::UTF_8) unless address.zero?
    end

    # Runs a call that waits in C on a thread of its own. So Thread#kill, Timeout.timeout and Ctrl-C end the wait at
    # once; the call itself goes on to its end.
    def wait(&call)
      thread = Thread.new do
        Thread.handle_interrupt(Object => :never, &call)
      rescue StandardError => error
        error
      end
      thread.name = "stargate-call"
      outcome = thread.value
      return outcome unless outcome.is_a?(StandardError)

      outcome.set_backtrace(outcome.backtrace + caller(2)) # of the other thread, and of this one
      raise outcome, cause: nil
    end

    # Text for C: UTF-8, and without U+0000, at which C would cut it.
    def text_for(what, value)
      text = value.is_a?(Symbol) ? value.name : String.try_convert(value)
      raise TypeError, "#{what}: expected a String, got #{value.class}" unless text
      raise InvalidArgumentError, "#{what}: it must not contain U+0000" if text.include?("\0")

      text.encoding == Encoding::UTF_8 || text.encoding == Encoding::BINARY ? text : text.encode(Encoding::UTF_8)
    end

    # An array of texts for C, which lives as long as the result.
    def texts(what, values)
      texts = values.map { |value| FFI::MemoryPointer.from_string(text_for(what, value)) }
      array = FFI::MemoryPointer.new(:pointer, [texts.size, 1].max).write_array_of_pointer(texts)
      array.instance_variable_set(:@texts, texts)
      array
    end

    # Milliseconds for C, from seconds: a Numeric, or what can be made a Float, such as an ActiveSupport::Duration. nil
    # and infinity are without limit.
    def millis(seconds, what = "timeout")
      return -1 if seconds.nil?

      value = Float(seconds)
      if value.nan? || value.negative?
        raise InvalidArgumentError, "#{what}: expected seconds of 0 or more, got #{seconds}"
      end

      value > 1e12 ? -1 : (value * 1000).ceil
    end

    # Milliseconds since 1970, from a Time or a Numeric of seconds; 0 for nil.
    def time_millis(time)
      time ? (time.to_r * 1000).floor : 0
    end

    # The Time of milliseconds since 1970; nil for 0.
    def time(millis)
      Time.at(0, millis, :millisecond, in: "UTC") unless millis.zero?
    end
  end
end
