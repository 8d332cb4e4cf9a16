defmodule Stargate.AdminTest do
  use Stargate.Test.Broker, async: true

  alias Stargate.Admin

  test "tenants, namespaces and their policies", %{client: client} do
    assert {:ok, true} =
             Admin.ensure_tenant(client, "shop", allowed_clusters: ["standalone"], admin_roles: ["a", "b"])

    assert {:ok, false} = Admin.ensure_tenant(client, "shop")
    assert {:ok, %{"allowedClusters" => ["standalone"], "adminRoles" => roles}} = Admin.tenant(client, "shop")
    assert Enum.sort(roles) == ["a", "b"]
    assert {:ok, tenants} = Admin.tenants(client)
    assert "shop" in tenants
    assert :ok = Admin.create_namespace(client, "shop/orders", bundles: 4)
    assert {:ok, ["shop/orders"]} = Admin.namespaces(client, "shop")
    assert {:ok, nil} = Admin.retention(client, "shop/orders")
    assert :ok = Admin.set_retention(client, "shop/orders", 60, 100)
    assert {:ok, %{"retentionTimeInMinutes" => 60}} = Admin.retention(client, "shop/orders")
    assert {:ok, nil} = Admin.deduplication(client, "shop/orders")
    assert :ok = Admin.set_deduplication(client, "shop/orders", true)
    assert {:ok, true} = Admin.deduplication(client, "shop/orders")
    assert {:ok, nil} = Admin.message_ttl(client, "shop/orders")
    assert :ok = Admin.set_message_ttl(client, "shop/orders", 5)
    assert {:ok, 5} = Admin.message_ttl(client, "shop/orders")
    assert :ok = Admin.delete_namespace(client, "shop/orders")
    assert {:error, %Error{kind: :not_found}} = Admin.namespaces(client, "missing")
  end

  test "topics, subscriptions and stored messages", %{client: client, mock: mock} do
    assert {:ok, true} = Admin.ensure_partitioned_topic(client, "parts", 3)
    assert {:ok, 3} = Admin.partitions(client, "parts")
    assert :ok = Admin.create_topic(client, "orders")
    assert {:ok, topics} = Admin.topics(client, "public/default")
    assert "persistent://public/default/orders" in topics
    assert {:ok, []} = Admin.topics(client, "public/default", persistent: false)

    assert :ok = Admin.create_subscription(client, "orders", "billing", :earliest)
    assert {:ok, ["billing"]} = Admin.subscriptions(client, "orders")
    ids = for number <- 1..3, do: mock |> MockBroker.publish("orders", "#{number}") |> elem(1)
    assert {:ok, messages} = Admin.peek(client, "orders", "billing", max: 2)
    assert Enum.map(messages, & &1.payload) == ["1", "2"]
    assert {:ok, [%Message{payload: "3"}]} = Admin.read_entry(client, "orders", List.last(ids))
    assert {:ok, [%Message{payload: "3"}]} = Admin.examine_message(client, "orders", :latest, 1)
    assert :ok = Admin.seek(client, "orders", "billing", hd(ids), after: true)
    assert {:ok, [%Message{payload: "2"}]} = Admin.peek(client, "orders", "billing", max: 1)
    assert {:ok, %{"subscriptions" => %{"billing" => %{}}}} = Admin.topic_stats(client, "orders")
    assert {:ok, last} = Admin.last_message_id(client, "orders")
    assert MessageId.compare(last, List.last(ids)) == :eq
    assert {:ok, last} = Admin.message_id_at(client, "orders", DateTime.add(DateTime.utc_now(), -3600))
    assert MessageId.compare(last, hd(ids)) == :eq
    assert :ok = Admin.skip_all(client, "orders", "billing")
    assert {:ok, []} = Admin.peek(client, "orders", "billing")
    assert :ok = Admin.delete_subscription(client, "orders", "billing", force: true)
    assert {:ok, [_last]} = Admin.terminate_topic(client, "orders")
    assert :ok = Admin.delete_topic(client, "orders", force: true)
  end

  test "a schema has versions", %{client: client} do
    assert {:ok, 0} = Admin.upload_schema(client, "orders", ~s({"type": "STRING"}))
    assert {:ok, %{"type" => "STRING"}} = Admin.schema(client, "orders", version: 0)
    assert {:ok, [%{"version" => 0}]} = Admin.schemas(client, "orders")

    assert {:ok, %{"compatibility" => false}} =
             Admin.test_schema_compatibility(client, "orders", ~s({"type": "INT8"}))

    assert :ok = Admin.delete_schema(client, "orders")
    assert {:error, %Error{kind: :not_found}} = Admin.schema(client, "orders")
  end

  test "a request that has no function, and mistakes", %{client: client} do
    assert {:ok, {200, body}} = Admin.request(client, "GET", "/admin/v2/clusters", timeout: 5_000)
    assert body =~ "standalone"
    assert {:error, %Error{kind: :not_found, http_status: 404}} = Admin.request(client, "GET", "nothing/here")

    assert_raise ArgumentError, ~r/unknown keys \[:froce\]/, fn ->
      Admin.delete_topic(client, "orders", froce: true)
    end

    assert_raise ArgumentError, ~r/^topic: /, fn -> Admin.delete_topic(client, 17) end
    assert_raise ArgumentError, ~r/^topic: /, fn -> Admin.delete_topic(client, "a\0b") end
  end
end
