defmodule Stargate.ScenarioTest do
  # The scenarios that every language carries out: the transcripts are equal.
  use ExUnit.Case, async: true

  @table Path.expand("../../../tests/scenarios/table", __DIR__)
  @scenarios Path.wildcard("#{@table}/*.scenario")

  # All at once: most of them wait for most of their time.
  setup_all do
    transcripts =
      @scenarios
      |> Task.async_stream(&transcript/1, max_concurrency: 10, timeout: 60_000, ordered: true)
      |> Enum.map(fn {:ok, transcript} -> transcript end)

    %{transcripts: @scenarios |> Enum.zip(transcripts) |> Map.new()}
  end

  defp transcript(path) do
    {:ok, lines} = Agent.start_link(fn -> [] end)
    Stargate.Test.Scenario.run(path, nil, fn line -> Agent.update(lines, &[line | &1]) end)
    lines |> Agent.get(& &1) |> Enum.reverse() |> Enum.join()
  end

  for path <- @scenarios do
    @path path
    test Path.basename(path, ".scenario"), %{transcripts: transcripts} do
      assert transcripts[@path] == File.read!(String.replace_suffix(@path, ".scenario", ".transcript"))
    end
  end
end
