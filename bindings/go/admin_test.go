package stargate_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"stargate"
)

func TestTheAdminCreatesWhatIsMissing(t *testing.T) {
	w := newWorld(t)
	admin := w.client.Admin()
	made, err := admin.EnsureTenant(w.ctx, "shop", "", "")
	w.check(err)
	again, err := admin.EnsureTenant(w.ctx, "shop", "", "")
	w.check(err)
	w.check(admin.CreateNamespace(w.ctx, "shop/pizza", 0))
	w.check(admin.CreatePartitionedTopic(w.ctx, "persistent://shop/pizza/orders", 3))
	count, err := admin.Partitions(w.ctx, "persistent://shop/pizza/orders")
	w.check(err)
	if !made || again || count != 3 {
		t.Errorf("made %v, again %v, %d partitions", made, again, count)
	}
	w.fails(admin.CreateNamespace(w.ctx, "shop/pizza", 0), stargate.ErrBusy)
	names, err := admin.Namespaces(w.ctx, "shop")
	w.check(err)
	if !slices.Equal(names, []string{"shop/pizza"}) {
		t.Errorf("namespaces %v", names)
	}
}

func TestTheAdminReadsPoliciesAndMessages(t *testing.T) {
	w := newWorld(t)
	admin := w.client.Admin()
	w.check(admin.SetRetention(w.ctx, "public/default", 10, -1))
	retention, err := admin.Retention(w.ctx, "public/default")
	w.check(err)
	var read struct{ RetentionTimeInMinutes int }
	w.check(json.Unmarshal(retention, &read))
	if read.RetentionTimeInMinutes != 10 {
		t.Errorf("retention %s", retention)
	}
	w.check(admin.SetMessageTTL(w.ctx, "public/default", time.Hour))
	ttl, err := admin.MessageTTL(w.ctx, "public/default")
	w.check(err)
	if ttl != time.Hour {
		t.Error(ttl)
	}
	w.check(admin.SetMessageTTL(w.ctx, "public/default", 500*time.Millisecond)) // 0 would be never
	ttl, err = admin.MessageTTL(w.ctx, "public/default")
	w.check(err)
	if ttl != time.Second {
		t.Error(ttl)
	}
	w.send("a", "b", "c")
	w.check(admin.CreateSubscription(w.ctx, "orders", "billing", stargate.Earliest, false))
	messages, err := admin.Peek(w.ctx, "orders", "billing", 2)
	w.check(err)
	if len(messages) != 2 || string(messages[1].Payload) != "b" || messages[0].Topic != "persistent://public/default/orders" {
		t.Errorf("%+v", messages)
	}
	last, err := admin.LastMessageID(w.ctx, "orders")
	w.check(err)
	if last.Compare(messages[1].ID) <= 0 {
		t.Errorf("the last id %v is not after %v", last, messages[1].ID)
	}
	w.check(admin.SetSubscriptionProperties(w.ctx, "orders", "billing", map[string]string{"owner": "anna"}))
	properties, err := admin.SubscriptionProperties(w.ctx, "orders", "billing")
	w.check(err)
	if string(properties) != `{"owner":"anna"}` {
		t.Errorf("properties %s", properties)
	}
}

func TestTheAdminWalksTopicsAndSendsOtherRequests(t *testing.T) {
	w := newWorld(t)
	admin := w.client.Admin()
	w.send("a")
	var topics []string
	for topic, err := range admin.WalkTopics(w.ctx, "") {
		w.check(err)
		topics = append(topics, topic)
	}
	if !slices.Contains(topics, "persistent://public/default/orders") {
		t.Errorf("topics %v", topics)
	}
	for _, err := range admin.WalkTopics(w.ctx, "public") {
		w.check(err)
		break
	}
	status, body, err := admin.Request(w.ctx, "GET", "clusters", nil)
	w.check(err)
	if status != 200 || len(body) == 0 {
		t.Errorf("%d %s", status, body)
	}
	_, err = admin.Tenant(w.ctx, "nobody")
	w.fails(err, stargate.ErrNotFound)
	_, err = admin.Tenant(w.ctx, "no\x00body")
	w.fails(err, stargate.ErrInvalidArgument)
	w.check(w.broker.Fault("http", "delay:5000", "", 1))
	ctx, cancel := context.WithCancel(w.ctx)
	time.AfterFunc(20*time.Millisecond, cancel)
	began := time.Now()
	_, err = admin.Clusters(ctx)
	w.fails(err, context.Canceled)
	if time.Since(began) > time.Second {
		t.Errorf("a cancelled request took %v", time.Since(began))
	}
}

