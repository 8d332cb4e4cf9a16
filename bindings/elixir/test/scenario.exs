# Carries out a scenario and writes its transcript: elixir -pa _build/test/lib/stargate/ebin test/scenario.exs FILE [URL]
Logger.configure(level: :none)
{:ok, _} = Application.ensure_all_started(:stargate)
[path | url] = System.argv()

try do
  Stargate.Test.Scenario.run(path, List.first(url), &IO.write/1)
rescue
  error in Stargate.Test.Scenario.UnknownStep ->
    IO.puts(:stderr, "#{path}: #{error.message}")
    System.halt(2)
end
