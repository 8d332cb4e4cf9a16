#!/usr/bin/env bash
# Looks at the C library under tools, on the mock: the tests with the address and undefined-behaviour sanitizers, a part of
# them under valgrind's memcheck, and the reference by Doxygen, where a warning is an error. A tool that is not here is
# named, and its part left out.
#
#     tests/c/checks.sh [FOLDER WITH libstargate.so, by default target/release]
set -uo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
library=$(cd "${1:-$root/target/release}" && pwd)
work=$root/target/checks
mkdir -p "$work"
plain=$root/target/tests-c # that of run.sh
passed=0
failed=0

# check WHAT COMMAND...: runs it, quietly unless it fails.
check() {
    local what=$1 begun=$SECONDS
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok $what ($((SECONDS - begun)) s)"
        passed=$((passed + 1))
    else
        cat "$work/log"
        echo "not ok $what: $*"
        failed=$((failed + 1))
    fi
}

# has TOOL PACKAGE
has() {
    command -v "$1" >/dev/null && return
    echo "left out: $1 is not here; apt install $2"
    return 1
}

# build FOLDER OPTIONS...: the tests, against the library.
build() {
    local folder=$1
    shift
    cmake -S "$root/tests/c" -B "$folder" "-DSTARGATE_LIB_DIR=$library" -DCMAKE_BUILD_TYPE=Debug "$@" \
        && cmake --build "$folder" --parallel 2
}

# What takes long and shows a sanitizer nothing that the others do not.
slow='thousand_cycles|hundred_cycles|does_not_answer|blocks_stops_no_ping|10000_messages'
# In the child of a parent with several threads, malloc waits for a lock of the sanitizer's own, which gcc 12 leaves taken.
forks='children_of_a_parent|hangs_no_child'
check "the tests build with sanitizers" build "$work/sanitized" -DSANITIZE=address,undefined
check "address and undefined-behaviour sanitizers" \
    "$work/sanitized/with_mock" ctest --test-dir "$work/sanitized" -j2 --output-on-failure -E "$slow|$forks"
# The sanitizer is there, and sees what the library frees.
check "what is freed twice is seen" sh -c "'$work/sanitized/freed_twice' 2>&1 | grep 'AddressSanitizer: heap-use-after-free'"

# memcheck PROGRAM TESTS...: one process, since most of its time is the start.
memcheck() {
    local program=$1
    shift
    check "memcheck: $(basename "$program")" "$plain/with_mock" valgrind -q --error-exitcode=9 --leak-check=full \
        --show-leak-kinds=definite --errors-for-leak-kinds=definite "$plain/$program" "$@"
}
if has valgrind valgrind; then
    check "the tests build" build "$plain"
    memcheck test_nulls
    memcheck test_values a_message_comes_as_it_was_sent a_batch_has_a_result_for_each_message_and_is_received_in_order \
        statistics_are_json handles_say_what_they_are structs_of_other_sizes
    memcheck test_errors text_that_is_not_utf8 a_size_that_no_memory_holds a_namespace_that_is_missing
    memcheck test_callbacks a_registration_that_fails_destroys_its_data_once every_send_is_called_back_and_destroyed_once \
        a_free_ends_what_is_in_flight_and_calls_back a_producer_and_its_client_may_be_freed_in_a_callback \
        a_consumer_may_be_freed_in_its_handler the_client_may_be_freed_first each_processor_has_its_own_state \
        log_and_states_are_told_and_their_data_end
    memcheck test_supervisor
    memcheck test_poll
    memcheck cpp/test_cpp a_lambda_is_a_handler_and_ends_with_the_consumer nothing_thrown_leaves_any_callable \
        a_supervisor_has_what_its_json_names_and_what_is_added a_mock_is_a_broker_that_fails_on_request
fi

if has doxygen doxygen; then
    check "the reference has no warning" sh -c "cd '$root' && doxygen docs/Doxyfile"
fi
echo "checks: $passed passed, $failed failed"
[ "$failed" = 0 ]
