# frozen_string_literal: true

require_relative "handle"
require_relative "outgoing"
require_relative "receipt"
require_relative "batch_receipt"

module Stargate
  # Sends messages to one topic. It reconnects by itself, and sends accepted messages that have no receipt again.
  # Many threads may use it at once.
  class Producer < Handle
    # How many messages #send_many passes to the library at a time.
    CHUNK = 250
    private_constant :CHUNK

    # Sends a message, waits for its receipt, and returns its id; nil for a duplicate, which the broker had already.
    #
    # +payload+ is a String, whose bytes are sent as they are. A +key+ decides the partition, and the consumer of a
    # key_shared subscription. +event_time+ and +deliver_at+ are a Time or seconds since 1970, +deliver_after+ is a
    # number of seconds. +replication_clusters+ are the names of the clusters to replicate to.
    #
    # +timeout+ bounds the whole call. Without it the option +send_timeout+ bounds the wait for room, and then that for
    # the receipt.
    #
    #   producer.send("one pizza", key: "anna", properties: { "size" => "l" })
    def send(payload, timeout: nil, **attributes)
      deadline = Deadline.new(timeout)
      send_async(payload, timeout: timeout, **attributes).value(timeout: deadline.left)
    end

    # Sends a message as #send does, but does not wait for its receipt, and returns a Receipt. A block receives the
    # receipt when it is complete, on a thread of the client.
    #
    # While +max_pending_msg+ or +max_pending_bytes+ is reached, the call waits for room, at most +timeout+ seconds or
    # the option +send_timeout+; with the option <tt>when_full: :fail</tt> it raises QueueFullError. Messages that are
    # accepted one after the other are stored in that order.
    #
    #   receipts = orders.map { |order| producer.send_async(order) }
    #   receipts.each(&:value)
    def send_async(payload, key: nil, properties: nil, event_time: nil, deliver_at: nil, deliver_after: nil,
                   replication_clusters: nil, timeout: nil, &block)
      if replication_clusters
        message = { payload: payload, key: key, properties: properties, event_time: event_time, deliver_at: deliver_at,
                    deliver_after: deliver_after, replication_clusters: replication_clusters }
        return send_one(message, timeout, block)
      end

      payload = Outgoing.payload(payload)
      length = payload.bytesize
      key &&= Native.text_for("key", key)
      key_length = key ? key.bytesize : 0
      properties &&= Outgoing.flatten(properties)
      properties_length = properties ? properties.bytesize : 0
      event_time = event_time ? Native.time_millis(event_time) : 0
      deliver_at = deliver_at ? Native.time_millis(deliver_at) : 0
      deliver_after = deliver_after ? Outgoing.delay(deliver_after) : 0
      receipt = Receipt.new(self, block)
      accept(receipt, length + key_length + properties_length, timeout) do |number, error|
        Raw.stargate_producer_send_flat_async_at_once(
          @pointer, payload, length, key, key_length, properties, properties_length, event_time, deliver_at,
          deliver_after, 0, Receipt::SENT, number, nil, error
        )
      end
      receipt
    end

    # Sends messages in their order, many in flight at a time, and waits for all of their receipts. Returns an Array
    # with the id of each, nil for a duplicate, or the Error that it ended with; nothing is raised for a message. A
    # message is a String, or a Hash of +:payload+ and the keywords of #send. It is the fastest way to send.
    #
    # A message that is invalid or too big does not keep those after it from being sent; any other error ends the call.
    # +timeout+ bounds the whole call: what was not sent by then is not sent. Without it the option +send_timeout+ bounds
    # each message, as in #send.
    #
    #   producer.send_many(orders).grep(Stargate::Error).each { |error| warn(error.message) }
    def send_many(messages, timeout: nil)
      deadline = Deadline.new(timeout)
      parts = [] # a BatchReceipt for those that were accepted together, an Error for each of the others
      failure = nil
      messages.each_slice(CHUNK) { |chunk| failure = pass_on(chunk, parts, deadline, failure) }
      parts.flat_map { |part| part.is_a?(Error) ? [part] : part.results_by(deadline, topic) }
    end

    # Waits until every message that was accepted before has its receipt or has failed.
    def flush(timeout: nil)
      client.check_process
      Operation.start(client.resources, :stargate_producer_flush_async, @pointer, Native.millis(timeout)).result
      nil
    end

    private

    # Passes a message to C. While there is no room it waits, as the library would.
    def accept(receipt, bytes, timeout)
      number = Callbacks.add(receipt)
      # An error object is only made for the second attempt, which nearly no message needs.
      return accepted = true if yield(number, nil).zero?

      deadline = nil
      loop do
        error = FFI::MemoryPointer.new(:pointer)
        status = yield(number, error)
        return accepted = true if status.zero?

        failure = Error.take(status, error.read_pointer)
        raise failure unless status == Raw::QUEUE_FULL && waits?

        wait_for_room(bytes, deadline ||= Deadline.new(timeout || send_timeout))
      end
    ensure
      Callbacks.remove(number) unless accepted
    end

    # Passes messages to C, and adds to +parts+. Returns the error after which no more are passed, or nil.
    def pass_on(messages, parts, deadline, failure)
      index = 0
      raise failure if failure

      outgoing = Outgoing.of(messages)
      while index < messages.size
        raise TimeoutError.new("send to #{topic}: not sent in time", topic: topic, retriable: true) if deadline.over?

        index += offer(outgoing, index, receipt = BatchReceipt.new, deadline.left)
        parts << receipt
      end
    rescue TooBigError, InvalidArgumentError => error
      rest = messages.drop(index)
      return (parts << error) && nil if rest.size == 1

      rest.reduce(nil) { |failed, message| pass_on([message], parts, deadline, failed) } # one of them it was
    rescue Error => error
      parts.concat([error] * (messages.size - index))
      error
    end

    # Passes as many messages of an array to C as there is room for, from one on, and returns their number.
    def offer(outgoing, index, receipt, timeout)
      accepted = FFI::MemoryPointer.new(:size_t)
      accept(receipt, outgoing.bytes(index), timeout) do |number, error|
        Raw.stargate_producer_send_many_async_at_once(
          @pointer, outgoing.from(index), outgoing.count - index, 0, accepted, BatchReceipt::SENT, number, nil, error
        )
      end
      receipt.count = accepted.get_uint64(0)
    end

    # Sends a message that only the array can express.
    def send_one(message, timeout, block)
      receipt = Receipt.new(self, block)
      offer(Outgoing.new([message]), 0, BatchReceipt.new { |results| receipt.settle(results[0] || true) }, timeout)
      receipt
    end

    def wait_for_room(bytes, deadline)
      millis = Native.millis(deadline.left)
      Operation.start(client.resources, :stargate_producer_room_async, @pointer, bytes, millis).result
    rescue TimeoutError
      raise
    rescue Error
      nil # the next attempt to send fails, and names it
    end

    # Whether a send waits while there is no room.
    def waits?
      @waits = option(:when_full).to_s != "fail" if @waits.nil?
      @waits
    end

    # The option send_timeout in seconds; nil without limit.
    def send_timeout
      Float(option(:send_timeout)).then { |seconds| seconds unless seconds.zero? }
    end
  end
end
