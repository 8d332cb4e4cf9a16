# frozen_string_literal: true

require_relative "message_id"

module Stargate
  # A received message.
  class Message
    # The content, in binary encoding.
    attr_reader :payload
    # The full name of the topic that was subscribed to or read. For several topics or a pattern the server does not say
    # which it was; then it is the first topic, or the pattern.
    attr_reader :topic
    # The key, or nil.
    attr_reader :key
    # A Hash of the properties.
    attr_reader :properties
    # How the payload was encrypted, as the server's JSON, where the server passes it on; otherwise nil.
    attr_reader :encryption_context

    def initialize(delivery, index, payload, id, topic, key, properties, encryption_context) # :nodoc:
      @delivery = delivery
      @index = index
      @payload = payload
      @id = id
      @topic = topic
      @key = key
      @properties = properties
      @encryption_context = encryption_context
    end

    # The id of the message: to acknowledge it later, or to start a reader after it.
    def id
      @message_id ||= MessageId.new(@id)
    end

    # When the broker stored the message, in UTC; nil if the server sent no time.
    def publish_time
      Native.time(@delivery.publish_time(@index))
    end

    # The time that the sender gave it, in UTC, or nil.
    def event_time
      Native.time(@delivery.event_time(@index))
    end

    # How often it was delivered before. The broker counts on shared and key_shared subscriptions only.
    def redelivery_count
      @delivery.redelivery_count(@index)
    end

    # How often the retry letter topic has redelivered it; see Consumer#reconsume_later.
    def reconsume_times
      @delivery.reconsume_times(@index)
    end

    # Whether the payload is still encrypted. Only the option <tt>crypto_failure_action: :consume</tt> lets it through.
    def encrypted?
      @delivery.encrypted?(@index)
    end

    # Takes the message of C, for the one that frees it; nil after the first time, and in a message that was restored
    # with Marshal.
    def take # :nodoc:
      @delivery.take(@index)
    end

    # Gives it back.
    def put_back(pointer) # :nodoc:
      @delivery.put_back(@index, pointer)
    end

    def inspect # :nodoc:
      "#<#{self.class} #{@id} of #{topic}: #{payload.bytesize} bytes>"
    end

    def marshal_dump # :nodoc:
      [@delivery.only(@index), 0, @payload, @id, @topic, @key, @properties, @encryption_context]
    end

    def marshal_load(fields) # :nodoc:
      initialize(*fields)
    end
  end
end
