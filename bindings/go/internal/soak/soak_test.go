package main

import (
	"os"
	"testing"

	"stargate/internal/child"
)

func TestMain(m *testing.M) {
	child.Serve()
	leave()
	os.Exit(m.Run())
}

func TestEveryMessageSurvivesABrokerThatIsKilledFiveTimes(t *testing.T) {
	if err := outages(10_000, 5); err != nil {
		t.Fatal(err)
	}
}

func TestAProcessEndsWithWorkPending(t *testing.T) {
	if err := exits(6); err != nil {
		t.Fatal(err)
	}
}

func TestNothingLeaks(t *testing.T) {
	if err := leaks(30, 40_000); err != nil {
		t.Fatal(err)
	}
}
