defmodule Stargate.Message do
  @moduledoc """
  A message that was received.

    * `persistence`, `tenant`, `namespace`, `topic` - where it came from
    * `message_id` - see `Stargate.MessageId`
    * `payload` - the content, a binary
    * `key` - the key, or nil
    * `properties` - a map of texts
    * `publish_time` - when the broker stored it, a `DateTime`
    * `event_time` - the application's time of the event, a `DateTime`, or nil
    * `redelivery_count` - how often it was delivered before; the broker counts on shared and key_shared subscriptions
    * `reconsume_times` - how often the retry letter topic has redelivered it
    * `encryption_context` - how the payload was encrypted, in the server's JSON, or nil
    * `encrypted` - whether the payload is still encrypted
  """

  @derive {Inspect, except: [:ref]}
  defstruct [
    :topic,
    :namespace,
    :tenant,
    :persistence,
    :message_id,
    :payload,
    :key,
    :publish_time,
    :event_time,
    :encryption_context,
    :ref,
    properties: %{},
    redelivery_count: 0,
    reconsume_times: 0,
    encrypted: false
  ]

  @type t :: %__MODULE__{
          topic: String.t(),
          namespace: String.t(),
          tenant: String.t(),
          persistence: String.t(),
          message_id: Stargate.MessageId.t(),
          payload: binary(),
          key: String.t() | nil,
          properties: %{optional(String.t()) => String.t()},
          publish_time: DateTime.t() | nil,
          event_time: DateTime.t() | nil,
          redelivery_count: non_neg_integer(),
          reconsume_times: non_neg_integer(),
          encryption_context: String.t() | nil,
          encrypted: boolean(),
          ref: reference() | nil
        }

  @doc "Returns the full name of the topic, such as `\"persistent://public/default/orders\"`."
  @spec full_topic(t()) :: String.t()
  def full_topic(%__MODULE__{tenant: nil, topic: topic}), do: topic

  def full_topic(message),
    do: "#{message.persistence}://#{message.tenant}/#{message.namespace}/#{message.topic}"

  @doc false
  # Makes structs of what the NIF gives. Messages that come together mostly have the same topic and second.
  def from_native(list), do: from_native(list, nil, nil, nil, nil)

  defp from_native([], _topic, _parts, _second, _time), do: []

  defp from_native([native | rest], topic, parts, second, time) do
    {payload, id, full, key, properties, published, event, redelivered, reconsumed, context, encrypted, ref} =
      native

    parts = if full == topic, do: parts, else: parts(full)

    {second, time} =
      if published && div(published, 1000) == second, do: {second, time}, else: second(published)

    {persistence, tenant, namespace, name} = parts

    message = %__MODULE__{
      topic: name,
      namespace: namespace,
      tenant: tenant,
      persistence: persistence,
      message_id: id,
      payload: payload,
      key: key,
      properties: properties,
      publish_time: time && %{time | microsecond: {rem(published, 1000) * 1000, 3}},
      event_time: event && DateTime.from_unix!(event, :millisecond),
      redelivery_count: redelivered,
      reconsume_times: reconsumed,
      encryption_context: context,
      encrypted: encrypted,
      ref: ref
    }

    [message | from_native(rest, full, parts, second, time)]
  end

  defp second(nil), do: {nil, nil}

  defp second(published) do
    second = div(published, 1000)
    {second, DateTime.from_unix!(second)}
  end

  defp parts(full) do
    with [persistence, rest] <- String.split(full, "://", parts: 2),
         [tenant, namespace, topic] <- String.split(rest, "/", parts: 3) do
      {persistence, tenant, namespace, topic}
    else
      _pattern -> {nil, nil, nil, full}
    end
  end
end
