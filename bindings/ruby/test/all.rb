# frozen_string_literal: true

# Runs all tests: ruby -w test/all.rb [-n NAME]

ENV["MT_CPU"] ||= "4" # those that run side by side wait more than they compute
Dir[File.join(__dir__, "test_*.rb")].each { |file| require file }
