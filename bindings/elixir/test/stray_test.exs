defmodule Stargate.StrayTest do
  # Messages that nobody expects, to the processes of this package.
  use Stargate.Test.Broker

  test "an MFA that starts tasks, linked ones too, costs neither acknowledger nor producer", %{mock: mock} do
    place = [tenant: "public", namespace: "default", topic: "orders"]
    start_supervised!({Stargate.Supervisor, name: :stray, host: host(mock), producer: place})
    name = Stargate.registry_key("public", "default", "orders", name: :stray)
    {:via, Registry, {registry, key}} = name
    acknowledger = GenServer.whereis({:via, Registry, {registry, put_elem(key, 0, :producer_ack)}})
    producer = GenServer.whereis(name)

    for function <- [fn -> :done end, fn -> exit(:oops) end] do
      assert :ok = Stargate.produce(name, "x", {Task, :async, [function]})
      assert :ok = Stargate.produce(name, "x", {Task, :start_link, [function]})
    end

    assert :ok = Stargate.produce(name, "x", {Kernel, :send, [self(), :last]})
    assert_receive :last
    Process.sleep(100)
    assert Process.alive?(acknowledger) and Process.alive?(producer)
    assert GenServer.whereis(name) == producer
  end

  test "the processes of the application drop what they do not know" do
    for name <- [Stargate.Acknowledger, Stargate.Log, Stargate.Questions] do
      pid = Process.whereis(name)

      for stray <- [:stray, {make_ref(), :late}, {:DOWN, make_ref(), :process, self(), :gone}],
          do: send(pid, stray)

      :sys.get_state(pid)
      assert Process.whereis(name) == pid
    end
  end

  test "a question to a process that has gone is not waited for", %{mock: mock} do
    gone = spawn(fn -> :ok end)
    hooks = [{:token, gone, fn -> "token" end}]
    {:ok, ref} = Stargate.Native.client_new(mock.url, ~s({"connect_timeout": 20000}), hooks)
    client = %Client{ref: ref, url: mock.url}
    {time, {:error, %Error{}}} = :timer.tc(fn -> Producer.open(client, "orders") end)
    assert time < 5_000_000
  end
end
