# frozen_string_literal: true

require_relative "../stargate"
require_relative "mock_broker"
