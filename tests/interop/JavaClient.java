import java.util.concurrent.TimeUnit;
import org.apache.pulsar.client.api.Message;
import org.apache.pulsar.client.api.Producer;
import org.apache.pulsar.client.api.PulsarClient;
import org.apache.pulsar.client.api.Consumer;
import org.apache.pulsar.client.api.SubscriptionInitialPosition;

/**
 * Pulsar's Java client, for what the C++ one does not have: keys on elliptic curves.
 *
 * <pre>java -cp 'JARS/*' JavaClient.java send|receive URL TOPIC KEY.pem COUNT</pre>
 *
 * Sends `message 0` and so on under a public key, or prints what comes with a private one, a line each.
 */
public class JavaClient {
    public static void main(String[] arguments) throws Exception {
        String url = arguments[1], topic = arguments[2], key = "file://" + arguments[3];
        int count = Integer.parseInt(arguments[4]);
        try (PulsarClient client = PulsarClient.builder().serviceUrl(url).build()) {
            if (arguments[0].equals("send")) {
                try (Producer<byte[]> producer = client.newProducer().topic(topic).addEncryptionKey("billing")
                        .defaultCryptoKeyReader(key).create()) {
                    for (int number = 0; number < count; number++) {
                        producer.send(("message " + number).getBytes());
                    }
                }
            } else {
                try (Consumer<byte[]> consumer = client.newConsumer().topic(topic).subscriptionName("java")
                        .subscriptionInitialPosition(SubscriptionInitialPosition.Earliest)
                        .defaultCryptoKeyReader(key).subscribe()) {
                    for (int number = 0; number < count; number++) {
                        Message<byte[]> message = consumer.receive(20, TimeUnit.SECONDS);
                        System.out.println("received " + (message == null ? "nothing" : new String(message.getData())));
                    }
                }
            }
        }
    }
}
