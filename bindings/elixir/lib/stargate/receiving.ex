defmodule Stargate.Receiving do
  @moduledoc false
  # What consumers and readers have in common.

  alias Stargate.{Message, Native}

  @doc "Receives up to `max` messages. A process that dies while it waits ends the receives of others, too: they go on."
  def receive_many(ref, max, timeout), do: receive_until(ref, max, deadline(timeout))

  defp receive_until(ref, max, deadline) do
    tag = make_ref()

    with :ok <- Native.receive(ref, tag, max, left(deadline)) do
      receive do
        {^tag, {:ok, messages}} -> {:ok, taken(messages)}
        {^tag, :interrupted} -> receive_until(ref, max, deadline)
        {^tag, result} -> result
      end
    end
  end

  # From here on they are the caller's. Until then they would be refused, if this process died.
  defp taken(messages) do
    :ok = Native.keep_all(messages)
    Message.from_native(messages)
  end

  @doc "A stream of messages, which ends with the topic or a close, and raises for other errors."
  def stream(ref, max) do
    Stream.repeatedly(fn -> receive_many(ref, max, :infinity) end)
    |> Stream.transform(nil, fn
      {:ok, messages}, _ -> {messages, nil}
      {:error, %{kind: kind}}, _ when kind in [:closed, :end_of_topic] -> {:halt, nil}
      {:error, error}, _ -> raise error
    end)
  end

  @doc "The position of a seek: an end, an id, or a time."
  def seek(role, ref, to, after?, timeout) do
    case to do
      %DateTime{} ->
        Native.call(:"stargate_#{role}_seek_time", [ref, DateTime.to_unix(to, :millisecond), timeout])

      to ->
        Native.call(:"stargate_#{role}_seek", [ref, to_string(to), if(after?, do: 1, else: 0), timeout])
    end
  end

  defp deadline(:infinity), do: :infinity
  defp deadline(timeout), do: now() + timeout

  defp left(:infinity), do: :infinity
  defp left(deadline), do: max(deadline - now(), 0)

  defp now, do: System.monotonic_time(:millisecond)
end
