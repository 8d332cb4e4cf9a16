defmodule Stargate.Receiver do
  @moduledoc """
  A consumer or reader under a `Stargate.Supervisor`, by its name:

      consumer = Stargate.registry_key("public", "default", "orders", component: :consumer)
      :ok = Stargate.Receiver.ack(consumer, message)
  """

  alias Stargate.{Consumer, Error, Message, MessageId, Reader}

  @type name :: GenServer.server()

  @doc """
  Acknowledges a message, or what an id names, for example after the outcome `:continue`. A reader acknowledges nothing.
  """
  @spec ack(name(), Message.t() | MessageId.t()) :: :ok | {:error, Error.t()}
  def ack(receiver, message) do
    case Stargate.handle(receiver) do
      %Consumer{} = consumer -> Consumer.ack(consumer, message)
      %Reader{} -> :ok
    end
  end

  @doc "Requests redelivery of a message. To a reader it means nothing."
  @spec nack(name(), Message.t() | MessageId.t()) :: :ok | {:error, Error.t()}
  def nack(receiver, message) do
    case Stargate.handle(receiver) do
      %Consumer{} = consumer -> Consumer.nack(consumer, message)
      %Reader{} -> :ok
    end
  end

  @doc "Lets the server send `messages` more, with `pull_mode`. Processors do so by themselves."
  @spec pull_permit(name(), non_neg_integer()) :: :ok | {:error, Error.t()}
  def pull_permit(receiver, messages), do: receiver |> Stargate.handle() |> Consumer.permit(messages)
end
