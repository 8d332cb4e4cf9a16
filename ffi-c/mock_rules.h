/*
 * A Pulsar broker for the tests of your own programs, inside of libstargate: no JVM, no network, no waiting.
 *
 * This file is generated from ffi-c/src/mock.rs; do not edit it. The rules at the top of stargate.h hold here, too, apart
 * from one: this header may change in a minor version, and CHANGELOG says how.
 *
 *     stargate_mock *mock = NULL;
 *
 *     stargate_mock_start(NULL, &mock, &error);
 *     stargate_client_new(stargate_mock_url(mock).ptr, NULL, &client, &error);
 *     stargate_mock_fault(mock, "send", "orders", "no-receipt", 1, &error);
 *     ... what you want to test ...
 *     stargate_mock_wait(mock, "ack", "orders", 1, 5000, &error);
 *     stargate_mock_free(mock);
 */
