# frozen_string_literal: true

require_relative "native"

module Stargate
  # Messages to send, as C takes them: an array of structs, and the memory that they point into.
  class Outgoing # :nodoc:
    # Of a struct, whose fields have eight bytes each.
    SIZE = Raw::Outgoing.size
    # The fields after the payload, of a message with nothing else.
    NOTHING = [0] * ((SIZE - Raw::Outgoing.offset_of(:key)) / 8)

    # Checks a payload.
    def self.payload(payload)
      String.try_convert(payload) or raise TypeError, "payload: expected a String, got #{payload.class}"
    end

    # Milliseconds of a delay; 0 for none.
    def self.delay(seconds)
      seconds ? Native.millis(seconds, "deliver_after") : 0
    end

    # The properties of a message as the flat send takes them: names and values in turn, each with a 0 at its end.
    def self.flatten(properties)
      properties.flat_map { |pair| pair.map { |text| "#{Native.text_for("properties", text)}\0".b } }.join
    end

    # As new, but says of any message that cannot be converted that it is invalid.
    def self.of(messages)
      new(messages)
    rescue Error
      raise
    rescue StandardError => error
      raise InvalidArgumentError, error.message[/.*/] # without the hints of Ruby
    end

    attr_reader :count

    # Takes messages: Strings, or Hashes of a payload and the keywords of Producer#send.
    def initialize(messages)
      payloads = messages.map { |message| Outgoing.payload(message.is_a?(Hash) ? message.fetch(:payload) : message) }
      @count = messages.size
      @memory = [memory_of(payloads.map(&:b).join)] # what the structs point to
      @sizes = payloads.map(&:bytesize)
      address = @memory[0].address
      words = []
      @count.times do |index|
        words.push(SIZE, address, length = @sizes[index])
        message = messages[index]
        message.is_a?(Hash) ? words.concat(rest(index, **message)) : words.concat(NOTHING)
        address += length
      end
      @structs = memory_of(words.pack("Q*"))
    end

    # The structs from this one on.
    def from(index)
      @structs + (index * SIZE)
    end

    # How much room a message takes.
    def bytes(index)
      @sizes[index]
    end

    def to_ptr
      @structs
    end

    private

    # The fields after the payload.
    def rest(index, payload:, key: nil, properties: nil, event_time: nil, deliver_at: nil, deliver_after: nil,
             replication_clusters: nil)
      texts = properties ? properties.to_a.flatten(1) : []
      clusters = Array(replication_clusters)
      @sizes[index] += key.to_s.bytesize + texts.sum { |text| text.to_s.bytesize }
      [key ? text_at("key", key) : 0, texts_at("properties", texts), texts.size / 2, 0,
       Native.time_millis(event_time), Native.time_millis(deliver_at), Outgoing.delay(deliver_after),
       texts_at("replication_clusters", clusters), clusters.size]
    end

    def text_at(what, text)
      @memory << FFI::MemoryPointer.from_string(Native.text_for(what, text))
      @memory.last.address
    end

    def texts_at(what, texts)
      return 0 if texts.empty?

      @memory << memory_of(texts.map { |text| text_at(what, text) }.pack("Q*"))
      @memory.last.address
    end

    def memory_of(bytes)
      FFI::MemoryPointer.new(:char, bytes.bytesize + 1, false).put_bytes(0, bytes)
    end
  end
end
