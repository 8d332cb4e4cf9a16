defmodule Stargate.JSON do
  @moduledoc false
  # As much JSON as options and statistics need: neither Elixir 1.14 nor OTP 24 has any.

  @doc "Returns the JSON of maps, lists, texts, numbers, booleans, atoms and nil."
  def encode(nil), do: "null"
  def encode(value) when is_boolean(value) or is_number(value), do: to_string(value)
  def encode(value) when is_atom(value), do: encode(Atom.to_string(value))
  def encode(value) when is_binary(value), do: [?", escape(value, []), ?"]
  def encode(value) when is_list(value), do: [?[, value |> Enum.map(&encode/1) |> Enum.intersperse(?,), ?]]

  def encode(value) when is_map(value) do
    members = for {key, member} <- value, do: [encode(to_string(key)), ?:, encode(member)]
    [?{, Enum.intersperse(members, ?,), ?}]
  end

  defp escape(<<>>, done), do: Enum.reverse(done)
  defp escape(<<?", rest::binary>>, done), do: escape(rest, ["\\\"" | done])
  defp escape(<<?\\, rest::binary>>, done), do: escape(rest, ["\\\\" | done])

  defp escape(<<control, rest::binary>>, done) when control < 0x20 do
    escape(rest, ["\\u" <> String.pad_leading(Integer.to_string(control, 16), 4, "0") | done])
  end

  defp escape(<<byte, rest::binary>>, done), do: escape(rest, [byte | done])

  @doc "Returns the value of a JSON text; objects are maps with texts as keys."
  def decode!(text) do
    {value, rest} = value(skip(text))
    "" = skip(rest)
    value
  end

  defp value("{" <> rest), do: object(skip(rest), %{})
  defp value("[" <> rest), do: array(skip(rest), [])
  defp value("\"" <> rest), do: string(rest, [])
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value("null" <> rest), do: {nil, rest}

  defp value(text) do
    [number] = Regex.run(~r/^-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/, text)
    rest = binary_part(text, byte_size(number), byte_size(text) - byte_size(number))
    {number(number), rest}
  end

  defp number(text) do
    case Integer.parse(text) do
      {integer, ""} -> integer
      _fraction -> text |> Float.parse() |> elem(0)
    end
  end

  defp object("}" <> rest, map), do: {map, rest}
  defp object("," <> rest, map), do: object(skip(rest), map)

  defp object("\"" <> rest, map) do
    {key, rest} = string(rest, [])
    ":" <> rest = skip(rest)
    {member, rest} = value(skip(rest))
    object(skip(rest), Map.put(map, key, member))
  end

  defp array("]" <> rest, list), do: {Enum.reverse(list), rest}
  defp array("," <> rest, list), do: array(skip(rest), list)

  defp array(text, list) do
    {item, rest} = value(text)
    array(skip(rest), [item | list])
  end

  defp string("\"" <> rest, done), do: {done |> Enum.reverse() |> IO.iodata_to_binary(), rest}

  defp string(<<"\\u", high::binary-4, "\\u", low::binary-4, rest::binary>>, done)
       when high >= "d800" and high < "dc00" do
    <<point::utf16>> = <<String.to_integer(high, 16)::16, String.to_integer(low, 16)::16>>
    string(rest, [<<point::utf8>> | done])
  end

  defp string(<<"\\u", hex::binary-4, rest::binary>>, done) do
    string(rest, [<<String.to_integer(hex, 16)::utf8>> | done])
  end

  defp string(<<?\\, escaped, rest::binary>>, done), do: string(rest, [unescape(escaped) | done])
  defp string(<<byte, rest::binary>>, done), do: string(rest, [byte | done])

  defp unescape(?n), do: ?\n
  defp unescape(?t), do: ?\t
  defp unescape(?r), do: ?\r
  defp unescape(?b), do: ?\b
  defp unescape(?f), do: ?\f
  defp unescape(other), do: other

  defp skip(<<blank, rest::binary>>) when blank in ' \n\r\t', do: skip(rest)
  defp skip(text), do: text
end
