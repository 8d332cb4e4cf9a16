// Package orders sends orders. Its test shows how a program is tested with the mock broker.
package orders

import (
	"context"
	"encoding/json"
	"fmt"

	"stargate"
)

// Order is what a customer wants.
type Order struct {
	Customer string `json:"customer"`
	Pizza    string `json:"pizza"`
}

// Place stores an order, and returns where.
func Place(ctx context.Context, producer *stargate.Producer, order Order) (stargate.MessageID, error) {
	payload, err := json.Marshal(order)
	if err != nil {
		return stargate.MessageID{}, err
	}
	id, err := producer.Send(ctx, stargate.Outgoing{Payload: payload, Key: order.Customer})
	if err != nil {
		return stargate.MessageID{}, fmt.Errorf("the order of %s: %w", order.Customer, err)
	}
	return id, nil
}
