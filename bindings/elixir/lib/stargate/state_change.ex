defmodule Stargate.StateChange do
  @moduledoc """
  A change of state of a connection, as the option `on_state` delivers it.

    * `state` - `:connecting`, `:connected`, `:disconnected` (another attempt follows), `:closed`, `:failed` (by a
      permanent error) or `:stalled` (connected, but the server waits for acknowledgements)
    * `topic` - the full name of the topic
    * `host` - the host, as `"name:port"`, or nil
    * `proxy` - the proxy of the connection, or nil
    * `session` - which of the handle's connections it is; 0 when it has one
    * `error` - the reason, a `Stargate.Error`, or nil
    * `retry_in` - milliseconds until the next attempt, or nil when none follows
  """

  defstruct [:state, :topic, :host, :proxy, :error, :retry_in, session: 0]

  @type t :: %__MODULE__{
          state: :connecting | :connected | :disconnected | :closed | :failed | :stalled,
          topic: String.t(),
          host: String.t() | nil,
          proxy: String.t() | nil,
          error: Stargate.Error.t() | nil,
          retry_in: non_neg_integer() | nil,
          session: non_neg_integer()
        }
end
