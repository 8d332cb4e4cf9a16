# frozen_string_literal: true

require_relative "receiver"

module Stargate
  # Consumes the messages of a subscription. The broker redelivers messages that are not acknowledged. A consumer
  # reconnects by itself. Many threads may use it at once.
  #
  #   consumer.each do |message|
  #     puts message.payload
  #     consumer.ack(message)
  #   end
  class Consumer < Receiver
    # Opens a consumer of a topic, of several, or of all that match a pattern.
    def self.subscribe(client, topic, subscription, options) # :nodoc:
      case topic
      when Array
        topics = [Native.texts("topic", topic), topic.size, subscription]
        open(client, :stargate_consumer_open_topics_async, topics, options)
      when Regexp
        open(client, :stargate_consumer_open_pattern_async, [pattern(topic), subscription], options)
      else
        open(client, :stargate_consumer_open_async, [Native.text_for("topic", topic), subscription], options)
      end
    end

    # A pattern as the broker, which runs on Java, reads it: its flags come before the name of the topic.
    def self.pattern(regexp)
      if regexp.options.anybits?(Regexp::EXTENDED)
        raise InvalidArgumentError, "topic: the broker's patterns have no extended form; write it without spaces"
      end

      flags = { Regexp::IGNORECASE => "i", Regexp::MULTILINE => "s" }
      letters = flags.filter_map { |flag, letter| letter if regexp.options.anybits?(flag) }.join
      return regexp.source if letters.empty?

      regexp.source.sub(%r{\A(?:[a-z-]+:(?:\\?/){2})?[^/]+/[^/]+/}) { |start| "#{start}(?#{letters})" }
    end
    private_class_method :pattern

    # The name of the subscription.
    def subscription
      Native.view(:stargate_consumer_subscription, @pointer)
    end

    # Acknowledges a message, or several in an Array, or the message of a MessageId. It returns at once: the server
    # does not answer acknowledgements. If one is lost with its connection, the broker redelivers the message.
    def ack(message)
      case message
      when Message then settle(message, :stargate_consumer_ack, :stargate_consumer_ack_id)
      when Array then message.each { |one| ack(one) }
      else Native.call(:stargate_consumer_ack_id, @pointer, message.to_s)
      end
      nil
    end

    # Acknowledges a message, or that of a MessageId, and all before it that this consumer received. For exclusive and
    # failover subscriptions of one topic.
    def ack_cumulative(message)
      case message
      when Message then settle(message, :stargate_consumer_ack_cumulative, :stargate_consumer_ack_cumulative_id)
      else Native.call(:stargate_consumer_ack_cumulative_id, @pointer, message.to_s)
      end
      nil
    end

    # Requests redelivery of a message, or that of a MessageId, after the option +negative_ack_delay+. On an exclusive
    # or failover subscription the broker then redelivers everything that is not acknowledged.
    def nack(message)
      case message
      when Message then settle(message, :stargate_consumer_nack, :stargate_consumer_nack_id)
      else Native.call(:stargate_consumer_nack_id, @pointer, message.to_s)
      end
      nil
    end

    # Schedules redelivery of a message after +delay+ seconds: a copy is stored in the retry letter topic, then the
    # message is acknowledged. It needs the option +enable_retry+. A message that was redelivered +max_redeliver_count+
    # times goes to the dead letter topic instead.
    def reconsume_later(message, delay)
      millis = Native.millis(delay, "delay")
      pointer = message.take or raise InvalidArgumentError, "message: it was acknowledged before"
      Native.wait do
        Native.call(:stargate_consumer_reconsume_later, @pointer, pointer, millis, -1)
        Raw.stargate_message_free(pointer)
      rescue Error
        message.put_back(pointer)
        raise
      end
      nil
    end

    # How many messages the subscription has not acknowledged, those that this consumer has received included. The
    # broker counts a batch as one message. Not for patterns.
    def backlog
      Native.wait { Native.get(:uint64, :stargate_consumer_backlog, @pointer, -1) }
    end

    # Requests +messages+ in addition to the window. For consumers with the option +pull_mode+.
    def permit(messages)
      Native.call(:stargate_consumer_permit, @pointer, messages)
    end

    # Deletes the subscription and closes the consumer, within +timeout+ seconds. If the subscription has other
    # consumers it raises, and this one continues.
    def unsubscribe(timeout: 10)
      wait_for(:unsubscribe, Native.millis(timeout))
      close(timeout: timeout)
    end

    private

    # Calls C with the message, and frees it then; or with its id if C has no message of it any more.
    def settle(message, with_message, with_id)
      pointer = message.take or return Native.call(with_id, @pointer, message.id.to_s)
      # An error object is only made for a second attempt, which nearly no message needs.
      return Raw.stargate_message_free(pointer) if Raw.public_send(with_message, @pointer, pointer, nil).zero?

      message.put_back(pointer)
      Native.call(with_message, @pointer, pointer)
    end
  end
end
