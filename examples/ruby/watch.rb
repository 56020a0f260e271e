#!/usr/bin/env ruby
# frozen_string_literal: true

# Waits for a workflow execution and prints a line for each change, then its nodes, the output of each node that failed,
# and how long the last poll took.
#
#     ruby watch.rb [--timeout SECONDS] EXECUTION_ID
#
# The library is loaded from the path in the environment variable REFOLD_LIBRARY, or else found by the system's loader.
# Credentials come from REFOLD_API_KEY and REFOLD_LINKED_ACCOUNT_ID, or REFOLD_SESSION_TOKEN. REFOLD_LOG=info prints what
# the calls do on stderr.
#
# Exit status: 0 if the run completed; 1 on an error, reported on stderr; 3 if the run ended otherwise; 130 if SIGINT
# (Ctrl-C) or SIGTERM cancelled the wait.

require "ffi"
require "optparse"

module Refold
  # The functions of refold.h that this program uses.
  module C
    extend FFI::Library
    ffi_lib ENV["REFOLD_LIBRARY"] || %w[librefold.so.0 librefold.0.dylib refold.dll]

    # Objects that the caller owns: freed by their method free, or else by the garbage collector.
    class Options < FFI::AutoPointer
      def self.release(pointer) = C.refold_options_free(pointer)
    end

    class Client < FFI::AutoPointer
      def self.release(pointer) = C.refold_client_free(pointer)
    end

    class Cancel < FFI::AutoPointer
      def self.release(pointer) = C.refold_cancel_free(pointer)
    end

    class Queue < FFI::AutoPointer
      def self.release(pointer) = C.refold_queue_free(pointer)
    end

    class Event < FFI::AutoPointer
      def self.release(pointer) = C.refold_event_free(pointer)
    end

    class Error < FFI::AutoPointer
      def self.release(pointer) = C.refold_error_free(pointer)
    end

    # A returned string, which is copied; nil for NULL. The gem marks it as binary, but it is UTF-8.
    class Text
      extend FFI::DataConverter
      native_type FFI::Type::STRING

      def self.from_native(text, _context) = text&.force_encoding(Encoding::UTF_8)
    end

    attach_function :refold_options_new_from_env, [], Options
    attach_function :refold_options_free, [:pointer], :void
    # Reads certificates from disk, so other threads may run meanwhile. Nothing else here blocks.
    attach_function :refold_client_new, %i[pointer pointer], Client, blocking: true
    attach_function :refold_client_free, [:pointer], :void
    attach_function :refold_cancel_new, [], Cancel
    attach_function :refold_cancel_trigger, [:pointer], :void
    attach_function :refold_cancel_free, [:pointer], :void
    attach_function :refold_queue_new, %i[uint32 pointer], Queue
    attach_function :refold_queue_wait_execution, %i[pointer pointer string uint64 pointer pointer pointer], :bool
    attach_function :refold_queue_descriptor, [:pointer], :intptr_t
    attach_function :refold_queue_next, %i[pointer int64], Event
    attach_function :refold_queue_free, [:pointer], :void
    attach_function :refold_event_typeof, [:pointer], :int32
    attach_function :refold_event_execution, [:pointer], :pointer
    attach_function :refold_event_error, [:pointer], :pointer
    attach_function :refold_event_free, [:pointer], :void
    attach_function :refold_error_code, [:pointer], :int32
    attach_function :refold_error_message, [:pointer], Text
    attach_function :refold_error_request_id, [:pointer], Text
    attach_function :refold_error_free, [:pointer], :void
    attach_function :refold_execution_id, [:pointer], Text
    attach_function :refold_execution_name, [:pointer], Text
    attach_function :refold_execution_status, [:pointer], Text
    attach_function :refold_execution_state, [:pointer], :int32
    attach_function :refold_execution_completion_percentage, [:pointer], :double
    attach_function :refold_execution_node_count, [:pointer], :size_t
    attach_function :refold_execution_node, %i[pointer size_t], :pointer
    attach_function :refold_execution_timing_us, %i[pointer int32], :int64
    attach_function :refold_execution_attempts, [:pointer], :uint32
    attach_function :refold_node_id, [:pointer], Text
    attach_function :refold_node_name, [:pointer], Text
    attach_function :refold_node_status, [:pointer], Text
    attach_function :refold_node_state, [:pointer], :int32
    attach_function :refold_node_execution_time_ms, [:pointer], :int64
    attach_function :refold_node_latest_output, [:pointer], :pointer
    attach_function :refold_json_raw, %i[pointer pointer], :pointer
    attach_function :refold_state_is_failure, [:int32], :bool
  end

  EVENT_DONE = 2
  TIMINGS = ["total", "resolve", "connect", "TLS", "first byte", "transfer"].freeze # in the order of refold_timing

  # A call that failed.
  class Error < StandardError
    CANCELLED = -2
    attr_reader :code, :request_id

    def initialize(error)
      @code = C.refold_error_code(error)
      @request_id = C.refold_error_request_id(error)
      super(C.refold_error_message(error))
    end
  end

  # Calls a function, to which the block passes the place for an error. Raises the error if there is one.
  def self.checked
    place = FFI::MemoryPointer.new(:pointer)
    result = yield place
    error = C::Error.new(place.read_pointer)
    raise Error, error unless error.null?

    result
  end

  # Returns text as one line that is safe to print. Texts of a server, messages of errors included, may contain escape
  # sequences for the terminal, forged lines, and controls that reorder what a line shows.
  def self.printable(text)
    text.scrub("?").gsub(/[\t\n\r]/, " ").gsub(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/, "?")
  end
