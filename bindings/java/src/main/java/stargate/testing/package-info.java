/** A Pulsar broker for the tests of applications, which fails on command. */
package stargate.testing;
