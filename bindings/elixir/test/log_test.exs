defmodule Stargate.LogTest do
  use Stargate.Test.Broker

  test "records of the library reach Logger" do
    log =
      ExUnit.CaptureLog.capture_log(fn ->
        {:ok, client} = Client.new("ws://127.0.0.1:1", connect_timeout: 500)
        :ok = :sys.statistics(Stargate.Log, true)
        {:error, _} = Producer.open(client, "orders")
        received = fn -> Stargate.Log |> :sys.statistics(:get) |> elem(1) |> Keyword.get(:messages_in) end
        eventually(true, fn -> received.() > 0 end)
        :sys.statistics(Stargate.Log, false)
      end)

    assert log =~ "127.0.0.1:1 could not be reached"
  end
end
