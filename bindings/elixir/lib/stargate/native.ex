defmodule Stargate.Native do
  @moduledoc false
  # The functions of c_src/nif.c. None of them waits: what takes time answers with a message {tag, result}.

  @on_load :load

  @doc false
  def load, do: :stargate |> Application.app_dir("priv/stargate_nif") |> to_charlist() |> :erlang.load_nif(0)

  @doc """
  Makes a call of the library that waits, on a thread of its own, and returns its result.
  """
  def call(name, arguments) do
    case await(&start_call(name, &1, arguments)) do
      {:badarg, parameter} -> raise ArgumentError, "#{parameter}: not a value that #{name} takes"
      result -> result
    end
  end

  @doc """
  Starts what answers with a message, and returns the answer. `start` is given the tag of the message; what it returns
  instead of `:ok` is returned at once.
  """
  def await(start) do
    tag = make_ref()

    with :ok <- start.(tag) do
      receive do
        {^tag, result} -> result
      end
    end
  end

  @doc "As `call/2`, but turns the number of the result into a boolean."
  def ask(name, arguments) do
    with {:ok, number} <- call(name, arguments), do: {:ok, number != 0}
  end

  @doc "As `call/2`, but decodes the JSON of the result."
  def call_json(name, arguments) do
    with {:ok, json} <- call(name, arguments), do: {:ok, Stargate.JSON.decode!(json)}
  end

  def open_library(_path), do: not_loaded()
  def built_for, do: not_loaded()
  def describe_options, do: not_loaded()
  def client_new(_url, _json, _hooks), do: not_loaded()
  def open(_client, _tag, _kind, _source, _subscription, _json, _hooks, _timeout), do: not_loaded()
  def close(_handle, _tag, _timeout), do: not_loaded()
  def topic(_handle), do: not_loaded()
  def connected?(_handle), do: not_loaded()
  def send(_producer, _pid, _tag, _message), do: not_loaded()
  def send_many(_producer, _tag, _messages), do: not_loaded()
  def flush(_producer, _tag, _timeout), do: not_loaded()
  def room(_producer, _tag, _bytes, _timeout), do: not_loaded()
  def receive(_handle, _tag, _max, _timeout), do: not_loaded()
  def caught_up?(_reader), do: not_loaded()
  def ack(_consumer, _message_or_id), do: not_loaded()
  def nack(_consumer, _message_or_id), do: not_loaded()
  def ack_cumulative(_consumer, _message_or_id), do: not_loaded()
  def ack_many(_consumer, _messages), do: not_loaded()
  def keep(_message), do: not_loaded()
  def keep_all(_messages), do: not_loaded()
  def permit(_consumer, _messages), do: not_loaded()
  def compare_ids(_left, _right), do: not_loaded()
  def id_parts(_id), do: not_loaded()
  def start_call(_name, _tag, _arguments), do: not_loaded()
  def answer(_question, _answer), do: not_loaded()
  def mock_start(_options), do: not_loaded()
  def mock_urls(_mock), do: not_loaded()
  def mock_gauges(_mock), do: not_loaded()

  defp not_loaded, do: :erlang.nif_error(:not_loaded)
end
