# frozen_string_literal: true

module Stargate
  # The version of this package, and of the header that it was made from.
  VERSION = "0.1.0"
end
