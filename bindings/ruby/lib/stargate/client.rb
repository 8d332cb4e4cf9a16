# frozen_string_literal: true

require_relative "options"
require_relative "resources"

module Stargate
  # A client of a Pulsar cluster. Making one opens no connection; each producer, consumer and reader has its own. Many
  # threads may use a client, and what it opens, at once.
  #
  #   Stargate::Client.open("ws://localhost:8080") do |client|
  #     client.producer("orders").send("one pizza")
  #   end
  class Client
    # Makes a client; with a block, passes it on and closes it after the block, which gives the value.
    def self.open(url, **options)
      client = new(url, **options)
      return client unless block_given?

      begin
        yield client
      ensure
        client.close
      end
    end

    # +url+ is <tt>ws://host:port</tt> or <tt>wss://host:port</tt>; separate several hosts by commas. The options are
    # those of connections, which everything that the client opens inherits; times are in seconds. These are functions:
    #
    # +on_state+:: receives each StateChange
    # +token_supplier+:: returns the token, at each connect; it takes the place of +auth_token+
    # +headers_supplier+:: returns a Hash of headers, at each connect and each request to the REST API
    # +logger+:: a Logger for the records of the library
    def initialize(url, **options)
      dispatcher = Dispatcher.new
      options = Options.new(options, dispatcher)
      options.poll_callbacks
      @resources = Resources.new(Native.text_for("url", url), options, dispatcher)
      ObjectSpace.define_finalizer(self, Resources.abandoner(@resources))
    end

    # Opens a producer with the options of producers, and waits for its connection unless +lazy+ is set. With a block,
    # passes it on and closes it after the block, which gives the value.
    #
    #   client.producer("orders", send_timeout: 5) { |producer| producer.send("one pizza") }
    def producer(topic, **options, &block)
      opened(Producer.open(self, :stargate_producer_open_async, [Native.text_for("topic", topic)], options), &block)
    end

    # Opens a consumer with the options of consumers, and waits for its connection unless +lazy+ is set. +topic+ is a
    # topic, an Array of topics, or a Regexp for all persistent topics whose full name matches, now and later. The
    # broker creates the subscription if it does not exist. With a block, passes the consumer on and closes it after
    # the block.
    #
    #   consumer = client.consumer("orders", "billing", subscription_type: :shared)
    def consumer(topic, subscription, **options, &block)
      opened(Consumer.subscribe(self, topic, Native.text_for("subscription", subscription), options), &block)
    end

    # Opens a reader with the options of readers, and waits for its connection unless +lazy+ is set. It begins at the
    # option +starting_message+: +:earliest+, +:latest+ (the default), or after a MessageId. With a block, passes it
    # on and closes it after the block.
    def reader(topic, **options, &block)
      opened(Reader.open(self, :stargate_reader_open_async, [Native.text_for("topic", topic)], options), &block)
    end

    # Pulsar's REST API.
    def admin
      Admin.new(self)
    end

    # The sum of the counters of all that it opened, by their names.
    def stats
      Native.json(:stargate_client_stats_json, @resources).transform_keys(&:to_sym)
    end

    # The proxy that WebSockets go through, without user and password, or nil.
    def proxy
      Native.text(:stargate_client_proxy, @resources).then { |proxy| proxy unless proxy.nil? || proxy.empty? }
    end

    # Closes everything that it opened, within +timeout+ seconds: waits until handlers have finished their message and
    # messages in flight have their receipts. In a handler it returns at once, and the close goes on when the message is
    # settled. A second close does nothing.
    def close(timeout: 10)
      deadline = Deadline.new(timeout)
      @resources.stop
      Processors.outside(self) do
        @resources.close(deadline)
        @closed = true
      end
      nil
    end

    # Whether #close has ended.
    def closed?
      @closed || false
    end

    # Raises ForkedError in a child of the process that made the client.
    def check_process # :nodoc:
      Native.get(:int32, :stargate_client_event_fd, @resources)
    end

    # What it has.
    attr_reader :resources # :nodoc:

    def inspect # :nodoc:
      "#<#{self.class}#{" closed" if closed?}>"
    end

    # The client of C, for its functions.
    def to_ptr # :nodoc:
      @resources.to_ptr
    end

    private

    def opened(handle)
      return handle unless block_given?

      begin
        yield handle
      ensure
        handle.close
      end
    end
  end
end
