# frozen_string_literal: true

require_relative "helper"
require "socket"

# The options of the mock broker, of each form that they have.
class TestMock < Minitest::Test
  def test_a_port_that_is_given_is_taken
    port = TCPServer.open("127.0.0.1", 0) { |server| server.addr[1] }
    Stargate::MockBroker.open(port: port) do |broker|
      assert_equal("ws://127.0.0.1:#{port}", broker.url)
      assert_raises(Stargate::ConnectError) { Stargate::MockBroker.new(port: port) }
    end
  end

  def test_limits_and_switches
    Stargate::MockBroker.open(auto_create_topics: false, pulsar_version: "2.11.0") do |broker|
      Stargate::Client.open(broker.url) do |client|
        assert_raises(Stargate::NotFoundError) { client.producer("orders") }
        assert_equal("2.11.0", client.admin.broker_version)
      end
    end
  end

  def test_a_connection_without_traffic_ends
    Stargate::MockBroker.open(idle_timeout: 0.1) do |broker|
      Stargate::Client.open(broker.url) { |client| client.producer("orders") && broker.wait("disconnect") }
    end
  end

  def test_an_unknown_option_is_refused
    assert_match(/no option prot/, assert_raises(ArgumentError) { Stargate::MockBroker.new(prot: 8080) }.message)
  end
end
