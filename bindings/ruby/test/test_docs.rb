# frozen_string_literal: true

require_relative "helper"

# Runs the programs of the pages as they are printed, and the examples; only the URL is another.
class TestDocs < BrokerTest
  parallelize_me!
  ROOT = File.expand_path("../../..", __dir__)

  %w[bindings/ruby/README.md docs/ruby.md].each do |page|
    File.read(File.join(ROOT, page)).scan(/^```ruby\n(.*?)^```$/m).each.with_index(1) do |(program), number|
      define_method(:"test_program_#{number}_of_#{page}") do
        succeeds("-W", "-e", program.gsub("localhost:8080", broker.url.delete_prefix("ws://")))
      end
    end
  end

  def test_the_demo
    assert_match(/in order/, succeeds("-w", example("demo.rb"), broker.url))
  end

  def test_the_worker_ends_with_its_order_done
    broker.publish("orders", '{"price": 5, "count": 2}')
    broker.create_subscription("orders", "billing", earliest: true)
    worker = Thread.new { succeeds("-w", example("worker.rb"), broker.url) { |pid| @pid = pid } }
    broker.wait("ack", topic: "orders", timeout: 60) # on a busy machine
    Process.kill(:TERM, @pid)
    assert_equal("every order at hand is done\n", worker.value)
    assert_equal(["10"], broker.messages("bills").map(&:payload))
  end

  def test_the_tests_of_the_worker
    succeeds("-w", example("test_worker.rb"))
  end

  def test_the_gemspec_has_the_version_of_the_library_and_all_files
    spec = Gem::Specification.load(File.join(ROOT, "bindings/ruby/stargate.gemspec"))
    assert_equal(Stargate::Raw::VERSION, spec.version.to_s)
    assert_equal(Stargate::Raw::VERSION, Stargate.const_get(:VERSION))
    assert_empty(["lib/stargate/raw.rb", "sig/manifest.yaml"] - spec.files)
  end

  private

  def example(name) = File.join(ROOT, "bindings/ruby/examples", name)

  def succeeds(*arguments)
    IO.popen([RbConfig.ruby, "-I#{ROOT}/bindings/ruby/lib", *arguments, err: %i[child out]]) do |io|
      yield io.pid if block_given?
      out = Timeout.timeout(60) { io.read }
      io.close
      assert_predicate($?, :success?, out)
      out
    end
  end
end
