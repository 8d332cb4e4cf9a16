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

  @doc """
  A stream of messages, which ends with the topic or a close, and raises for other errors. `give_back` is given those
  that were taken and not asked for.
  """
  def stream(ref, max, give_back) do
    Stream.resource(fn -> [] end, &next(&1, ref, max), give_back)
  end

  defp next([message | rest], _ref, _max), do: {[message], rest}

  defp next([], ref, max) do
    case receive_many(ref, max, :infinity) do
      {:ok, messages} -> next(messages, ref, max)
      {:error, %{kind: kind}} when kind in [:closed, :end_of_topic] -> {:halt, []}
      {:error, error} -> raise error
    end
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
