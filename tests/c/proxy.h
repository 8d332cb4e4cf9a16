/* An HTTP proxy for tests: it opens tunnels to 127.0.0.1 for the user "me" with the password "secret". */
#ifndef STARGATE_TESTS_PROXY_H
#define STARGATE_TESTS_PROXY_H

#include "testing.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Starts a proxy that lives as long as the test and counts its tunnels. Returns its port at 127.0.0.1. */
int proxy_start(counter *tunnels);

#ifdef __cplusplus
}
#endif
#endif
