defmodule Stargate.Error do
  @moduledoc """
  Why a call failed.

    * `kind` - what a program acts on: see `Stargate.Status`
    * `message` - the full description: the operation, the topic and every cause
    * `topic` - the full name of the topic concerned, or nil
    * `broker_text` - the server's own words, or nil
    * `http_status` - the HTTP status with which the server refused the connection, or nil
    * `retriable` - whether the same call may succeed later. After `:timeout` and `:outcome_unknown` a second send can
      store the message twice.
  """

  defexception [:kind, :message, :topic, :broker_text, :http_status, retriable: false]

  @type t :: %__MODULE__{
          kind: Stargate.Status.kind(),
          message: String.t(),
          topic: String.t() | nil,
          broker_text: String.t() | nil,
          http_status: pos_integer() | nil,
          retriable: boolean()
        }
end
