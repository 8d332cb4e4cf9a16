defmodule Stargate.Test.Scenario do
  @moduledoc false
  # Carries out a scenario of tests/scenarios/table. The README there describes the steps and what each prints.

  alias Stargate.{Client, Consumer, Error, Message, MessageId, MockBroker, Producer, Reader}
  alias Stargate.Test.Scenario.{Parser, Seen, Text}

  @patience 10_000
  @default "persistent://public/default/"

  defmodule UnknownStep do
    defexception [:message]
  end

  defstruct [:folder, :out, :run, :mock, :url, :client, handles: %{}, ids: %{}]

  @doc "Carries out the scenario of a file, and passes each line to `out`. Without a URL it starts a mock broker."
  def run(path, url, out) do
    mock = if url == nil, do: with({:ok, mock} <- MockBroker.start(), do: mock)
    url = url || mock.url
    {:ok, client} = Client.new(url, log_level: nil)
    run = "#{System.os_time(:nanosecond)}-#{:rand.uniform(1_000_000)}-"
    state = %__MODULE__{folder: Path.dirname(path), out: out, run: run, mock: mock, url: url, client: client}

    state = path |> File.read!() |> Parser.steps() |> Enum.reduce(state, &carry_out/2)
    Client.close(client)
    show(state, "end")

    for %{listener: pid} when pid != nil <- Map.values(state.handles),
        Process.alive?(pid),
        do: Supervisor.stop(pid)

    if mock, do: MockBroker.stop(mock)
    :ok
  end

  defp carry_out({verb, name, given}, state) do
    {outcome, state} =
      case step(verb, state, name, given) do
        {%__MODULE__{} = state, outcome} -> {text(outcome), state}
        outcome -> {text(outcome), state}
      end

    if verb != "on", do: show(state, "#{String.trim("#{verb} #{name}")}: #{outcome}")
    state
  end

  defp text(:ok), do: "ok"
  defp text({:ok, _value}), do: "ok"
  defp text({:error, %Error{} = error}), do: Text.error(error)
  defp text(""), do: "ok"
  defp text(text) when is_binary(text), do: text

  defp show(state, line) do
    host = state.url |> String.split("://") |> List.last()
    state.out.(line |> String.replace(state.run, "") |> String.replace(host, "BROKER") |> Kernel.<>("\n"))
  end

  # ---- handles ----

  defp step("on", _state, _name, _given), do: :ok

  defp step("producer", state, name, given),
    do: open(state, name, given, &Producer.open(&1, topic(state, given), &2))

  defp step("reader", state, name, given),
    do: open(state, name, given, &Reader.open(&1, topic(state, given), &2))

  defp step("consumer", state, name, given) do
    open(state, name, given, &Consumer.open(&1, topics(state, given), given["subscription"], &2))
  end

  defp step("close", state, name, given) do
    handle = state.handles[name]
    if handle.listener && Process.alive?(handle.listener), do: Supervisor.stop(handle.listener)
    module(handle).close(handle.native, timeout(given))
  end

  defp step("close_client", state, _name, _given), do: Client.close(state.client)

  defp step("states", state, name, given) do
    state.handles[name].states
    |> Seen.wait(&(length(&1) >= number(given, "count")))
    |> Enum.take(number(given, "count"))
    |> Enum.join(" ")
  end

  defp step("stats", state, name, given) do
    handle = state.handles[name]
    {:ok, stats} = module(handle).stats(handle.native)
    given["counters"] |> String.split(",") |> Enum.map_join(" ", &"#{&1}=#{stats[&1]}")
  end

  # ---- producers ----

  defp step("send", state, name, given) do
    properties = for {"property." <> key, value} <- given, into: %{}, do: {key, value}
    event_time = if given["event_time"], do: number(given, "event_time")
    options = [key: given["key"], properties: properties, event_time: event_time]

    with {:ok, id} <- Producer.send(native(state, name), payload(given), options) do
      {%{state | ids: Map.put(state.ids, given["payload"], id)}, :ok}
    end
  end

  defp step("send_async", state, name, given) do
    count = number(given, "count")
    repeat = number(given, "repeat", 1)

    {tags, outcome} =
      Enum.reduce_while(1..count, {[], "accepted #{count}"}, fn number, {tags, outcome} ->
        case Producer.send_async(
               native(state, name),
               String.duplicate("#{given["payload"]}#{number}", repeat)
             ) do
          {:ok, tag} -> {:cont, {[tag | tags], outcome}}
          {:error, error} -> {:halt, {tags, "accepted #{length(tags)}, then #{Text.error(error)}"}}
        end
      end)

    {update(state, name, &%{&1 | tags: &1.tags ++ Enum.reverse(tags)}), outcome}
  end

  defp step("receipts", state, name, _given) do
    deadline = System.monotonic_time(:millisecond) + @patience

    kinds =
      for tag <- state.handles[name].tags do
        receive do
          {^tag, {:ok, _id}} -> "ok"
          {^tag, {:error, error}} -> "#{error.kind}"
        after
          max(deadline - System.monotonic_time(:millisecond), 0) -> "missing"
        end
      end

    counts = kinds |> Enum.frequencies() |> Enum.sort_by(fn {kind, _} -> {kind != "ok", kind} end)

    {update(state, name, &%{&1 | tags: []}),
     Enum.map_join(counts, ", ", fn {kind, count} -> "#{kind} #{count}" end)}
  end

  defp step("flush", state, name, _given), do: Producer.flush(native(state, name), @patience)

  # ---- receiving ----

  defp step("receive", state, name, given) do
    receiving(state, name, given, fn handle, _missing ->
      with {:ok, message} <- module(handle).receive(handle.native, timeout(given)), do: {:ok, [message]}
    end)
  end

  defp step("receive_many", state, name, given) do
    receiving(state, name, given, fn handle, missing ->
      module(handle).receive_many(handle.native, missing, timeout(given))
    end)
  end

  # A process that ends ends its receive.
  defp step("interrupt", state, name, _given) do
    handle = state.handles[name]
    task = Task.async(fn -> module(handle).receive(handle.native, @patience) end)

    case Task.yield(task, 100) || Task.shutdown(task, :brutal_kill) do
      nil -> "interrupted"
      {:ok, {:ok, _message}} -> "received"
      {:ok, error} -> error
    end
  end

  defp step("read_to_end", state, name, _given) do
    case Reader.read_to_end(native(state, name)) do
      {:ok, messages} -> with_messages(state, "#{length(messages)}", messages, false)
      {:error, error, _read} -> {:error, error}
    end
  end

  defp step("available", state, name, _given), do: yes(Reader.has_message_available?(native(state, name)))

  defp step("drain", state, name, given),
    do: drain(state.handles[name], given["payload"], number(given, "count"))

  defp step("compare", state, name, given) do
    order = MessageId.compare(message(state, name, given).message_id, state.ids[given["payload"]])
    if order == :eq, do: "same id", else: "different id"
  end

  defp step("seek", state, name, given) do
    to =
      %{"earliest" => :earliest, "latest" => :latest}[given["to"]] ||
        state.ids[String.slice(given["to"], 1..-1)]

    handle = state.handles[name]
    module(handle).seek(handle.native, to, after: given["after"] == "true")
  end

  # ---- settling ----

  defp step("ack", state, name, given) do
    if given["payload"] do
      message = message(state, name, given)
      {put_down(state, name, [message]), Consumer.ack(native(state, name), message)}
    else
      messages = state.handles[name].in_hand
      {put_down(state, name, messages), Consumer.ack_many(native(state, name), messages)}
    end
  end

  defp step("ack_cumulative", state, name, given) do
    Consumer.ack_cumulative(native(state, name), message(state, name, given))
  end

  defp step("nack", state, name, given) do
    message = message(state, name, given)
    {put_down(state, name, [message]), Consumer.nack(native(state, name), message)}
  end

  defp step("reconsume_later", state, name, given) do
    message = message(state, name, given)
    result = Consumer.reconsume_later(native(state, name), message, milliseconds(given["delay"]))
    {put_down(state, name, [message]), result}
  end

  defp step("backlog", state, name, given) do
    "#{until(number(given, "count"), fn -> with {:ok, count} <- Consumer.backlog(native(state, name)), do: count end)}"
  end

  defp step("end_of_topic", state, name, _given) do
    handle = state.handles[name]
    yes({:ok, until(true, fn -> with {:ok, is} <- module(handle).end_of_topic?(handle.native), do: is end)})
  end

  defp step("unsubscribe", state, name, _given), do: Consumer.unsubscribe(native(state, name))

  # ---- handlers ----

  defp step("listen", state, name, given) do
    handle = state.handles[name]

    {:ok, listener} =
      module(handle).listen(handle.native, fn message ->
        first = Seen.add(handle.seen, message.payload)

        cond do
          first and message.payload == given["nack_once"] -> :nack
          first and message.payload == given["fail_once"] -> raise "this handler fails once"
          first and message.payload == given["reconsume_once"] -> {:reconsume_later, 100}
          true -> :ack
        end
      end)

    {update(state, name, &%{&1 | listener: listener}), :ok}
  end

  defp step("handled", state, name, given) do
    seen = state.handles[name].seen

    if given["calls"] do
      payloads = Seen.wait(seen, &(length(&1) >= number(given, "calls")))

      payloads
      |> Enum.frequencies()
      |> Enum.sort()
      |> Enum.map_join(", ", fn {payload, count} -> "#{Text.payload(payload)} #{count}" end)
    else
      {prefix, count} = {given["payload"], number(given, "count")}
      seen |> Seen.wait(&Seen.all?(&1, prefix, count)) |> Seen.progress(prefix, count)
    end
  end

  # ---- the mock broker ----

  defp step("fault", state, _name, given) do
    count = if given["count"] == "all", do: :infinity, else: number(given, "count", 1)
    MockBroker.fault(mock(state), given["op"], given["fault"], topic: topic(state, given), count: count)
  end

  defp step("down", state, _name, _given), do: MockBroker.down(mock(state))
  defp step("up", state, _name, _given), do: MockBroker.up(mock(state))
  defp step("cut", state, _name, given), do: MockBroker.drop_connections(mock(state), topic(state, given))

  defp step("wait", state, _name, given) do
    MockBroker.wait(mock(state), given["op"], number(given, "count"),
      topic: topic(state, given),
      timeout: @patience
    )
  end

  defp step("stored", state, _name, given) do
    with {:ok, messages} <- MockBroker.messages(mock(state), topic(state, given)), do: "#{length(messages)}"
  end

  defp step("partitions", state, _name, given) do
    MockBroker.create_partitioned(mock(state), topic(state, given), number(given, "count"))
  end

  defp step("deduplicate", state, _name, given),
    do: MockBroker.set_deduplication(mock(state), given["namespace"], true)

  defp step("terminate", state, _name, given), do: MockBroker.terminate(mock(state), topic(state, given))
  defp step(verb, _state, _name, _given), do: raise(UnknownStep, "there is no step #{verb}")

  # ---- what steps have in common ----

  defp open(state, name, given, opening) do
    states = Seen.start()
    options = [on_state: {Seen.collector(states, & &1.state), :state}] ++ options(state, given)

    with {:ok, native} <- opening.(state.client, options) do
      handle = %{
        native: native,
        states: states,
        seen: Seen.start(),
        tags: [],
        last: %{},
        in_hand: [],
        listener: nil
      }

      {%{state | handles: Map.put(state.handles, name, handle)}, :ok}
    end
  end

  defp update(state, name, change), do: %{state | handles: Map.update!(state.handles, name, change)}

  defp put_down(state, name, messages) do
    update(state, name, &%{&1 | in_hand: Enum.reject(&1.in_hand, fn message -> message in messages end)})
  end

  defp receiving(state, name, given, receive_more, messages \\ []) do
    handle = state.handles[name]
    count = number(given, "count", 1)

    case length(messages) < count && receive_more.(handle, count - length(messages)) do
      {:ok, more} ->
        last = Map.new(more, &{&1.payload, &1})
        state = update(state, name, &%{&1 | last: Map.merge(&1.last, last), in_hand: &1.in_hand ++ more})
        receiving(state, name, given, receive_more, messages ++ more)

      ended ->
        counted = if messages == [], do: [], else: ["#{length(messages)}"]

        end_text =
          case ended do
            false -> []
            :timeout -> ["nothing"]
            {:error, error} -> [Text.error(error)]
          end

        {state,
         with_messages(state, Enum.join(counted ++ end_text, ", then "), messages, given["order"] != nil)}
    end
  end

  defp with_messages(state, outcome, messages, in_any_order) do
    lines = Enum.map(messages, &message_line(state, &1))
    Enum.join([outcome | if(in_any_order, do: Enum.sort(lines), else: lines)], "\n")
  end

  defp message_line(state, message) do
    topic =
      message
      |> Message.full_topic()
      |> String.replace_prefix(@default, "")
      |> String.replace_prefix(state.run, "")

    properties =
      for {key, value} <- Enum.sort(message.properties), String.first(key) not in Enum.map(?A..?Z, &<<&1>>) do
        " property.#{key}=#{Text.quoted(value)}"
      end

    "  #{topic}: #{Text.payload(message.payload)}" <>
      if(message.key, do: " key=#{Text.quoted(message.key)}", else: "") <>
      if(message.event_time, do: " event_time=#{DateTime.to_unix(message.event_time, :millisecond)}", else: "") <>
      if(message.redelivery_count > 0, do: " redelivered=#{message.redelivery_count}", else: "") <>
      if(message.reconsume_times > 0, do: " reconsumed=#{message.reconsume_times}", else: "") <>
      Enum.join(properties)
  end

  defp drain(handle, prefix, count) do
    with true <- not Seen.all?(Seen.all(handle.seen), prefix, count),
         {:ok, message} <- Consumer.receive(handle.native, @patience) do
      :ok = Consumer.ack(handle.native, message)
      Seen.add(handle.seen, message.payload)
      drain(handle, prefix, count)
    else
      {:error, error} -> {:error, error}
      _done -> handle.seen |> Seen.all() |> Seen.progress(prefix, count)
    end
  end

  defp until(wanted, ask, deadline \\ System.monotonic_time(:millisecond) + @patience) do
    answer = ask.()

    if answer == wanted or System.monotonic_time(:millisecond) > deadline do
      answer
    else
      Process.sleep(20)
      until(wanted, ask, deadline)
    end
  end

  defp yes({:ok, true}), do: "yes"
  defp yes({:ok, false}), do: "no"
  defp yes(error), do: error

  defp native(state, name), do: state.handles[name].native
  defp module(%{native: %module{}}), do: module
  defp message(state, name, given), do: state.handles[name].last[given["payload"]]
  defp mock(%{mock: nil}), do: raise(UnknownStep, "this step needs a mock broker")
  defp mock(%{mock: mock}), do: mock

  # ---- what the parameters stand for ----

  defp topic(state, given), do: given["topic"] && full_name(state, given["topic"])

  defp topics(state, given) do
    case String.split(given["topic"], ",") do
      [name] -> full_name(state, name)
      names -> Enum.map(names, &full_name(state, &1))
    end
  end

  defp full_name(state, name),
    do: if(String.contains?(name, "/"), do: name, else: @default <> state.run <> name)

  defp options(state, given) do
    for {key, value} <- given,
        key not in ["topic", "subscription"],
        do: {String.to_atom(key), option(state, value)}
  end

  defp option(state, value) do
    cond do
      value =~ ~r/^\d+ms$/ -> milliseconds(value)
      value in ["true", "false"] -> value == "true"
      String.starts_with?(value, "@") -> state.ids[String.slice(value, 1..-1)]
      String.starts_with?(value, "./") -> Path.join(state.folder, value)
      value =~ ~r/^\d+$/ -> String.to_integer(value)
      true -> value
    end
  end

  defp payload(given), do: String.duplicate(given["payload"], number(given, "repeat", 1))
  defp timeout(given), do: if(given["timeout"], do: milliseconds(given["timeout"]), else: @patience)
  defp milliseconds(text), do: text |> String.trim_trailing("ms") |> String.to_integer()

  defp number(given, name, default \\ nil),
    do: if(given[name], do: String.to_integer(given[name]), else: default)
end

defmodule Stargate.Test.Scenario.Parser do
  @moduledoc false
  # The lines of a scenario as {verb, handle, parameters}.

  @word ~r/([a-z_]+(?:\.[^= ]+)?)=("(?:[^"\\]|\\.)*"|[^ "]*)|([^ ]+)/

  def steps(text) do
    for line <- String.split(text, "\n"), line != "", not String.starts_with?(line, "#"), do: step(line)
  end

  defp step(line) do
    words = Regex.scan(@word, line, capture: :all_but_first)
    plain = for ["", "", word] <- words, do: word
    given = for [name, value] <- words, into: %{}, do: {name, value(value)}
    {hd(plain), Enum.at(plain, 1, ""), given}
  end

  defp value("\"" <> rest), do: rest |> binary_part(0, byte_size(rest) - 1) |> unescape()
  defp value(bare), do: bare

  defp unescape(text) do
    Regex.replace(~r/\\(?:(["\\])|x([0-9a-f]{2}))/, text, fn
      _all, quoted, "" -> quoted
      _all, "", hex -> <<String.to_integer(hex, 16)>>
    end)
  end
end

defmodule Stargate.Test.Scenario.Text do
  @moduledoc false
  # How a transcript shows errors and payloads.

  def error(error), do: "error #{error.kind}: #{error.message}"

  def payload(payload) when byte_size(payload) <= 64, do: quoted(payload)

  def payload(payload) do
    hash = for <<byte <- payload>>, reduce: 0, do: (hash -> rem(hash * 31 + byte, 0x100000000))

    "<#{byte_size(payload)} bytes, hash #{hash |> Integer.to_string(16) |> String.downcase() |> String.pad_leading(8, "0")}>"
  end

  def quoted(bytes), do: IO.iodata_to_binary([?", for(<<byte <- bytes>>, do: shown(byte)), ?"])

  defp shown(byte) when byte in '"\\', do: [?\\, byte]
  defp shown(byte) when byte in 0x20..0x7E, do: byte

  defp shown(byte),
    do: "\\x" <> (byte |> Integer.to_string(16) |> String.downcase() |> String.pad_leading(2, "0"))
end

defmodule Stargate.Test.Scenario.Seen do
  @moduledoc false
  # A list that grows, and can be waited for.

  def start do
    {:ok, agent} = Agent.start_link(fn -> [] end)
    agent
  end

  @doc "Adds an item, and returns whether it is the first of its kind."
  def add(agent, item), do: Agent.get_and_update(agent, &{item not in &1, &1 ++ [item]})

  @doc "A process that adds what it is sent as {tag, item}."
  def collector(agent, of), do: spawn_link(fn -> collect(agent, of) end)

  defp collect(agent, of) do
    receive do
      {_tag, item} -> add(agent, of.(item))
    end

    collect(agent, of)
  end

  def all(agent), do: Agent.get(agent, & &1)

  def wait(agent, done?, tries \\ 1000) do
    items = all(agent)

    if done?.(items) or tries == 0 do
      items
    else
      Process.sleep(10)
      wait(agent, done?, tries - 1)
    end
  end

  def all?(payloads, prefix, count), do: wanted(prefix, count) -- payloads == []

  def progress(payloads, prefix, count) do
    first = payloads |> Enum.filter(&String.starts_with?(&1, prefix)) |> Enum.uniq()
    wanted = wanted(prefix, count)
    missing = length(wanted -- first)

    cond do
      missing > 0 -> "#{count - missing} of #{count}"
      first == wanted -> "all #{count}, in order"
      true -> "all #{count}, out of order"
    end
  end

  defp wanted(prefix, count), do: for(number <- 1..count, do: "#{prefix}#{number}")
end
