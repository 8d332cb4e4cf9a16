defmodule Stargate.Supervisor do
  @moduledoc """
  A supervisor of producers, consumers and readers, with a registry of their names.

      opts = [
        name: :pulsar_app,
        host: ["example.com": 8080],
        producer: [tenant: "public", namespace: "default", topic: "orders"],
        consumer: [
          tenant: "public", namespace: "default", topic: "orders",
          subscription: "billing", handler: MyApp.Handler
        ]
      ]

      {:ok, supervisor} = Stargate.Supervisor.start_link(opts)

  ## Options

    * `:name` - `:default` when not given. The supervisor is `:"sg_sup_name"`, the registry `:"sg_reg_name"`
    * `:host` - `[{host, port}]` with one or several, `{host, port}` or `"host:port"`
    * `:protocol` - `"ws"` (when not given) or `"wss"`
    * `:producer`, `:consumer`, `:reader` - keyword lists, or lists of them: of one topic, one producer, one reader and
      one consumer for each subscription. `Stargate.registry_key/4` tells consumers of one topic apart by their
      subscription
    * `:ssl_options` - `:cacertfile`, `:certfile`, `:keyfile`, `:verify`, `:server_name_indication`
    * `:on_state` - of the components that have none: see `Stargate.Options`
    * `:auth_token` and every other option of connections: see `Stargate.Options`

  Of a component:

    * `:persistence` - `"persistent"` (when not given) or `"non-persistent"`
    * `:tenant`, `:namespace`, `:topic`
    * `:subscription`, of a consumer
    * `:handler`, `:handler_init_args` and `:processors`, of consumers and readers: see
      `Stargate.Receiver.MessageHandler`. With several processors, messages are handled in no order
    * `:query_params` - a map of the options of the component; they may stand beside it, too. So may `:auth_token`,
      `:ssl_options` and `:on_state`

  It starts when everything is connected. Connections reconnect by themselves; what ends with a permanent error is
  logged, and opened again after a pause. It stops producers after their messages in flight, and handlers after their
  message, for which it waits five seconds at most.
  """
  use Supervisor

  alias Stargate.{Acknowledger, Client, Component, Reopening}
  alias Stargate.Receiver.Processors

  @own [:name, :host, :protocol, :registry, :producer, :consumer, :reader, :ssl_options, :on_state]

  @doc "Returns the specification of a child, whose id has the name in it."
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  def child_spec(opts) do
    %{id: {__MODULE__, opts[:name] || :default}, start: {__MODULE__, :start_link, [opts]}, type: :supervisor}
  end

  @doc "Starts a supervisor."
  @spec start_link(keyword()) :: Supervisor.on_start()
  def start_link(opts) do
    opts = Keyword.put_new(opts, :name, :default)

    default = Map.new(Keyword.take(opts, [:on_state]))

    components =
      Component.all(
        for role <- [:producer, :consumer, :reader],
            given <- each(opts[role]),
            do: {role, Enum.into(given, default)}
      )

    with {:ok, client} <- client(opts) do
      Supervisor.start_link(__MODULE__, {client, registry(opts[:name]), components},
        name: :"sg_sup_#{opts[:name]}"
      )
    end
  end

  @doc "Returns the name of a process in a registry."
  @spec via(atom(), tuple()) :: {:via, Registry, {atom(), tuple()}}
  def via(registry, key), do: {:via, Registry, {registry, key}}

  @doc false
  def registry(name), do: :"sg_reg_#{name}"

  # A keyword list is one component.
  defp each(nil), do: []
  defp each([{key, _value} | _] = one) when is_atom(key), do: [one]
  defp each(list) when is_list(list), do: list
  defp each(%{} = one), do: [one]

  defp client(opts) do
    options = opts |> Keyword.drop(@own) |> Map.new() |> Map.merge(Component.ssl_options(opts[:ssl_options]))
    Client.new("#{opts[:protocol] || "ws"}://#{hosts(opts[:host])}", options)
  end

  defp hosts(nil), do: raise(ArgumentError, "host is missing, such as [\"example.com\": 8080]")
  defp hosts(host) when is_binary(host), do: host
  defp hosts({host, port}), do: "#{host}:#{port}"
  defp hosts(hosts) when is_list(hosts), do: Enum.map_join(hosts, ",", &hosts/1)

  @impl true
  def init({client, registry, components}) do
    children = [
      {Registry, keys: :unique, name: registry} | Enum.map(components, &child(&1, client, registry))
    ]

    Supervisor.init(children, strategy: :rest_for_one)
  end

  defp child(component, client, registry) do
    children = children(component, client, registry)
    start = {Supervisor, :start_link, [children, [strategy: :rest_for_one]]}
    %{id: component.keys, start: start, type: :supervisor}
  end

  defp children(%{role: :producer} = component, client, registry) do
    acknowledger = via(registry, Component.key(component, :producer_ack))
    [{Acknowledger, name: acknowledger}, {Reopening, {component, client, registry}}]
  end

  defp children(component, client, registry) do
    options = [init_args: component.handler_init_args, processors: component.processors]
    source = via(registry, hd(component.keys))
    [{Reopening, {component, client, registry}}, {Processors, {source, component.handler, options}}]
  end
end
