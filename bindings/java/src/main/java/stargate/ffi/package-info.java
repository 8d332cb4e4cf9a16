/** The C library as Java sees it: what the package {@code stargate} is built on, and no part of its API. */
package stargate.ffi;
