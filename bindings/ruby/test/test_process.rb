# frozen_string_literal: true

require_relative "helper"

# Interrupts, signals, forks and the garbage collector.
class TestProcess < BrokerTest
  # Messages without receipts are not waited for.
  def teardown
    client.close(timeout: 0)
  rescue Stargate::TimeoutError
    nil
  ensure
    broker.close
  end

  def test_what_an_interrupted_open_brings_is_given_up
    broker.fault("connect", "delay:300", topic: "slow")
    assert_raises(Timeout::Error) { Timeout.timeout(0.1) { client.consumer("slow", "s") } }
    broker.wait("connect", topic: "slow")
    client.consumer("slow", "s") # the subscription is exclusive, and held for two seconds at most
    # Its connection ends in the background.
    Timeout.timeout(10) { sleep(0.01) until broker.connections == 1 }
  end

  def test_ctrl_c_ends_a_receive_at_once
    out = ruby(<<~RUBY, signal: :INT) { |io| io.gets; sleep(0.1) }
      Stargate::Client.open(url) do |client|
        consumer = client.consumer("empty", "s")
        puts "waiting"
        consumer.receive
      rescue Interrupt
        puts "interrupted"
      end
      puts "closed"
    RUBY
    assert_equal("interrupted\nclosed\n", out)
  end

  ON_STATE = ->(_change) {}
  class Stop < RuntimeError; end

  # Ruby interrupts at any place, also after a receive and before its value is kept; :on_blocking is the way to be safe.
  def test_an_interrupted_receive_loses_no_message_and_keeps_the_order
    consumer = client.consumer("orders", "s")
    producer = client.producer("orders")
    seen = []
    receiving = Thread.new do
      Thread.handle_interrupt(Stop => :on_blocking) do
        seen << consumer.receive.payload while seen.size < 500
      rescue Stop
        retry
      end
    end
    receiving.report_on_exception = false
    500.times do |number|
      receiving.raise(Stop) if number.odd? && receiving.alive?
      producer.send(number.to_s)
    end
    assert_raises_or_not(Stop) { receiving.join } # the last one may come after the last message
    assert_equal((0...500).map(&:to_s), seen)
  end

  def test_a_child_gets_the_error_of_the_library_and_a_new_client_works
    producer = client.producer("orders")
    consumer = client.consumer("orders", "s")
    producer.send_many(%w[a b])
    assert_equal("a", consumer.receive(timeout: 5).payload) # the other one is in the inbox
    broker.fault("send", "no-receipt")
    pending = producer.send_async("pending")
    url = broker.url
    answers = in_child do
      calls = [-> { producer.send("x") }, -> { consumer.receive }, -> { consumer.backlog }, -> { client.producer("y") },
               -> { pending.value }, -> { producer.flush }, -> { client.stats }]
      kinds = calls.map do |call|
        call.call
        :none
      rescue Stargate::Error => error
        error.kind
      end
      kinds << Stargate::Client.open(url) { |child| child.producer("orders").send("child").class }
    end
    assert_equal([*[:forked] * 7, Stargate::MessageId], answers)
    assert_equal("b", consumer.receive(timeout: 5).payload)
  end

  def test_functions_that_the_library_calls_work_in_a_child
    broker = Stargate::MockBroker.new(token: "secret")
    log = StringIO.new
    options = { token_supplier: -> { "secret" }, logger: Logger.new(log) }
    url = broker.url
    sent = in_child do
      Stargate::Client.open(url, **options) { |child| [child.producer("orders").send("x").class, log.string] }
    end
    assert_equal(Stargate::MessageId, sent[0])
    assert_match(/orders/, sent[1])
  ensure
    broker.close
  end

  def test_a_daemon_is_a_child_too
    out = ruby(<<~RUBY)
      client = Stargate::Client.new(url)
      Process.daemon(true, true)
      Thread.new { sleep(10) && exit!(1) }
      client.stats rescue puts $!.class
      Stargate::Client.open(url, token_supplier: -> { "t" }) { |own| puts own.producer("orders").send("x").class }
    RUBY
    assert_equal("Stargate::ForkedError\nStargate::MessageId\n", out)
  end

  def test_a_child_ends_without_harm_to_what_the_parent_has
    consumer = client.consumer("orders", "s")
    assert_equal(:fine, in_child { GC.start || :fine })
    client.producer("orders").send("still here")
    assert_equal("still here", consumer.receive(timeout: 5).payload)
  end

  def test_what_was_not_closed_is_closed_when_it_is_collected
    abandon
    deadline = now + 10
    until broker.connections.zero? || now > deadline
      GC.start
      sleep(0.02)
    end
    assert_equal(0, broker.connections)
  end

  def test_callbacks_leave_nothing_behind
    before = Stargate::Callbacks.size
    Stargate::Client.open(broker.url, on_state: ->(_) {}) do |other|
      other.producer("orders", on_state: ->(_) {}) do |producer|
        producer.send_many(%w[a b])
        producer.send_async("c")
      end
      other.producer("bills", on_state: ->(_) {}) # which the client closes
      other.consumer("orders", "s") { |consumer| consumer.receive(timeout: 0.01) }
    end
    assert_equal(before, Stargate::Callbacks.size)
  end

  def test_the_functions_of_a_handle_end_when_it_is_collected
    before = Stargate::Callbacks.size
    abandon_listener
    deadline = now + 10
    until Stargate::Callbacks.size <= before || now > deadline
      GC.start
      sleep(0.02)
    end
    assert_operator(Stargate::Callbacks.size, :<=, before)
  end

  def test_another_library_is_refused_by_name
    library = File.expand_path("../lib/stargate", __dir__)
    command = [{ "STARGATE_LIBRARY" => "libm.so.6" }, RbConfig.ruby, "-r#{library}", "-e", "", { err: %i[child out] }]
    assert_match(/libm.so.6 is not libstargate .*LibraryError/, IO.popen(command, &:read))
  end

  private

  def abandon_listener
    client.producer("orders", on_state: ON_STATE).send("x")
    nil
  end

  def assert_raises_or_not(error)
    yield
  rescue error
    pass
  end

  def abandon
    other = Stargate::Client.new(broker.url)
    other.producer("orders").send("x")
    other.consumer("orders", "s").receive(timeout: 0.01)
    other.reader("orders")
    nil
  end

  # Runs a block in a child, and returns what it returns.
  def in_child
    reader, writer = IO.pipe
    pid = fork do
      reader.close
      writer.write(Marshal.dump(yield))
      writer.close
      exit!(0)
    end
    writer.close
    answer = Timeout.timeout(10) { reader.read }
    answer.empty? ? flunk("the child ended early: #{Process.wait2(pid)[1]}") : Marshal.load(answer)
  ensure
    unless answer&.empty? # it was waited for
      Process.kill(:KILL, pid)
      Process.wait(pid)
    end
  end
end
