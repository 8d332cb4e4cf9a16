# frozen_string_literal: true

require_relative "helper"
require_relative "scenario"

# Carries out the scenarios of all languages, and compares the transcripts.
class TestScenarios < Minitest::Test
  parallelize_me! # they wait more than they compute
  TABLE = File.expand_path("../../../tests/scenarios/table", __dir__)

  Dir[File.join(TABLE, "*.scenario")].each do |path|
    name = File.basename(path, ".scenario")
    define_method(:"test_#{name}") do
      out = StringIO.new
      Interpreter.run(path, nil, out)
      assert_equal(File.read(path.sub(/scenario\z/, "transcript")), out.string)
    end
  end
end
