# frozen_string_literal: true

require_relative "native"

module Stargate
  # Where a message is stored. Ids are ordered, can be keys of a Hash, and can be stored as their text.
  #
  #   MessageId.new(text) == message.id
  class MessageId
    include Comparable

    # The id in base64. The ids of one message can differ as text between producer and consumer; compare ids.
    attr_reader :to_s

    # Takes an id in base64. The library checks its form when the id is used.
    def initialize(text)
      text = text.to_str
      @to_s = text.frozen? ? text : text.dup.force_encoding(Encoding::UTF_8).freeze
    end

    # Compares the positions. Across the partitions of a topic it is only a fixed order, not one of time.
    def <=>(other)
      return unless other.is_a?(MessageId)

      Native.get(:int32, :stargate_message_id_compare, @to_s, other.to_s)
    end

    def eql?(other) # :nodoc:
      self == other
    end

    def hash # :nodoc:
      parts.hash
    end

    # The number of the ledger.
    def ledger = parts[0]

    # The number of the entry in its ledger.
    def entry = parts[1]

    # The number of the partition, or nil.
    def partition = parts[2]

    # The place in its batch, or nil.
    def batch_index = parts[3]

    def inspect # :nodoc:
      "#<Stargate::MessageId #{@to_s}>"
    end

    private

    def parts
      out = [FFI::MemoryPointer.new(:uint64, 2), FFI::MemoryPointer.new(:int32, 2)]
      Native.call(:stargate_message_id_parts, @to_s, out[0], out[0] + 8, out[1], out[1] + 4)
      out[0].read_array_of_uint64(2) + out[1].read_array_of_int32(2).map { |number| number unless number.negative? }
    end
  end
end