func TestTheAdminKeepsSchemas(t *testing.T) {
	w := newWorld(t)
	admin := w.client.Admin()
	version, err := admin.UploadSchema(w.ctx, "orders", `{"type": "STRING"}`)
	w.check(err)
	newest, err := admin.Schema(w.ctx, "orders", -1)
	w.check(err)
	all, err := admin.Schemas(w.ctx, "orders")
	w.check(err)
	var schema struct{ Type string }
	w.check(json.Unmarshal(newest, &schema))
	if version != 0 || schema.Type != "STRING" || string(all) != "["+string(newest)+"]" {
		t.Errorf("version %d: %s, of %s", version, newest, all)
	}
	asked, err := admin.TestSchemaCompatibility(w.ctx, "orders", `{"type": "INT8"}`)
	w.check(err)
	var answer struct{ Compatibility bool }
	if w.check(json.Unmarshal(asked, &answer)); answer.Compatibility {
		t.Errorf("%s", asked)
	}
	w.check(admin.DeleteSchema(w.ctx, "orders"))
	_, err = admin.Schema(w.ctx, "orders", 0)
	w.fails(err, stargate.ErrNotFound)
}

func TestTheAdminTakesAndReturnsMessageIDs(t *testing.T) {
	w := newWorld(t)
	admin := w.client.Admin()
	w.send("a", "b")
	made, err := admin.EnsureSubscription(w.ctx, "orders", "billing", stargate.Latest, false)
	w.check(err)
	last, err := admin.LastMessageID(w.ctx, "orders")
	w.check(err)
	w.check(admin.Seek(w.ctx, "orders", "billing", last, false))
	messages, err := admin.ReadEntry(w.ctx, "orders", last, 1)
	w.check(err)
	peeked, err := admin.Peek(w.ctx, "orders", "billing", 2)
	w.check(err)
	if !made || len(messages) != 1 || string(messages[0].Payload) != "b" || len(peeked) != 1 {
		t.Errorf("%v, %v, %v", made, messages, peeked)
	}
	_, err = admin.ExpireMessagesUntil(w.ctx, "orders", "billing", last)
	w.check(err)
	ids, err := admin.TerminateTopic(w.ctx, "orders")
	w.check(err)
	if len(ids) != 1 || ids[0].Compare(last) != 0 {
		t.Errorf("%v, not %v", ids, last)
	}
	w.fails(admin.Seek(w.ctx, "orders", "billing", stargate.MessageID{}, false), stargate.ErrInvalidArgument)
}

func TestTheAdminReadsNoMapAfterACancel(t *testing.T) {
	w := newWorld(t)
	admin := w.client.Admin()
	w.check(admin.CreateSubscription(w.ctx, "orders", "billing", stargate.Earliest, false))
	properties := map[string]string{"owner": "anna"}
	err := admin.SetSubscriptionProperties(w.endsWhenAwaited(2, func() {}), "orders", "billing", properties)
	w.fails(err, context.Canceled)
	properties["owner"] = "bert"
	stored := json.RawMessage("{}")
	for string(stored) == "{}" {
		stored, err = admin.SubscriptionProperties(w.ctx, "orders", "billing")
		w.check(err)
	}
	if string(stored) != `{"owner":"anna"}` {
		t.Errorf("%s", stored)
	}
}
