/*
 * stargate: an Apache Pulsar client over Pulsar's WebSocket API.
 *
 * This file is generated from the Rust sources of ffi-c (UPDATE_HEADER=1 cargo test -p stargate-ffi --test header); do
 * not edit it. Link with -lstargate (pkg-config stargate, or find_package(stargate)).
 *
 *     stargate_client *client = NULL;
 *     stargate_producer *producer = NULL;
 *     stargate_error *error = NULL;
 *     stargate_outgoing message = STARGATE_OUTGOING_INIT;
 *
 *     message.payload.ptr = "hello";
 *     message.payload.len = 5;
 *     if (stargate_client_new("ws://localhost:8080", NULL, &client, &error) == STARGATE_OK
 *         && stargate_producer_open(client, "orders", NULL, -1, &producer, &error) == STARGATE_OK
 *         && stargate_producer_send(producer, &message, -1, NULL, &error) == STARGATE_OK)
 *         puts("sent");
 *     else
 *         fprintf(stderr, "%s\n", stargate_error_message(error).ptr);
 *     stargate_producer_free(producer);
 *     stargate_client_free(client);
 *     stargate_error_free(error);
 *
 * THE RULES
 *
 * Ownership
 *  O1  _new, _open, _clone and receives give you something to free; the _free of its type frees it. _free(NULL) does
 *      nothing.
 *  O2  What you pass is borrowed for the call and copied if it is kept, the payload too. No call takes over an argument,
 *      whether it succeeds or not; user_data is the exception, see O6.
 *  O3  Results are written on STARGATE_OK; otherwise they are set to NULL or 0, so that code which always frees is right.
 *  O4  stargate_str and stargate_bytes are views, and live as long as what they were taken from. So do the pointers in
 *      the _fields structs, whose texts have lengths and no 0 at their end. Text is UTF-8. A text in a char * result ends
 *      with stargate_string_free, never with free().
 *  O5  The order in which handles are freed does not matter: what a client opened goes on when the client is freed.
 *  O6  A user_data pointer comes with a destroy function (NULL if it needs none), which runs exactly once, after the last
 *      call of the callback and on any thread; also when the call that registers it fails. So never free user_data
 *      yourself after passing it.
 *  O7  A handle or a message that a callback receives without const is yours to free; an error, an array and what is
 *      const live for that call.
 *  O8  _release is a _free that never waits and runs nothing of yours on its thread, for finalizers. What it gives up is
 *      closed in the background without time to linger; destroy tells when that is over.
 *
 * Errors
 *  E1  A call that can fail returns a stargate_status: 0 for success, positive for what a correct program meets in normal
 *      running (time over, closed, interrupted), negative for faults. Treat a number you do not know as a fault.
 *  E2  The last parameter, stargate_error **, may be NULL. If not, it is overwritten: with NULL on STARGATE_OK, otherwise
 *      with an error to free. One exception: a receive that ends with STARGATE_TIMEOUT, because nothing came, or with
 *      STARGATE_INTERRUPTED leaves NULL.
 *  E3  The error holds the kind, a text with operation, topic and all causes, the server's own words, the HTTP status and
 *      whether to try again. There is no "last error" of a thread.
 *  E4  NULL where it is not allowed, text that is not UTF-8 and unknown options are STARGATE_INVALID_ARGUMENT, and the text
 *      names the parameter. A fault of the library itself is STARGATE_INTERNAL; it never ends the process.
 *
 * Callbacks
 *  C1  Callbacks (sends, states, the ends of _async calls) run on one thread of the client, one after the other and in
 *      order; handlers run on the threads of their consumer or reader. None of these carries sockets: a callback may
 *      block as long as it likes, and pings go on meanwhile.
 *  C2  Inside a callback every function may be called, blocking ones, close and free too.
 *  C3  When a close returned STARGATE_OK, no callback of that handle runs or will run. After STARGATE_TIMEOUT this is not
 *      so yet; call it again.
 *  C4  Close and free in the handle's own callback do not wait for that callback; C3 holds once it returns.
 *  C5  Each _async call that returned STARGATE_OK gets exactly one call, never inside of itself; one that did not gets
 *      none. A close ends what its handle still waits for with STARGATE_CLOSED, and C3 covers those calls. If a client
 *      with polled callbacks is freed and nobody polls, only destroy runs.
 *  C6  Free without close is a close with no time to linger, which then waits for a callback that runs. So do not free
 *      a handle while you hold what its callback waits for.
 *  C7  Callbacks must not unwind: no C++ exception, no longjmp.
 *  C8  With stargate_options_poll_callbacks all of C1 runs inside of stargate_client_poll instead, on your thread, and
 *      a file descriptor tells your event loop when. A close and a free then run what is due themselves.
 *  C9  The log function may be called from any thread, until its destroy has run, and must not block.
 *
 * Threads
 *      Every function may be called on every handle from any thread at any time, except that a stargate_options is for one
 *      thread at a time, and that nobody may use a handle or an error while it is freed, or after.
 *
 * Time
 *      timeout_ms is in milliseconds on a clock that is never set: -1 waits without limit, 0 does not wait. Everything
 *      that can block has one. Points in time are milliseconds since 1970 UTC.
 *
 * Fork
 *      Handles belong to the process that opened them. In a child after fork() every call on them gives STARGATE_FORKED,
 *      and a free sends nothing, waits for nothing and runs no destroy. A new client in the child works.
 *
 * Options
 *      Options are texts: stargate_options_set(options, "queue_size", "100", &error). docs/configuration.md and
 *      stargate_options_describe() have them all. They are checked, and unknown ones are errors.
 *
 * Declarations
 *  D1  A type says whose something is. T * and const T * are borrowed (O2); T ** receives one to free with the _free of T,
 *      char ** a text to free with stargate_string_free. The first parameter of a _free or _release is taken.
 *  D2  Numbers and views are written through int32_t *, size_t *, uint64_t * and stargate_str *.
 *  D3  Text is const char *, and ends with a 0; a size_t length (text_len for text) after it says that it need not. A
 *      size_t count makes a pointer an array; T ** with a size_t max is an array of that room, of which *out_count is
 *      filled.
 *  D4  What may be NULL says so. Always may: options (the defaults), error, user_data, destroy, an array without items,
 *      and everything in a call that cannot fail. The error of a callback is NULL after a success.
 *  D5  Each function says which threads may call it, whether it blocks, and its errors: "Thread-safe; blocks" is bounded
 *      by timeout_ms, and "Thread-safe; waits for callbacks" waits for those that run (C6).
 *      stargate.abi.json has all of this for programs that write bindings.
 *
 * ABI
 *      Handles are opaque. A struct that you fill begins with struct_size, and may grow at its end; what your header does
 *      not have counts as not given. Statuses are int32_t. The library's SONAME changes when the ABI breaks.
 */
