# frozen_string_literal: true

require_relative "handle"
require_relative "inbox"
require_relative "processors"

module Stargate
  # What consumers and readers have in common: messages are received, or passed to a handler.
  #
  # It is Enumerable: <tt>consumer.first(10)</tt>, <tt>consumer.lazy.map { ... }</tt>,
  # <tt>consumer.each_slice(100)</tt>.
  class Receiver < Handle
    include Enumerable

    # How many messages one receive of C may bring.
    MOST = 100
    private_constant :MOST

    def initialize(client, pointer, options) # :nodoc:
      super
      # In pull mode the client requests a message for each that the application has taken, so it takes them singly.
      most = option(:pull_mode).to_s == "true" ? 1 : MOST
      @inbox = Inbox.new(self.class.role, most: most, keep: is_a?(Consumer))
      client.resources.add(@inbox)
      ObjectSpace.define_finalizer(self, Receiver.forgetter(client.resources, @inbox))
    end

    # Forgets the inbox of a receiver that was collected.
    def self.forgetter(resources, inbox) # :nodoc:
      proc { resources.remove(inbox) }
    end

    # Waits for the next message, and returns it; nil if none arrives within +timeout+ seconds. Receiving and a handler
    # exclude each other.
    #
    #   message = consumer.receive(timeout: 5)
    def receive(timeout: nil)
      receiving
      @inbox.take(self, timeout)
    end

    # Waits for the next message, and returns an Array of it and those that have already arrived, up to +count+; an
    # empty one if none arrives within +timeout+ seconds.
    def receive_many(count, timeout: nil)
      raise InvalidArgumentError, "count: expected at least 1, got #{count}" unless count.positive?

      receiving
      @inbox.take_many(self, count, timeout)
    end

    # Receives messages until it is closed, and passes each to the block; without a block, returns an Enumerator.
    # Acknowledge the messages of a consumer in the block.
    def each
      return to_enum unless block_given?

      loop do
        message = next_message or break
        yield message
      end
      self
    end

    # Runs a handler on every message until it is closed, and returns at once. The option +processors+ sets on how many
    # threads. Messages are acknowledged when the handler returns; unless it returns NACK, CONTINUE or
    # Stargate.reconsume_later. Whatever it raises, the message is negatively acknowledged, and the error is reported;
    # only an exit and a signal go on to end the process.
    #
    # The handler is a block, or an object with the method +call+; of a Class, each processor makes an object of its
    # own.
    #
    #   consumer.listen { |message| bill(message.payload) }
    #   consumer.join
    def listen(handler = nil, &block)
      handler ||= block or raise ArgumentError, "listen needs a block, or an object with the method call"
      receiving
      Processors.new(self, @inbox, handler, Integer(option(:processors)), option(:ordering).to_s)
      self
    end

    # Waits until the handler has ended, because of a close or of what ended the connection, which is raised. Returns
    # nil after +timeout+ seconds, otherwise itself.
    def join(timeout: nil)
      return self unless @inbox.processors

      self if @inbox.processors.join(Deadline.new(timeout))
    end

    # Moves to another position: +:earliest+, +:latest+, a MessageId, a Time or seconds since 1970. The next message
    # is the one there, or with +after+ the one after that message.
    def seek(position, after: false)
      @inbox.hold(self) do
        @inbox.clear
        case position
        when Time, Numeric then wait_for(:seek_time, Native.time_millis(position), -1)
        else wait_for(:seek, position.to_s, after ? 1 : 0, -1)
        end
      end
      nil
    end

    # The ids of the last messages of the topic, one for each partition that has any.
    def last_message_ids
      Native.wait { Native.json(c(:last_message_ids_json), @pointer, -1) }.map { |text| MessageId.new(text) }
    end

    # Whether the topic was terminated, and everything in it was received or, by a consumer, acknowledged.
    def end_of_topic?
      Native.wait { Native.get(:int32, c(:is_end_of_topic), @pointer, -1) } == 1 && !message_here?
    end

    # Stops delivery, lets handlers finish their message, sends the acknowledgements and closes the connections, within
    # +timeout+ seconds. In a handler it returns at once, and the close goes on when the message is settled.
    def close(timeout: 10)
      deadline = Deadline.new(timeout)
      @inbox.stop
      Processors.outside(self) do
        @inbox.processors&.finish(deadline)
        super(timeout: deadline.left)
        @inbox.clear
        client.resources.remove(@inbox)
      end
      nil
    end

    private

    # The next message; nil after a close.
    def next_message
      receive
    rescue ClosedError
      raise unless @inbox.stopped?
    end

    # Whether a message was passed on that the application has not received, or is being passed on.
    def message_here?
      @inbox.hold(self) { !@inbox.empty? }
    end

    # Receiving and a handler exclude each other.
    def receiving
      client.check_process if @inbox.empty?
      raise InvalidArgumentError, "#{topic} has a handler, which excludes receiving" if @inbox.processors
    end

    # Calls a function of C that waits.
    def wait_for(function, *arguments)
      Native.wait { Native.call(c(function), @pointer, *arguments) }
    end
  end
end
