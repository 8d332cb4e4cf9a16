/** An Apache Pulsar client over Pulsar's WebSocket API. */
module stargate {
    exports stargate;
    exports stargate.testing;
}
