# A test of a worker, on the broker in memory: mix run examples/worker_test.exs
ExUnit.start()
Code.require_file("worker.exs", __DIR__)

defmodule WorkerTest do
  use ExUnit.Case

  alias Stargate.MockBroker

  setup do
    {:ok, mock} = MockBroker.start()
    start_supervised!({Worker, String.replace_prefix(mock.url, "ws://", "")})
    %{mock: mock}
  end

  test "squares numbers", %{mock: mock} do
    for number <- 1..3, do: {:ok, _id} = MockBroker.publish(mock, "jobs", {"k", "#{number}"})
    :ok = MockBroker.wait(mock, "ack", 3, topic: "jobs")
    {:ok, results} = MockBroker.messages(mock, "results")
    assert results |> Enum.map(& &1["payload"]) |> Enum.sort() == ["1", "4", "9"]
  end

  test "refuses what is no number", %{mock: mock} do
    MockBroker.publish(mock, "jobs", "one pizza")
    :ok = MockBroker.wait(mock, "nack", 1, topic: "jobs")
    assert {:ok, 1} = MockBroker.backlog(mock, "jobs", "workers")
  end

  test "goes on after an outage", %{mock: mock} do
    MockBroker.down(mock)
    MockBroker.publish(mock, "jobs", "5")
    MockBroker.up(mock)
    :ok = MockBroker.wait(mock, "ack", 1, topic: "jobs", timeout: 10_000)
    assert {:ok, [%{"payload" => "25"}]} = MockBroker.messages(mock, "results")
  end
end
