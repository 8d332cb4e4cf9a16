/**
 * An Apache Pulsar client over Pulsar's WebSocket API: for clusters of which only the HTTP port is open.
 *
 * <pre>{@code
 * try (Client client = Client.of("ws://localhost:8080");
 *         Producer producer = client.producer("orders").open()) {
 *     producer.send("one pizza");
 * }
 * }</pre>
 *
 * <p>Calls that wait give up the carrier of a virtual thread, and end at once when their thread is interrupted, with
 * {@link stargate.ErrorKind#INTERRUPTED}. Every failure is a {@link stargate.StargateException}. Records go to the logger
 * "stargate" of {@link java.lang.System.Logger}.
 *
 * <p>The package calls C, so a program that uses it runs with {@code --enable-native-access=stargate}, or with {@code
 * --enable-native-access=ALL-UNNAMED} if it is on the class path.
 */
package stargate;
