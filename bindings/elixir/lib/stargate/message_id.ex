defmodule Stargate.MessageId do
  @moduledoc """
  The id of a message: a text in base64, to acknowledge the message later or to start a reader after it.

  The same message can have other text from another connection, so compare ids with `compare/2`. It makes ids sort, too:
  `Enum.sort(ids, Stargate.MessageId)`.
  """

  alias Stargate.{Error, Native}

  @type t :: String.t()

  @doc """
  Compares two ids by the positions that they name. Across the partitions of a topic it is only a fixed order, not one
  of time. Raises a `Stargate.Error` for a text that is no id.
  """
  @spec compare(t(), t()) :: :lt | :eq | :gt
  def compare(left, right) do
    case Native.compare_ids(left, right) do
      {:ok, order} -> Enum.at([:lt, :eq, :gt], order + 1)
      {:error, error} -> raise error
    end
  end

  @doc """
  Returns what an id names. `partition` and `batch_index` are -1 where there is none.
  """
  @spec parts(t()) ::
          {:ok, %{ledger: integer(), entry: integer(), partition: integer(), batch_index: integer()}}
          | {:error, Error.t()}
  def parts(id) do
    with {:ok, {ledger, entry, partition, batch_index}} <- Native.id_parts(id) do
      {:ok, %{ledger: ledger, entry: entry, partition: partition, batch_index: batch_index}}
    end
  end
end
