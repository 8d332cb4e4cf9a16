# frozen_string_literal: true

require_relative "helper"

# The REST API.
class TestAdmin < BrokerTest
  def admin = client.admin

  def test_tenants_and_namespaces
    assert(admin.ensure_tenant("shop", admin_roles: %w[a b], allowed_clusters: ["standalone"]))
    refute(admin.ensure_tenant("shop"))
    assert_includes(admin.tenants, "shop")
    assert_equal(%w[a b], admin.tenant("shop")["adminRoles"])
    admin.create_namespace("shop/orders")
    assert_equal(["shop/orders"], admin.namespaces("shop"))
    assert_nil(admin.message_ttl("shop/orders"))
    admin.set_message_ttl("shop/orders", 60)
    assert_equal(60, admin.message_ttl("shop/orders"))
    assert_nil(admin.deduplication("shop/orders"))
    admin.set_deduplication("shop/orders", true)
    assert_equal(true, admin.deduplication("shop/orders"))
    assert_nil(admin.retention("shop/orders"))
    admin.set_retention("shop/orders", 10, -1)
    assert_equal(10, admin.retention("shop/orders")["retentionTimeInMinutes"])
  end

  def test_topics_and_subscriptions
    assert(admin.ensure_partitioned_topic("orders", 2))
    assert_equal(2, admin.partitions("orders"))
    admin.create_topic("news")
    admin.create_subscription("news", "audit", :earliest)
    assert_equal(["audit"], admin.subscriptions("news"))
    admin.set_subscription_properties("news", "audit", { "owner" => "anna", "team" => "b" })
    assert_equal({ "owner" => "anna", "team" => "b" }, admin.subscription_properties("news", "audit"))
    all = admin.walk_topics.to_a
    assert_includes(all, "persistent://public/default/news")
    assert_includes(all, "persistent://public/default/orders-partition-1")
    assert_equal(all.first, admin.walk_topics("public").first)
    admin.delete_topic("news", force: true)
    assert_equal(:not_found, assert_raises(Stargate::NotFoundError) { admin.subscriptions("news") }.kind)
  end

  def test_stored_messages
    admin.create_topic("news")
    assert_nil(admin.last_message_id("news"))
    first, last = client.producer("news").send_many(%w[a b])
    assert_equal(last, admin.last_message_id("news"))
    assert_equal(first, admin.message_id_at("news", Time.at(0)))
    admin.create_subscription("news", "audit", :earliest)
    assert_equal(%w[a b], admin.peek("news", "audit").map(&:payload))
    assert_equal(%w[b], admin.read_entry("news", last).map(&:payload))
    admin.seek("news", "audit", first, after: true)
    assert_equal(%w[b], admin.peek("news", "audit", max: 5).map(&:payload))
    assert_equal(2, admin.topic_stats("news")["msgInCounter"])
  end

  def test_a_schema_has_versions
    assert_equal(0, admin.upload_schema("news", '{"type": "STRING"}'))
    assert_equal("STRING", admin.schema("news", version: 0)["type"])
    assert_equal([0], admin.schemas("news").map { |schema| schema["version"] })
    assert_equal(false, admin.test_schema_compatibility("news", '{"type": "INT8"}')["compatibility"])
    admin.delete_schema("news")
    assert_raises(Stargate::NotFoundError) { admin.schema("news") }
  end

  def test_a_request_of_its_own
    status, body = admin.request("GET", "/admin/v2/clusters")
    assert_equal([200, admin.clusters], [status, JSON.parse(body)])
    assert_match(/\A\d+\.\d+/, admin.broker_version)
  end

  def test_every_function_of_c_has_a_method
    functions = Stargate::Raw.singleton_methods.filter_map { |name| name[/\Astargate_admin_(.*)/, 1]&.to_sym }
    assert_empty(functions - Stargate::Admin.public_instance_methods(false) - Stargate::AdminCalls.instance_methods)
  end

  def test_an_error_names_the_line_of_the_caller
    errors = [-> { admin.partitions("a//b") }, -> { client.producer("a//b") }, -> { client.consumer("x", "s").seek("?") }]
    errors.map! { |call| assert_raises(Stargate::Error, &call) }
    errors.each { |error| assert_includes(error.backtrace.join("\n"), __method__.to_s) }
  end
end
