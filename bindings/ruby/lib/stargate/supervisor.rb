# frozen_string_literal: true

require_relative "client"
require_relative "supervised"

module Stargate
  # Holds producers, consumers and readers under their topics, from one configuration. Connections reconnect by
  # themselves. A supervisor also opens again what ended with a permanent error, and gives up what fails too often.
  #
  #   configuration = {
  #     name: "shop", host: "localhost:8080",
  #     producer: { topic: "orders", send_timeout: 5 },
  #     consumer: { topic: "orders", subscription: "billing", handler: ->(message) { bill(message.payload) } }
  #   }
  #   Stargate::Supervisor.open(**configuration) do
  #     Stargate::Supervisor.find("shop").producer("orders").send("one pizza") # anywhere in the process
  #   end
  class Supervisor
    # What a supervisor holds: +component+ is +:producer+, +:consumer+ or +:reader+, +subscription+ nil unless it is a
    # consumer.
    Key = Struct.new(:component, :topic, :subscription) do
      # Whether it stands for another key, which has a subscription.
      def matches?(other)
        component == other.component && topic == other.topic && [nil, other.subscription].include?(subscription)
      end

      def to_s
        "#{component} of #{topic}#{" on #{subscription}" if subscription}"
      end
    end

    # Those that run, by their names; of this process, since a child after fork has none.
    module Running # :nodoc:
      @lock = Mutex.new

      class << self
        def add(supervisor)
          @lock.synchronize do
            if table.key?(supervisor.name)
              raise BusyError, "there is a supervisor #{supervisor.name.inspect} already: close it, or choose another name"
            end

            table[supervisor.name] = supervisor
          end
        end

        def remove(supervisor)
          @lock.synchronize { table.delete(supervisor.name) if table[supervisor.name].equal?(supervisor) }
        end

        def find(name)
          @lock.synchronize { table[name] } or raise NotFoundError, "there is no supervisor #{name.inspect}"
        end

        private

        def table
          @table = {} unless @process == ::Process.pid
          @process = ::Process.pid
          @table
        end
      end
    end
    private_constant :Running

    # Starts a supervisor; with a block, passes it on and closes it after the block, which gives the value.
    def self.open(**configuration)
      supervisor = new(**configuration)
      return supervisor unless block_given?

      begin
        yield supervisor
      ensure
        supervisor.close
      end
    end

    # Returns the running supervisor of this name.
    def self.find(name)
      Running.find(name.to_s)
    end

    # The name, under which #find returns it until it is closed.
    attr_reader :name

    # Opens everything, one after the other; if something cannot be opened, closes all of it.
    #
    # +host+ is <tt>name:port</tt>, an Array of them, or a Hash of names and ports. +producer+, +consumer+ and +reader+
    # are a Hash each, or Arrays of them, with the arguments of #add_producer, #add_consumer and #add_reader. What fails
    # is opened again after half a second, at most +max_restarts+ times in +max_seconds+. Every other option is one of
    # Client.
    def initialize(host:, name: "default", protocol: "ws", producer: [], consumer: [], reader: [], max_restarts: 3,
                   max_seconds: 5, **options)
      @name = name.to_s
      @limits = { max_restarts: max_restarts, max_seconds: max_seconds, logger: options[:logger] }
      @on_state = options[:on_state]
      @parts = {}
      @lock = Mutex.new
      @client = Client.new("#{protocol}://#{Array(host).map { |one| Array(one).join(":") }.join(",")}", **options)
      Running.add(self)
      begin
        listed(producer).each { |one| add_producer(**one) }
        listed(consumer).each { |one| add_consumer(**one) }
        listed(reader).each { |one| add_reader(**one) }
        started = true
      ensure
        give_up unless started
      end
    end

    # Opens one more producer, with the options of producers.
    def add_producer(topic:, **options)
      add(Key.new(:producer, full_name(topic)), options) { |given| @client.producer(topic, **given) }
    end

    # Opens one more consumer, with the options of consumers. A handler, as that of Receiver#listen, receives its
    # messages, also after a restart; without one they are received from #consumer.
    def add_consumer(topic:, subscription:, handler: nil, **options, &block)
      handler ||= block
      add(Key.new(:consumer, full_name(topic), subscription), options) do |given|
        listening(@client.consumer(topic, subscription, **given), handler)
      end
    end

    # Opens one more reader, as #add_consumer does. After a restart it begins at its +starting_message+ again.
    def add_reader(topic:, handler: nil, **options, &block)
      handler ||= block
      add(Key.new(:reader, full_name(topic)), options) { |given| listening(@client.reader(topic, **given), handler) }
    end

    # Returns the producer of a topic, as it is now; after a restart it is another one. Raises the error of one that
    # failed and is not open again.
    def producer(topic)
      handle(Key.new(:producer, full_name(topic)))
    end

    # Returns the consumer of a topic and subscription, as #producer does. The subscription may be left out when the
    # topic has one consumer.
    def consumer(topic, subscription = nil)
      handle(Key.new(:consumer, full_name(topic), subscription))
    end

    # Returns the reader of a topic, as #producer does.
    def reader(topic)
      handle(Key.new(:reader, full_name(topic)))
    end

    # What it holds: an Array of Key.
    def keys
      @lock.synchronize { @parts.keys }
    end

    # Stops restarting, and closes everything that it holds, within +timeout+ seconds. Its name can then be used again.
    def close(timeout: 10)
      @lock.synchronize do
        @closed = true
        @parts.values.tap { @parts.clear }
      end.each(&:stop)
      @client.close(timeout: timeout)
      nil
    ensure
      Running.remove(self)
    end

    # Whether it was closed.
    def closed?
      @closed || false
    end

    def inspect # :nodoc:
      "#<#{self.class} #{name}#{" closed" if closed?}>"
    end

    private

    # Opens and supervises what the block opens with the options that it receives.
    def add(key, options, &open)
      @lock.synchronize { check_free(key) }
      part = supervise(key, options, &open)
      @lock.synchronize do
        check_free(key) # another thread may have added it meanwhile
        @parts[key] = part
      end
      nil
    rescue Error
      part&.discard
      raise
    end

    # Opens what the block opens. The block receives the options, with a function that notices failures.
    def supervise(key, options)
      on_state = options[:on_state] || @on_state
      Supervised.new("#{key} in supervisor #{name.inspect}", **@limits) do |watch|
        follow = on_state ? ->(change) { [watch, on_state].each { |one| one.call(change) } } : watch
        yield(**options, on_state: follow)
      end
    end

    def listening(receiver, handler)
      receiver.listen(handler) if handler
      listening = receiver
    ensure
      receiver.abandon unless listening
    end

    def handle(key)
      found = @lock.synchronize { @parts.select { |held, _| key.matches?(held) }.values }
      raise NotFoundError, "there is no #{key} in supervisor #{name.inspect}" if found.empty?
      if found.size > 1
        raise InvalidArgumentError, "there is more than one #{key} in supervisor #{name.inspect}: name the subscription"
      end

      found.first.handle
    end

    def check_free(key)
      raise ClosedError, "supervisor #{name.inspect} is closed" if @closed
      return if @parts.fetch(key, nil)&.over? != false

      raise BusyError, "there is a #{key} in supervisor #{name.inspect} already"
    end

    # Closes what was opened before something could not be.
    def give_up
      close(timeout: 0)
    rescue Error
      nil # it is closed in the background
    end

    # One component, or several.
    def listed(components)
      components.is_a?(Hash) ? [components] : components
    end

    # The full name of a topic; several topics, or a pattern, as they are.
    def full_name(topic)
      return topic unless topic.is_a?(String) || topic.is_a?(Symbol)

      topic = topic.to_s
      return topic if topic.include?("://")

      topic.include?("/") ? "persistent://#{topic}" : "persistent://public/default/#{topic}"
    end
  end
end
