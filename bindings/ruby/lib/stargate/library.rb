# frozen_string_literal: true

require_relative "raw"

module Stargate
  # Raised by <tt>require "stargate"</tt> when libstargate cannot be found, or is of another version.
  class LibraryError < LoadError; end

  # Finds the C library: +STARGATE_LIBRARY+, beside this file, or where the system has it.
  module Library
    VARIABLE = "STARGATE_LIBRARY"
    BESIDE = File.join(__dir__, "libstargate.so")
    SONAME = "libstargate.so.0.1"

    class << self
      # The path, or the name, under which the library was found.
      attr_reader :path

      # Loads the library and checks its version.
      def load
        @path = candidates.find { |candidate| attach(candidate) } or raise LibraryError, missing
        check_version
      end

      private

      def candidates
        named = ENV.fetch(VARIABLE, "")
        return [named] unless named.empty?

        File.exist?(BESIDE) ? [BESIDE, SONAME] : [SONAME]
      end

      def attach(candidate)
        Raw.attach(candidate)
        true
      rescue FFI::NotFoundError => error # a LoadError too
        raise LibraryError, "#{candidate} is not libstargate #{Raw::VERSION}, or another version: #{error.message}"
      rescue LoadError => error
        (@reasons ||= []) << error.message.lines.first.chomp
        false
      end

      def missing
        "libstargate was not found: #{@reasons.join("; ")}. Set #{VARIABLE} to the full path of libstargate.so, " \
          "put it at #{BESIDE}, or install it as #{SONAME} where the loader looks"
      end

      def check_version
        major, minor, patch = Raw::VERSION.split(".").map(&:to_i)
        return unless Raw.stargate_version_compatible((major << 24) | (minor << 16) | (patch << 8)).zero?

        raise LibraryError, "#{path} is libstargate #{Raw.stargate_version}, and this package needs #{Raw::VERSION}: " \
                            "install the two of one version, or set #{VARIABLE} to the library that fits"
      end
    end
  end

  Library.load
end
