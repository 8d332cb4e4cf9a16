package main

import (
	"context"
	"testing"
	"time"

	"stargate/stargatetest"
)

func TestTheDemoCountsRight(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := run(ctx, stargatetest.NewBroker(t).URL()); err != nil {
		t.Fatal(err)
	}
}
