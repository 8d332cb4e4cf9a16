# frozen_string_literal: true

# A worker that turns orders into bills, until Ctrl-C or SIGTERM: worker.rb [URL]
#
# An order is acknowledged when the broker has its bill. One that cannot be billed is redelivered, and reaches the dead
# letter topic after three attempts.

require "json"
require "stargate"

# Makes bills of orders.
class Billing
  def initialize(bills)
    @bills = bills
  end

  # Called with each message, on as many threads as the option +processors+ says.
  def call(message)
    order = JSON.parse(message.payload)
    bill = order.fetch("price") * order.fetch("count")
    @bills.send(bill.to_s, key: message.key, properties: { "order" => message.id.to_s })
  end
end

# Works until the block returns.
def work(url)
  Stargate::Client.open(url) do |client|
    options = { subscription_type: :shared, processors: 4, negative_ack_delay: 0.1, max_redeliver_count: 3 }
    orders = client.consumer("orders", "billing", **options)
    orders.listen(Billing.new(client.producer("bills")))
    yield orders
  end
end

if $PROGRAM_NAME == __FILE__
  trap("TERM") { raise Interrupt }
  begin
    work(ARGV[0] || ENV.fetch("PULSAR_URL")) { |orders| orders.join }
  rescue Interrupt
    puts "every order at hand is done"
  end
end
