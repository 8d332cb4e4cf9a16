# frozen_string_literal: true

require_relative "helper"
require "open3"
require "rbs"
require "rbs/cli"

# The types in sig: they have what the package has, and the programs of the pages fit them.
class TestTypes < BrokerTest
  parallelize_me!
  SIG = File.expand_path("../sig", __dir__)
  LIBRARIES = %w[-r logger -r monitor -I].push(SIG).freeze
  # Declarations of C, which is no part of the interface.
  NOT_TYPED = %i[Raw].freeze

  def test_the_types_are_valid
    assert_silent { RBS::CLI.new(stdout: $stdout, stderr: $stderr).run([*LIBRARIES, "validate", "--silent"]) }
  end

  def test_every_class_and_method_has_its_type_and_every_type_its_method
    assert_equal(names_of(Stargate), typed.keys.sort)
    typed.each do |name, members|
      owner = Object.const_get(name)
      next assert_kind_of(Module, owner) if owner.is_a?(Class) && owner < StandardError && members.empty?

      assert_equal(methods_of(owner), members.keys.sort, name)
      members.each { |(kind, method), types| assert_parameters(name, kind, method, types) }
    end
  end

  # With rbs/test each call is checked: its arguments, its block and what it returns.
  def test_the_programs_of_the_page_fit_the_types
    programs = TestTypes.programs.map { |program| program.gsub("localhost:8080", broker.url.delete_prefix("ws://")) }
    out, status = checked(<<~RUBY)
      #{programs.inspect}.each { |program| eval(program, TOPLEVEL_BINDING.dup) }
      begin
        Stargate::Client.open(:url)
      rescue RBS::Test::Tester::TypeError => error
        puts(error.message)
      end
    RUBY
    assert_predicate(status, :success?, out)
    assert_match(/^TypeError: \[.open\]/, out)
  end

  # Those without tests of their own.
  def self.programs
    page = File.read(File.expand_path("../../../docs/ruby.md", __dir__))
    page.scan(/^```ruby\n(.*?)^```$/m).flatten.grep_v(/minitest/)
  end

  private

  # Runs a program with types that are checked.
  def checked(program)
    environment = { "RBS_TEST_TARGET" => "Stargate::*", "RBS_TEST_OPT" => LIBRARIES.join(" "), "RBS_TEST_LOGLEVEL" => "error" }
    library = File.expand_path("../lib", __dir__)
    Open3.capture2e(environment, RbConfig.ruby, "-W0", "-rrbs/test/setup", "-I#{library}", "-rstargate", "-e", program)
  end

  # The classes and modules that are documented, by their full names.
  def names_of(owner)
    found = owner.constants(false).reject { |name| NOT_TYPED.include?(name) || hidden?(owner.const_source_location(name)) }
    modules = found.map { |name| owner.const_get(name) }.grep(Module)
    [owner.name, *modules.flat_map { |one| names_of(one) }].sort
  end

  # The public methods that are documented, each with :instance or :singleton.
  def methods_of(owner)
    instance = owner.public_instance_methods(false)
    instance << :initialize if owner.private_instance_methods(false).include?(:initialize)
    instance.reject! { |name| hidden?(owner.instance_method(name).source_location) }
    singleton = owner.singleton_methods(false) - (owner < Struct ? Class.new(Struct.new(:x)).singleton_methods : [])
    singleton.reject! { |name| hidden?(owner.method(name).source_location) }
    [*instance.map { |name| [:instance, name] }, *singleton.map { |name| [:singleton, name] }].sort
  end

  # Whether the line of a definition keeps it out of the documentation.
  def hidden?(location)
    file, line = location
    @lines ||= Hash.new { |lines, name| lines[name] = File.readlines(name) }
    !file.nil? && @lines[file][line - 1].include?(":nodoc:")
  end

  # What the types declare: for each name the methods, each with its overloads.
  def typed
    @typed ||= Dir[File.join(SIG, "**/*.rbs")].each_with_object({}) do |file, all|
      parsed = RBS::Parser.parse_signature(File.read(file))
      parsed = parsed.last if parsed.last.is_a?(Array) # RBS 3
      parsed.each { |declared| collect(declared, "", all) }
    end
  end

  def collect(declared, outer, all)
    return unless declared.respond_to?(:members) && !declared.is_a?(RBS::AST::Declarations::Interface)

    name = "#{outer}#{declared.name}"
    members = (all[name] ||= {})
    declared.members.each do |member|
      case member
      when RBS::AST::Members::MethodDefinition
        types = member.respond_to?(:overloads) ? member.overloads.map(&:method_type) : member.types # RBS 3, RBS 2
        members[[member.kind, member.name]] = types
      when RBS::AST::Members::AttrAccessor
        members[[:instance, member.name]] = members[[:instance, :"#{member.name}="]] = nil
      else collect(member, "#{name}::", all)
      end
    end
  end

  # Compares how many arguments a method takes, and its keywords.
  def assert_parameters(owner, kind, name, types)
    return unless types

    owner = Object.const_get(owner)
    found = (kind == :instance ? owner.instance_method(name) : owner.method(name)).parameters.group_by(&:first)
    functions = types.map(&:type)
    assert_equal((found[:req] || []).size, functions.map { |type| type.required_positionals.size }.min, "#{owner} #{name}")
    keywords = functions.flat_map { |type| [*type.required_keywords.keys, *type.optional_keywords.keys] }.uniq
    given = [*found[:keyreq], *found[:key]].map(&:last)
    given = keywords & given if functions.any?(&:rest_keywords)
    assert_empty(given - keywords, "#{owner} #{name}")
    assert_empty(keywords - given, "#{owner} #{name}") unless found[:keyrest]
  end
end
