# frozen_string_literal: true

# Tests of worker.rb: no order is lost when its broker is not well.

require "minitest/autorun"
require "stargate/testing"
require_relative "worker"

class TestWorker < Minitest::Test
  ORDER = JSON.generate(price: 5, count: 2)

  def setup
    @broker = Stargate::MockBroker.new
    @broker.create_subscription("orders", "billing", earliest: true)
  end

  def teardown
    @broker.close
  end

  def test_an_order_becomes_a_bill
    @broker.publish("orders", ORDER, key: "anna")
    work(@broker.url) { @broker.wait("ack", topic: "orders") }
    assert_equal([["10", "anna"]], @broker.messages("bills").map { |bill| [bill.payload, bill.key] })
  end

  def test_an_order_whose_bill_is_refused_is_redelivered
    @broker.publish("orders", ORDER)
    @broker.fault("send", "send-error:8:no room", topic: "bills")
    work(@broker.url) { @broker.wait("ack", topic: "orders") }
    assert_equal(1, @broker.count("nack", topic: "orders"))
    assert_equal(["10"], @broker.messages("bills").map(&:payload))
  end

  def test_orders_survive_an_outage
    work(@broker.url) do
      @broker.outage { 10.times { @broker.publish("orders", ORDER) } }
      @broker.wait("ack", at_least: 10, topic: "orders")
    end
    assert_equal(0, @broker.backlog("orders", "billing"))
  end

  def test_an_order_that_cannot_be_billed_is_a_dead_letter
    @broker.publish("orders", "no JSON")
    work(@broker.url) do |orders|
      dead = orders.client.reader("orders-billing-DLQ", starting_message: :earliest)
      assert_equal("no JSON", dead.receive(timeout: 10).payload)
    end
  end
end
