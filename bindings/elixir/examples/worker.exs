# A worker: consumes "jobs", sends what comes out to "results", and runs until the VM stops.
#     mix run --no-halt examples/worker.exs HOST:PORT
defmodule Worker.Handler do
  use Stargate.Receiver.MessageHandler

  # The state is that of one processor.
  def init(results), do: {:ok, %{results: results, done: 0}}

  def handle_message(%Stargate.Message{payload: job, key: key}, state) do
    case Integer.parse(job) do
      {number, ""} ->
        # If the broker does not take the result, the job is refused and redelivered.
        :ok = Stargate.produce(state.results, {key || "", "#{number * number}"})
        {:ack, %{state | done: state.done + 1}}

      _no_number ->
        # It will not be one the next time either: after max_redeliver_count, it is a dead letter.
        {:nack, state}
    end
  end
end

defmodule Worker do
  @doc "The child of an application's supervisor."
  def child_spec(host) do
    place = [tenant: "public", namespace: "default"]
    results = Stargate.registry_key("public", "default", "results", name: :worker)

    options = [
      name: :worker,
      host: host,
      producer: place ++ [topic: "results"],
      consumer:
        place ++
          [
            topic: "jobs",
            subscription: "workers",
            processors: System.schedulers_online(),
            handler: Worker.Handler,
            handler_init_args: results,
            query_params: %{
              subscription_type: :shared,
              initial_position: :earliest,
              negative_ack_delay: 1_000,
              max_redeliver_count: 3
            }
          ]
    ]

    {Stargate.Supervisor, options} |> Supervisor.child_spec(id: __MODULE__)
  end
end

case System.argv() do
  [host] -> {:ok, _} = Supervisor.start_link([{Worker, host}], strategy: :one_for_one)
  _none -> :ok
end
