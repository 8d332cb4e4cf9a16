# frozen_string_literal: true

require_relative "lib/stargate/version"

Gem::Specification.new do |spec|
  spec.name = "stargate"
  spec.version = Stargate::VERSION
  spec.summary = "An Apache Pulsar client over Pulsar's WebSocket API"
  spec.description = "Producers, consumers and readers that reconnect without losing what was accepted, on the C library " \
                     "libstargate, which is not part of the gem."
  spec.authors = ["The stargate authors"]
  spec.license = "Apache-2.0"
  spec.required_ruby_version = ">= 3.1"
  spec.files = Dir.chdir(__dir__) { Dir["lib/**/*.rb", "sig/**/*.{rbs,yaml}", "examples/*.rb", "README.md"] }
  spec.metadata = { "rubygems_mfa_required" => "true", "allowed_push_host" => "https://rubygems.invalid" }
  spec.add_dependency "ffi", "~> 1.15"
end
