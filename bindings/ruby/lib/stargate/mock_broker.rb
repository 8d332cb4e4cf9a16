# frozen_string_literal: true

require_relative "native"
require_relative "message_id"
require_relative "outgoing"

Stargate::Raw.attach_mock

module Stargate
  # A Pulsar broker for tests at 127.0.0.1, on a real socket, with everything in memory. It starts at once, runs on
  # threads of the library, and fails on command. docs/testing.md has the operations, the faults, and what it does not
  # do.
  #
  #   require "stargate/testing"
  #
  #   Stargate::MockBroker.open do |broker|
  #     broker.fault("send", "no-receipt", topic: "orders")
  #     run_the_application(broker.url)
  #     broker.wait("ack", topic: "orders")
  #   end
  class MockBroker
    # A message as the broker stored it.
    StoredMessage = Struct.new(:topic, :message_id, :payload, :key, :properties, :event_time, :publish_time,
                               :deliver_at, :producer_name, :sequence_id, :batch, keyword_init: true)

    # What a client did or got.
    Request = Struct.new(:at, :op, :topic, :role, :connection, :detail, keyword_init: true)

    # Without a limit, for the +count+ of #fault.
    ALWAYS = (2**64) - 1

    # The options that C takes in another form: its name, and the form.
    CONVERTED = {
      auto_create_topics: [:no_auto_create_topics, ->(value) { value ? 0 : 1 }],
      websocket_compression: [:no_websocket_compression, ->(value) { value ? 0 : 1 }],
      idle_timeout: [:idle_timeout_ms, ->(value) { Native.millis(value, "idle_timeout") }],
      oauth2_token_life: [:oauth2_token_life_ms, ->(value) { Native.millis(value, "oauth2_token_life") }]
    }.freeze
    private_constant :CONVERTED

    # Starts a broker; with a block, passes it on and ends it after the block, which gives the value.
    def self.open(**options)
      broker = new(**options)
      return broker unless block_given?

      begin
        yield broker
      ensure
        broker.close
      end
    end

    # The options are those of +stargate_mock_options+: +port+, +token+, +forbidden_token+, +tls_cert_file+,
    # +tls_key_file+, +tls_client_ca_file+, +basic_user+, +basic_password+, +oauth2_client_id+, +oauth2_client_secret+,
    # +oauth2_audience+, +oauth2_token_life+ and +idle_timeout+ in seconds, +max_text_size+, +pulsar_version+,
    # +auto_create_topics+ and +websocket_compression+.
    def initialize(**options)
      given = Raw::MockOptions.new
      given[:struct_size] = Raw::MockOptions.size
      texts = options.filter_map { |name, value| fill(given, name, value) }
      @waits = 0
      @pointer = Native.get(:pointer, :stargate_mock_start, given)
      texts.clear
      ObjectSpace.define_finalizer(self, MockBroker.releaser(@pointer))
    end

    def self.releaser(pointer) # :nodoc:
      proc { Raw.stargate_mock_release(pointer) }
    end

    # The service URL, for Client.open.
    def url = Native.view(:stargate_mock_url, @pointer)

    # The URL of the REST API.
    def http_url = Native.view(:stargate_mock_http_url, @pointer)

    # The URL of the OAuth2 issuer that it is with the option +oauth2_client_id+.
    def oauth2_issuer_url = Native.view(:stargate_mock_oauth2_issuer_url, @pointer)

    # Stores a message as if a producer had sent it, and returns its id. The keywords are those of Producer#send. A
    # payload of nil makes a tombstone, which only native clients can send.
    def publish(topic, payload, **attributes)
      message = Outgoing.new([{ payload: payload || "", **attributes }])
      Raw::Outgoing.new(message.to_ptr)[:payload][:ptr] = nil if payload.nil?
      MessageId.new(Native.text(:stargate_mock_publish, @pointer, topic, message))
    end

    # All messages that a topic holds, acknowledged or not.
    def messages(topic)
      Native.json(:stargate_mock_messages_json, @pointer, topic).map do |stored|
        times = %w[event_time publish_time deliver_at].to_h { |name| [name, Native.time(stored.delete("#{name}_ms"))] }
        id = MessageId.new(stored.delete("message_id"))
        payload = stored.delete("payload")&.unpack1("m")
        StoredMessage.new(message_id: id, payload: payload, **times.merge(stored).transform_keys(&:to_sym))
      end
    end

    # How many messages (a batch counts as one) a subscription has not acknowledged.
    def backlog(topic, subscription)
      Native.get(:size_t, :stargate_mock_backlog, @pointer, topic, subscription)
    end

    # Creates a namespace, "tenant/namespace", and its tenant.
    def create_namespace(name) = command(:create_namespace, name)

    # Creates a topic with partitions.
    def create_partitioned(topic, partitions) = command(:create_partitioned, topic, partitions)

    # Creates a subscription, at the end of the topic, or with +earliest+ at its beginning.
    def create_subscription(topic, subscription, earliest: false)
      command(:create_subscription, topic, subscription, earliest ? 1 : 0)
    end

    # Enables or disables deduplication in a namespace.
    def set_deduplication(namespace, enabled: true) = command(:set_deduplication, namespace, enabled ? 1 : 0)

    # Ends a topic: nothing more can be sent to it.
    def terminate(topic) = command(:terminate, topic)

    # Deletes a topic by force.
    def delete_topic(topic) = command(:delete_topic, topic)

    # Scripts a fault: it happens the next +count+ times that +operation+ happens on +topic+ (nil: any).
    #
    #   broker.fault("connect", "http:503", topic: "orders", count: 3)
    def fault(operation, fault, topic: nil, count: 1)
      command(:fault, operation, topic, fault, count)
    end

    # How many faults have not happened yet.
    def faults_left = Raw.stargate_mock_faults_left(@pointer)

    # Forgets the faults that have not happened yet.
    def clear_faults = command(:clear_faults)

    # Drops all connections, and refuses new ones until #up.
    def down = command(:set_up, 0)

    # Accepts connections again.
    def up = command(:set_up, 1)

    # Is down for as long as the block runs.
    def outage
      down
      yield
    ensure
      up
    end

    # Drops the connections about a topic, or all, and returns their number.
    def drop_connections(topic = nil)
      Native.get(:size_t, :stargate_mock_drop_connections, @pointer, topic)
    end

    # How many WebSocket connections are open.
    def connections = Raw.stargate_mock_connections(@pointer)

    # Waits until an operation has happened +at_least+ times on a topic, or on any; raises TimeoutError otherwise. It
    # takes the place of sleeps in tests.
    def wait(operation, at_least: 1, topic: nil, timeout: 10)
      millis = Native.millis(timeout)
      @waits += 1
      Native.wait do
        command(:wait, operation, topic, at_least, millis)
      ensure
        @waits -= 1
      end
    end

    # How often an operation has happened on a topic, or on any.
    def count(operation, topic: nil)
      Native.get(:size_t, :stargate_mock_count, @pointer, operation, topic)
    end

    # What clients did and got, in order.
    def requests
      Native.json(:stargate_mock_requests_json, @pointer).map do |request|
        at = request.delete("at_ms") / 1000.0
        Request.new(at: at, **request.transform_keys(&:to_sym))
      end
    end

    # Forgets what clients did.
    def clear_requests = command(:clear_requests)

    # Ends the broker.
    def close
      return if @closed

      @closed = true
      down
      return unless @waits.zero? # an interrupted wait still uses it: C frees it when this object is collected

      ObjectSpace.undefine_finalizer(self)
      Raw.stargate_mock_release(@pointer)
      @pointer = nil
    end

    private

    def command(name, *arguments)
      Native.call(:"stargate_mock_#{name}", @pointer, *arguments)
    end

    # Fills in an option, and returns the memory of its text, if it is one.
    def fill(given, name, value)
      field, form = CONVERTED.fetch(name, [name, nil])
      unless Raw::MockOptions.members.include?(field) && field != :struct_size
        raise ArgumentError, "there is no option #{name}"
      end

      value = form.call(value) if form
      text = FFI::MemoryPointer.from_string(value.to_s) unless value.is_a?(Integer)
      given[field] = text || value
      text
    end
  end
end
