# frozen_string_literal: true

require_relative "callbacks"

module Stargate
  # A function of the application that a thread of the library calls, through a thread of Ruby.
  class Supplier # :nodoc:
    def initialize(options, function, _dispatcher)
      @function = function
      @number = Callbacks.add(self)
      register(options)
    rescue StandardError
      close
      raise
    end

    # Nothing is called any more.
    def close
      Callbacks.remove(@number)
    end

    private

    # Writes a text where C has room for it.
    def fill(text, buffer, capacity, length)
      length.put_uint64(0, text.bytesize)
      return Raw::TOO_BIG if text.bytesize > capacity

      buffer.put_bytes(0, text)
      Raw::OK
    end
  end

  # Supplies the token of each connection.
  class TokenSupplier < Supplier # :nodoc:
    CALL = Callbacks.function(:stargate_token_fn, failure: Raw::INTERNAL) do |supplier, buffer, capacity, length|
      supplier.supply(buffer, capacity, length)
    end

    def supply(buffer, capacity, length)
      fill(Native.text_for("token_supplier", @function.call), buffer, capacity, length)
    end

    private

    def register(options)
      Native.call(:stargate_options_on_token, options, CALL, @number, nil)
    end
  end

  # Supplies the headers of each connection and request.
  class HeadersSupplier < Supplier # :nodoc:
    CALL = Callbacks.function(:stargate_headers_fn, failure: Raw::INTERNAL) do |supplier, buffer, capacity, length|
      supplier.supply(buffer, capacity, length)
    end

    def supply(buffer, capacity, length)
      lines = @function.call.map { |name, value| "#{name}: #{value}" }
      fill(Native.text_for("headers_supplier", lines.join("\n")), buffer, capacity, length)
    end

    private

    def register(options)
      Native.call(:stargate_options_on_headers, options, CALL, @number, nil)
    end
  end

  # Supplies the keys of end-to-end encryption: an object with <tt>public_key(name)</tt>, which returns PEM or PEM and a
  # Hash of metadata, and <tt>private_key(name, metadata)</tt>, which returns PEM.
  class KeySupplier < Supplier # :nodoc:
    CALL = Callbacks.function(:stargate_key_fn, failure: Raw::CRYPTO) { |supplier, *asked| supplier.supply(*asked) }

    def supply(half, name, metadata, count, key)
      name = Native.read_text(name[:ptr].address, name[:len])
      found = half == Raw::PUBLIC_KEY ? @function.public_key(name) : @function.private_key(name, read(metadata, count))
      pem, added = found
      pem = String.try_convert(pem) or raise TypeError, "crypto_key_reader: expected PEM in a String"
      Native.call(:stargate_key_set, key, pem, pem.bytesize)
      (added || {}).each { |entry| Native.call(:stargate_key_add_metadata, key, *entry.map(&:to_s)) }
      Raw::OK
    end

    private

    def register(options)
      Native.call(:stargate_options_on_key, options, CALL, @number, nil)
    end

    def read(metadata, count)
      Array.new(count) do |index|
        entry = Raw::Property.new(metadata + (index * Raw::Property.size))
        [entry[:key], entry[:value]].map { |text| text.read_string.force_encoding(Encoding::UTF_8) }
      end.to_h
    end
  end

  # Writes the records of the library to a Logger.
  class LogListener < Supplier # :nodoc:
    CALL = Callbacks.function(:stargate_log_fn) { |listener, level, target, text| listener.write(level, target, text) }
    # The severity of Logger for each level of the library, which counts from 1 for errors to 4 for details.
    SEVERITY = [nil, 3, 2, 1, 0].freeze

    def write(level, target, text)
      target, text = [target, text].map { |view| Native.read_text(view[:ptr].address, view[:len]) }
      @function.add(SEVERITY.fetch(level, 0), "#{target}: #{text}", "stargate")
    end

    private

    def register(options)
      Native.call(:stargate_options_on_log, options, (4 - @function.level).clamp(1, 4), CALL, @number, nil)
    end
  end
end