end

# Prints one execution.
class Watch
  C = Refold::C
  OUTPUT_CHARACTERS = 1000

  # Returns the exit status.
  def run(id, timeout_ms)
    cancel = C.refold_cancel_new
    # Ruby runs handlers on this thread, also while it is in IO.select. The wait then ends with the error CANCELLED.
    %w[INT TERM].each { |signal| trap(signal) { C.refold_cancel_trigger(cancel) } }
    options = C.refold_options_new_from_env
    client = Refold.checked { |error| C.refold_client_new(options, error) }
    queue = Refold.checked { |error| C.refold_queue_new(1, error) }
    Refold.checked { |error| C.refold_queue_wait_execution(queue, client, id, timeout_ms, cancel, nil, error) }
    handle_events(queue)
  ensure
    %w[INT TERM].each { |signal| trap(signal, "DEFAULT") }
    [queue, cancel, client, options].compact.each(&:free) # ends the wait if it still runs
  end

  private

  # Returns the exit status when the wait is done.
  def handle_events(queue)
    descriptor = IO.for_fd(C.refold_queue_descriptor(queue), autoclose: false)
    loop do
      IO.select([descriptor])
      event = C.refold_queue_next(queue, 0)
      next if event.null?

      begin
        return finish(event) if C.refold_event_typeof(event) == Refold::EVENT_DONE

        snapshot = C.refold_event_execution(event)
        show_progress(snapshot) unless snapshot.null? # NULL if memory was insufficient
      ensure
        event.free
      end
    end
  end

  def finish(event)
    execution = C.refold_event_execution(event)
    raise Refold::Error, C.refold_event_error(event) if execution.null?

    show_progress(execution)
    C.refold_execution_node_count(execution).times { |index| show_node(C.refold_execution_node(execution, index)) }
    puts "last poll in #{describe_times(execution)}, attempts #{C.refold_execution_attempts(execution)}"
    $stdout.flush
    C.refold_state_is_failure(C.refold_execution_state(execution)) ? 3 : 0
  end

  def show_progress(execution)
    name = C.refold_execution_name(execution) || C.refold_execution_id(execution)
    line = "#{name || "-"}: #{C.refold_execution_status(execution) || "-"}"
    percentage = C.refold_execution_completion_percentage(execution)
    line += format(", %.15g %%", percentage) if percentage >= 0
    puts Refold.printable(line) if line != @shown
    $stdout.flush
    @shown = line
  end

  def show_node(node)
    line = "  #{C.refold_node_name(node) || C.refold_node_id(node) || "-"}: #{C.refold_node_status(node) || "-"}"
    time_ms = C.refold_node_execution_time_ms(node)
    line += ", #{time_ms} ms" if time_ms >= 0
    puts Refold.printable(line)
    return unless C.refold_state_is_failure(C.refold_node_state(node))

    output = json_text(C.refold_node_latest_output(node))
    puts "    #{Refold.printable(output)[0, OUTPUT_CHARACTERS]}" unless [nil, "null"].include?(output)
  end

  # Returns the text of a JSON value, for JSON.parse; nil if there is none. It is not NUL-terminated.
  def json_text(value)
    length = FFI::MemoryPointer.new(:size_t)
    text = C.refold_json_raw(value, length)
    text.read_bytes(length.get(:size_t, 0)).force_encoding(Encoding::UTF_8) unless text.null?
  end

  # Composes "1.4 ms (connect 0.2 ms, first byte 1.1 ms, transfer 0.1 ms)".
  def describe_times(execution)
    times = Refold::TIMINGS.each_with_index.map { |name, part| [name, C.refold_execution_timing_us(execution, part)] }
    (_, total), *parts = times.map { |name, time_us| [name, format("%.1f ms", time_us / 1000.0)] if time_us >= 0 }
    "#{total || "-"} (#{parts.compact.map { |part| part.join(" ") }.join(", ")})"
  end
end

def main
  timeout_ms = 0
  parser = OptionParser.new("usage: watch.rb [--timeout SECONDS] EXECUTION_ID")
  parser.on("--timeout SECONDS", Float, "limit for the whole wait") { |seconds| timeout_ms = (seconds * 1000).ceil }
  arguments = parser.parse(ARGV)
  abort parser.banner unless arguments.size == 1 && timeout_ms >= 0
  exit Watch.new.run(arguments.first, timeout_ms)
rescue OptionParser::ParseError => e
  abort "watch: #{e.message}; #{parser.banner}"
rescue Refold::Error => e
  exit 130 if e.code == Refold::Error::CANCELLED
  request = e.request_id ? "; request id #{e.request_id}" : ""
  abort Refold.printable("watch: #{e.message}#{request}")
rescue SystemCallError => e
  abort "watch: cannot write output: #{e.message}"
end

main
