defmodule Stargate.Component do
  @moduledoc false
  # A producer, consumer or reader in the options of a supervisor.

  require Logger

  alias Stargate.{Consumer, Producer, Reader}

  @own ~w(persistence tenant namespace topic subscription processors handler handler_init_args on_state)a
  @own_of_all @own ++ [:query_params, :ssl_options]
  @ssl %{cacertfile: :tls_ca_file, certfile: :tls_cert_file, keyfile: :tls_key_file}

  defstruct [:role, :options, :on_state, :tenant, :namespace, :topic, :subscription, :handler] ++
              [persistence: "persistent", processors: 1, handler_init_args: [], keys: []]

  @doc """
  Reads the options of components, which are `{role, options}`; raises an ArgumentError that names what is wrong. Each
  has one or two keys in the registry.
  """
  def all(given) do
    given
    |> Enum.map(fn {role, options} -> new(role, options) end)
    |> Enum.map_reduce([], &with_keys/2)
    |> elem(0)
  end

  # The key of the first Stargate goes to the first consumer of a topic; one with the subscription goes to each.
  defp with_keys(component, taken) do
    own = own_key(component)

    if own in taken do
      raise ArgumentError, "there are two components with the key #{inspect(own)}"
    else
      keys = Enum.uniq([key(component, component.role), own]) -- taken
      {%{component | keys: keys}, keys ++ taken}
    end
  end

  defp own_key(%{role: :consumer} = component),
    do: Tuple.append(key(component, :consumer), component.subscription)

  defp own_key(component), do: key(component, component.role)

  defp new(role, given) do
    given = given |> Map.new() |> lift_processors()
    own = for {key, value} <- Map.take(given, @own), value != nil, do: {key, own(key, value)}
    component = struct!(__MODULE__, [role: role, options: options(given)] ++ own)

    for key <- [:tenant, :namespace, :topic] ++ required(role), Map.fetch!(component, key) == nil do
      raise ArgumentError, "#{role}: #{key} is missing"
    end

    component
  end

  # It may stand among the query_params, too.
  defp lift_processors(given) do
    case Map.new(given[:query_params] || %{}) do
      %{processors: processors} = params ->
        Map.merge(given, %{processors: processors, query_params: Map.delete(params, :processors)})

      _none ->
        given
    end
  end

  defp required(:producer), do: []
  defp required(:consumer), do: [:subscription, :handler]
  defp required(:reader), do: [:handler]

  defp own(key, value) when key in [:persistence, :tenant, :namespace, :topic, :subscription],
    do: to_string(value)

  defp own(:processors, number), do: Stargate.Receiver.Processors.count(number)
  defp own(:on_state, {pid, tag}) when is_pid(pid), do: {pid, tag}
  defp own(:on_state, pid) when is_pid(pid), do: {pid, :stargate_state}

  defp own(:on_state, other),
    do: raise(ArgumentError, "on_state: #{inspect(other)} is neither pid nor {pid, tag}")

  defp own(_key, value), do: value

  # What stands beside query_params counts as one of them.
  defp options(given) do
    given
    |> Map.get(:query_params)
    |> Kernel.||(%{})
    |> Map.new()
    |> Map.merge(Map.drop(given, @own_of_all))
    |> one_name()
    |> ack_timeout()
    |> Map.merge(ssl_options(given[:ssl_options]))
  end

  # The README of the first Stargate has both; what counted was the name.
  defp one_name(%{name: _} = params), do: Map.drop(params, [:producer_name, :consumer_name, :reader_name])
  defp one_name(params), do: params

  # That README has 100, which Pulsar refuses.
  defp ack_timeout(%{ack_timeout: milliseconds} = params) when milliseconds in 1..999 do
    Logger.warning("ack_timeout: Pulsar takes no less than 1000 ms; #{milliseconds} is raised to that")
    %{params | ack_timeout: 1_000}
  end

  defp ack_timeout(params), do: params

  @doc "Returns the options of this library for the `ssl_options` of Erlang."
  def ssl_options(nil), do: %{}

  def ssl_options(options) do
    Map.new(options, fn
      {key, path} when is_map_key(@ssl, key) ->
        {@ssl[key], to_string(path)}

      {:verify, :verify_none} ->
        {:tls_insecure, true}

      {:verify, :verify_peer} ->
        {:tls_insecure, false}

      {:server_name_indication, :disable} ->
        raise ArgumentError,
              "ssl_options: server_name_indication: :disable is not possible, only another name; " <>
                "verify: :verify_none accepts any certificate"

      {:server_name_indication, name} ->
        {:tls_server_name, to_string(name)}

      {key, _value} ->
        raise ArgumentError,
              "ssl_options: there is no #{inspect(key)}; there are cacertfile, certfile, " <>
                "keyfile, verify and server_name_indication"
    end)
  end

  @doc "The key in the registry that the first Stargate has."
  def key(component, role) do
    {role, component.persistence, component.tenant, component.namespace, component.topic}
  end

  @doc "Opens what it describes."
  def open(component, client, more) do
    topic = "#{component.persistence}://#{component.tenant}/#{component.namespace}/#{component.topic}"
    options = Map.merge(component.options, Map.new(more))

    case component.role do
      :producer -> Producer.open(client, topic, options)
      :consumer -> Consumer.open(client, topic, component.subscription, options)
      :reader -> Reader.open(client, topic, options)
    end
  end

  @doc "Passes a change of state on."
  def report(%{on_state: {pid, tag}}, change), do: send(pid, {tag, change})
  def report(%{on_state: nil}, change), do: change
end
