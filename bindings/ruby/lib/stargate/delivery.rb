# frozen_string_literal: true

require_relative "message"

module Stargate
  # The messages that came together. Those of a consumer stay with C until they are acknowledged; C frees the rest when
  # all of them were collected.
  class Delivery # :nodoc:
    SIZE = Raw::MessageFields.size
    # How many words of eight bytes stargate_message_fields has, and which of them begin the fields.
    WORDS = SIZE / 8
    PUBLISH_TIME = Raw::MessageFields.offset_of(:publish_time_ms) / 8
    EVENT_TIME = Raw::MessageFields.offset_of(:event_time_ms) / 8
    COUNTS = Raw::MessageFields.offset_of(:redelivery_count) / 8
    ENCRYPTED = Raw::MessageFields.offset_of(:is_encrypted) / 8
    LOW = 0xffff_ffff
    NO_PROPERTIES = {}.freeze

    class << self
      # The messages of an array of C. Without +keep+, C frees them now.
      def messages(pointer, count, keep:)
        view = FFI::MemoryPointer.new(:char, SIZE * count)
        Native.call(:stargate_messages_view, pointer, count, view, SIZE)
        words = view.read_array_of_uint64(WORDS * count)
        delivery = new(words, keep ? pointer.read_array_of_pointer(count) : [])
        topics = {}
        messages = Array.new(count) { |index| message(delivery, index, words, index * WORDS, topics) }
        Raw.stargate_messages_free(pointer, count) unless keep
        messages
      end

      # Frees what is left, for a finalizer.
      def releaser(pointers)
        proc { pointers.each { |pointer| Raw.stargate_message_free(pointer) if pointer } }
      end

      private

      # The message whose pointers and lengths begin at a word: payload, id, topic, key, properties, encryption context.
      def message(delivery, index, words, at, topics)
        Message.new(
          delivery, index, Native.read(words[at], words[at + 1]), Native.read(words[at + 2], words[at + 3]),
          # Messages of one topic share its name.
          topics[words[at + 4]] ||= Native.read_text(words[at + 4], words[at + 5]).freeze,
          words[at + 6].zero? ? nil : Native.read_text(words[at + 6], words[at + 7]),
          words[at + 9].zero? ? NO_PROPERTIES : properties(words[at + 8], words[at + 9]),
          words[at + 10].zero? ? nil : Native.read_text(words[at + 10], words[at + 11])
        )
      end

      def properties(address, count)
        rows = Native.read(address, count * Raw::PropertyFields.size).unpack("Q*").each_slice(4)
        rows.to_h { |key, size, value, length| [Native.read_text(key, size), Native.read_text(value, length)] }.freeze
      end
    end

    def initialize(words, pointers)
      @words = words
      @pointers = pointers
      ObjectSpace.define_finalizer(self, Delivery.releaser(pointers)) unless pointers.empty?
    end

    def publish_time(index) = word(index, PUBLISH_TIME)

    def event_time(index) = word(index, EVENT_TIME)

    # Two counts share a word.
    def redelivery_count(index) = word(index, COUNTS) & LOW

    def reconsume_times(index) = word(index, COUNTS) >> 32

    def encrypted?(index) = (word(index, ENCRYPTED) & LOW) == 1

    # Takes the message of C; nil if there is none any more.
    def take(index)
      pointer = @pointers[index]
      @pointers[index] = nil if pointer
      pointer
    end

    # Takes it back.
    def put_back(index, pointer)
      @pointers[index] = pointer
    end

    # What Marshal keeps of a message.
    def only(index)
      Delivery.new(@words[index * WORDS, WORDS], [])
    end

    private

    def word(index, field)
      @words[(index * WORDS) + field]
    end
  end
end
