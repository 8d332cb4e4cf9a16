# frozen_string_literal: true

require_relative "stargate/version"
require_relative "stargate/library"
require_relative "stargate/error"
require_relative "stargate/native"
require_relative "stargate/options"
require_relative "stargate/message_id"
require_relative "stargate/message"
require_relative "stargate/events"
require_relative "stargate/processes"
require_relative "stargate/producer"
require_relative "stargate/consumer"
require_relative "stargate/reader"
require_relative "stargate/admin"
require_relative "stargate/client"
require_relative "stargate/produce"
require_relative "stargate/supervisor"

# An Apache Pulsar client over Pulsar's WebSocket API.
#
#   Stargate::Client.open("ws://localhost:8080") do |client|
#     client.producer("orders").send("one pizza")
#   end
module Stargate
end
