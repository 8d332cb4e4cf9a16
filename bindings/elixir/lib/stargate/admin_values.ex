defmodule Stargate.Admin.Values do
  @moduledoc false
  # The arguments and results of Stargate.Admin, as C has them and as Elixir has them.

  def flag(value) when is_boolean(value), do: if(value, do: 1, else: 0)

  def names(names) when is_list(names), do: Enum.join(names, ",")
  def names(names), do: names

  def milliseconds(%DateTime{} = time), do: DateTime.to_unix(time, :millisecond)
  def milliseconds(milliseconds), do: milliseconds

  def pairs(map), do: Enum.map(map, fn {name, value} -> {to_string(name), to_string(value)} end)

  def json({:ok, nil}), do: {:ok, nil}
  def json({:ok, json}), do: {:ok, Stargate.JSON.decode!(json)}
  def json(error), do: error

  def messages({:ok, messages}), do: {:ok, Stargate.Message.from_native(messages)}
  def messages(error), do: error

  def known({:ok, -1}), do: {:ok, nil}
  def known(result), do: result

  def known_flag({:ok, number}) when number in [0, 1], do: {:ok, number == 1}
  def known_flag(result), do: known(result)
end
