package stargate_test

import (
	"errors"
	"os"
	"testing"
	"time"

	"stargate"
)

// keyFiles reads the keys of the tests.
type keyFiles struct {
	metadata chan map[string]string
}

func (k keyFiles) PublicKey(name string) (stargate.PublicKey, error) {
	if name != "orders" {
		return stargate.PublicKey{}, errors.New("no such key")
	}
	pem, err := os.ReadFile("../../tests/keys/rsa.pub.pem")
	return stargate.PublicKey{PEM: pem, Metadata: map[string]string{"version": "7"}}, err
}

func (k keyFiles) PrivateKey(_ string, metadata map[string]string) ([]byte, error) {
	k.metadata <- metadata
	return os.ReadFile("../../tests/keys/rsa.pem")
}

func TestPayloadsAreEncryptedWithKeysOfFunctions(t *testing.T) {
	w := newWorld(t)
	keys := keyFiles{make(chan map[string]string, 10)}
	consumer := w.consumer(stargate.WithKeyReader(keys))
	_, err := w.producer(stargate.WithKeyReader(keys), stargate.WithEncryptionKey("orders")).Send(w.ctx,
		stargate.Outgoing{Payload: []byte("one pizza")})
	w.check(err)
	if message := w.receive(consumer); string(message.Payload) != "one pizza" || message.Encrypted {
		t.Errorf("%+v", message)
	}
	if metadata := <-keys.metadata; metadata["version"] != "7" {
		t.Errorf("metadata %v", metadata)
	}
	stored, err := w.broker.Messages("orders")
	w.check(err)
	if string(stored[0].Payload) == "one pizza" {
		t.Error("the broker can read it")
	}
	_, err = w.client.Producer(w.ctx, "orders", stargate.WithKeyReader(keys), stargate.WithEncryptionKey("other"))
	w.fails(err, stargate.ErrCrypto)
}

func TestAMessageIsRedeliveredLater(t *testing.T) {
	w := newWorld(t)
	consumer := w.consumer(stargate.WithSubscriptionType(stargate.SubscriptionTypeShared), stargate.WithEnableRetry(true))
	w.send("a")
	w.check(consumer.ReconsumeLater(w.ctx, w.receive(consumer), 10*time.Millisecond))
	if message := w.receive(consumer); message.ReconsumeTimes != 1 {
		t.Errorf("%+v", message)
	}
}
