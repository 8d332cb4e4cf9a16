/*
 * The mock broker of stargate, for tests of applications: a Pulsar broker at 127.0.0.1 with everything in memory, which
 * does on request what a real one does at the worst moment. It is part of libstargate.
 *
 * This file is generated from ffi-c/src/mock.rs (UPDATE_HEADER=1 cargo test -p stargate-ffi --test header); do not edit it.
 *
 * Unlike stargate.h it may change in a minor version; the CHANGELOG says so then. A library built without the feature
 * `mock` does not have these functions.
 *
 *     stargate_mock *mock = NULL;
 *     stargate_error *error = NULL;
 *
 *     stargate_mock_start(NULL, &mock, &error);
 *     stargate_mock_fault(mock, "send", "orders", "no-receipt", 1, &error);  -- stored, and never confirmed
 *     run_the_application(stargate_mock_url(mock).ptr);
 *     stargate_mock_wait(mock, "send", "orders", 2, 5000, &error);           -- so it was sent again
 *     stargate_mock_free(mock);
 *
 * The rules at the top of stargate.h hold here too. A topic is `name`, `tenant/namespace/name` or a full name. Missing
 * topics, subscriptions and namespaces are STARGATE_NOT_FOUND; what makes no sense is STARGATE_INVALID_ARGUMENT; what the
 * broker cannot do in its present state is STARGATE_BROKER. All functions are thread-safe.
 *
 * docs/TESTING.md has the operations, the faults, whole examples, and what the mock does not do.
 */
