# frozen_string_literal: true

require_relative "library"

module Stargate
  # Why a call failed. The text names the operation, the topic and every cause; it is that of the library, unchanged.
  # There is a subclass for each kind of failure.
  class Error < StandardError
    # The name of the kind, such as +:not_found+.
    def self.kind
      @kind ||= name.delete_prefix("Stargate::").delete_suffix("Error").gsub(/(?<=[a-z])(?=[A-Z])/, "_").downcase.to_sym
    end

    # The full name of the topic concerned, or nil.
    attr_reader :topic
    # The server's own words, or nil.
    attr_reader :broker_text
    # The HTTP status with which the server refused, or nil.
    attr_reader :http_status

    def initialize(message = nil, topic: nil, broker_text: nil, http_status: nil, retriable: false)
      super(message)
      @topic = topic
      @broker_text = broker_text
      @http_status = http_status
      @retriable = retriable
    end

    # The name of the kind, such as +:not_found+.
    def kind
      self.class.kind
    end

    # Whether the same call may succeed later with nothing changed. After a timeout, and when the outcome is unknown, a
    # second send can store the message twice.
    def retriable?
      @retriable
    end
  end

  # The time limit passed. A message that was already written may still be stored.
  class TimeoutError < Error; end

  # The handle was closed, by the application or by an error reported earlier.
  class ClosedError < Error; end

  # The topic was terminated, and everything in it has been read.
  class EndOfTopicError < Error; end

  # The receive was interrupted; it took no message.
  class InterruptedError < Error; end

  # An argument or an option was invalid; nothing was done.
  class InvalidArgumentError < Error; end

  # No host could be reached, or a connection broke and could not be restored.
  class ConnectError < Error; end

  # The server rejected the client's credentials (HTTP 401, or TLS).
  class AuthenticationError < Error; end

  # The server accepted the credentials and refuses the operation (HTTP 403).
  class AuthorizationError < Error; end

  # The tenant, the namespace or the topic does not exist (HTTP 404).
  class NotFoundError < Error; end

  # Another client holds the subscription or the producer name, or what should be created exists (HTTP 409).
  class BusyError < Error; end

  # As many messages are in flight as +max_pending_msg+ or +max_pending_bytes+ allow.
  class QueueFullError < Error; end

  # The message is larger than the server's limit.
  class TooBigError < Error; end

  # The broker refused or failed the operation; #broker_text has its words.
  class BrokerError < Error; end

  # The peer sent something that is not Pulsar's WebSocket API.
  class ProtocolError < Error; end

  # The connection broke after the message was written and before its receipt: it may be stored or not.
  class OutcomeUnknownError < Error; end

  # The topic was terminated: nothing can be published to it any more.
  class TopicTerminatedError < Error; end

  # The handle belongs to the process before the fork; open a new client in the child.
  class ForkedError < Error; end

  # The wait could never end, because the calling thread would have to do the work that it waits for.
  class WouldDeadlockError < Error; end

  # A key of end-to-end encryption could not be fetched or used.
  class CryptoError < Error; end

  # A fault of the library itself, or a function of the application that broke its contract.
  class InternalError < Error; end

  class Error
    # The class of each status of the library.
    CLASSES = Error.subclasses.to_h { |error| [Raw.const_get(error.kind.upcase), error] }.freeze
    private_constant :CLASSES

    class << self
      # The exception for a status of C, with what the error of C holds. The error stays with its owner.
      def from(status, pointer) # :nodoc:
        fields = Raw::ErrorFields.new
        Raw.stargate_error_view(pointer, fields, Raw::ErrorFields.size)
        CLASSES.fetch(status, InternalError).new(
          text(fields, :message) || Raw.stargate_status_name(status),
          topic: text(fields, :topic),
          broker_text: text(fields, :broker_text),
          http_status: fields[:http_status].nonzero?,
          retriable: fields[:is_retriable] == 1
        )
      end

      # As from, for an error that a call gave, which is freed.
      def take(status, pointer) # :nodoc:
        from(status, pointer)
      ensure
        Raw.stargate_error_free(pointer)
      end

      private

      def text(fields, name)
        start = fields[name]
        start.read_bytes(fields[:"#{name}_len"]).force_encoding(Encoding::UTF_8) unless start.null?
      end
    end
  end
end
