# frozen_string_literal: true

# Declares everything in bindings/ruby/lib/stargate/raw.rb, and compares the structs with the JSON: load.rb LIBRARY
require "json"
require_relative "../../bindings/ruby/lib/stargate/raw"

def check(what, holds)
  abort("load.rb: #{what}") unless holds
end

raw = Stargate::Raw
raw.attach(ARGV.fetch(0))
raw.attach_mock
abi = JSON.parse(File.read(File.join(__dir__, "../../include/stargate.abi.json")))

abi["functions"].each { |function| check(function["name"], raw.respond_to?(function["name"])) }
abi["structs"].each do |struct|
  type = raw.const_get(struct["name"].delete_prefix("stargate_").split("_").map(&:capitalize).join)
  check("the size of #{type}", type.size == struct["size"])
  struct["fields"].each do |field|
    check("#{type} #{field["name"]}", type.offset_of(field["name"].to_sym) == field["offset"])
  end
end

error = FFI::MemoryPointer.new(:pointer)
client = FFI::MemoryPointer.new(:pointer)
check("a status", raw.stargate_client_new("nonsense", nil, client, error) == raw::INVALID_ARGUMENT)
message = raw.stargate_error_message(error.read_pointer)
check("a text", message[:ptr].read_string(message[:len]).include?("service URL"))
raw.stargate_error_free(error.read_pointer)
puts "#{abi["functions"].size} functions"
