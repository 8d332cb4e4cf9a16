# frozen_string_literal: true

require_relative "admin_calls"
require_relative "delivery"

module Stargate
  # Pulsar's REST API: tenants, namespaces, topics, subscriptions, stored messages and statistics. The option
  # +admin_timeout+ of the client bounds each request, +timeout+ the call.
  #
  #   client.admin.ensure_partitioned_topic("orders", 4)
  #   client.admin.topic_stats("orders")["msgInCounter"]
  #
  # A +position+ is +:earliest+, +:latest+ or a MessageId.
  class Admin
    include AdminCalls

    def initialize(client) # :nodoc:
      @client = client
    end

    # Sends a request that has no method here, and returns the HTTP status and the body of the answer. +body+ is JSON. A
    # path that does not begin with / is one below /admin/v2/. Every status but 2xx is an error.
    #
    #   client.admin.request("GET", "/admin/v2/bookies/all")
    def request(method, path, body = nil, timeout: nil)
      texts = [text(method), text(path), body && text(body)]
      status = FFI::MemoryPointer.new(:int32)
      answer = ask(timeout) { |millis| Native.text(:stargate_admin_request, @client, *texts, millis, status) }
      [status.read_int32, answer]
    end

    # Passes the full name of each topic of a tenant, or of all, to the block, each partition by itself; without a
    # block, returns an Enumerator. It fetches the topics of one namespace at a time, and leaves out what is deleted
    # meanwhile.
    def walk_topics(tenant = nil, &block)
      return to_enum(:walk_topics, tenant) unless block

      (tenant ? [tenant] : tenants).each do |one|
        unless_gone { namespaces(one) }.each do |namespace|
          [true, false].each do |persistent|
            unless_gone { topics(namespace, persistent: persistent) }.each(&block)
          end
        end
      end
      self
    end

    private

    def unless_gone
      yield
    rescue NotFoundError
      []
    end

    # Runs a call that waits.
    def ask(timeout)
      millis = Native.millis(timeout)
      Native.wait { yield millis }
    end

    def ask_nothing(name, timeout, *arguments)
      ask(timeout) { |millis| Native.call(name, @client, *arguments, millis) }
      nil
    end

    def ask_text(name, timeout, *arguments)
      ask(timeout) { |millis| Native.text(name, @client, *arguments, millis) }
    end

    def ask_id(name, timeout, *arguments)
      ask_text(name, timeout, *arguments)&.then { |id| MessageId.new(id) }
    end

    def ask_json(name, timeout, *arguments)
      ask_text(name, timeout, *arguments)&.then { |json| JSON.parse(json) }
    end

    def ask_count(name, timeout, *arguments)
      ask(timeout) { |millis| Native.get(:int32, name, @client, *arguments, millis) }
    end

    # A number; nil if it is not set.
    def ask_number(name, timeout, *arguments)
      ask_count(name, timeout, *arguments).then { |number| number unless number.negative? }
    end

    def ask_answer(name, timeout, *arguments)
      ask_count(name, timeout, *arguments) == 1
    end

    # Whether something is enabled; nil if it is not set.
    def ask_setting(name, timeout, *arguments)
      ask_number(name, timeout, *arguments)&.then { |number| number == 1 }
    end

    def ask_strings(name, timeout, *arguments)
      ask(timeout) do |millis|
        strings = Native.get(:pointer, name, @client, *arguments, millis)
        Array.new(Raw.stargate_strings_count(strings)) { |index| Native.view(:stargate_strings_get, strings, index) }
      ensure
        Raw.stargate_strings_free(strings)
      end
    end

    def ask_messages(name, timeout, *arguments, max:)
      ask(timeout) do |millis|
        out = FFI::MemoryPointer.new(:pointer, [max, 1].max)
        count = Native.get(:size_t, name, @client, *arguments, millis, max, out)
        count.zero? ? [] : Delivery.messages(out, count, keep: false)
      end
    end

    def text(value)
      value.is_a?(MessageId) ? value.to_s : Native.text_for("the argument", value)
    end

    def names(list)
      list && text(Array(list).join(","))
    end

    def flag(value)
      value ? 1 : 0
    end

    # Properties as C takes them: an array, and the number of its items.
    def table(properties)
      [Native.texts("properties", properties.to_a.flatten(1).map(&:to_s)), properties.size]
    end
  end
end
