defmodule Stargate.PagesTest do
  # The programs of the README and of the page, as printed but for the address, and the examples.
  use Stargate.Test.Broker

  import ExUnit.CaptureIO

  @root Path.expand("../../..", __DIR__)

  defp programs(path) do
    ~r/```elixir\n(.*?)```/s
    |> Regex.scan(File.read!(Path.join(@root, path)), capture: :all_but_first)
    |> List.flatten()
  end

  defp run(program, mock) do
    %URI{port: port} = URI.parse(mock.url)

    program =
      program
      |> String.replace("ws://localhost:8080", mock.url)
      |> String.replace("localhost: 8080", "localhost: #{port}")

    capture_io(fn ->
      File.cd!(@root, fn -> fn -> Code.eval_string(program) end |> Task.async() |> Task.await(20_000) end)
    end)
  end

  test "the program of the README prints what it says", %{mock: mock} do
    [program | _] = programs("bindings/elixir/README.md")
    assert run(program, mock) == "one pizza for table 7\nan espresso for table 7\nthe bill for table 7\n"
  end

  for {program, number} <-
        Regex.scan(~r/```elixir\n(.*?)```/s, File.read!("#{@root}/docs/elixir.md"), capture: :all_but_first)
        |> Enum.with_index(1) do
    @program hd(program)
    test "program #{number} of the page runs", %{mock: mock} do
      run(@program, mock)
    end
  end

  test "the examples run", %{mock: mock} do
    path = Path.expand("../examples", __DIR__)
    System.argv([mock.url])

    assert capture_io(fn -> Code.require_file("orders.exs", path) end) =~
             "1001 orders after the first, up to the bill"

    System.argv([])
  end
end
