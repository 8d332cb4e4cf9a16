package stargate;

import java.util.Map;

/**
 * Supplies the keys of end-to-end encryption, instead of the options that name key files. It runs on a thread of the
 * library and may block. What it throws means that there is no such key.
 */
public interface KeyReader {
    /**
     * A public key.
     *
     * @param pem the key as PEM, RSA or on the curve P-256, P-384 or P-521
     * @param metadata travels with each message, unencrypted, and reaches {@link #privateKey}
     */
    record PublicKey(String pem, Map<String, String> metadata) {
        /**
         * Makes a key without metadata.
         *
         * @param pem the key
         */
        public PublicKey(String pem) {
            this(pem, Map.of());
        }
    }

    /**
     * Supplies a public key, when a producer is opened and for each new data key.
     *
     * @param name the name of the key
     * @return the key
     */
    default PublicKey publicKey(String name) {
        throw new UnsupportedOperationException("there is no public key here");
    }

    /**
     * Supplies a private key, without a passphrase, when a message arrives under a data key that is not known yet.
     *
     * @param name the name of the key
     * @param metadata the metadata of the public key
     * @return the key as PEM
     */
    default String privateKey(String name, Map<String, String> metadata) {
        throw new UnsupportedOperationException("there is no private key here");
    }
}
