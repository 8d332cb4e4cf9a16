defmodule Stargate.LibraryTest do
  # How the C library is found, in a VM that has not opened one.
  use ExUnit.Case, async: true

  @program """
  System.put_env("STARGATE_LIBRARY", "/nowhere/libstargate.so")
  {:error, text} = Stargate.Library.open()
  IO.puts(text)
  System.put_env("STARGATE_LIBRARY", "libm.so.6")
  {:error, text} = Stargate.Library.open()
  IO.puts(text)
  System.put_env("STARGATE_LIBRARY", "")
  # Some systems have one.
  with {:error, text} <- Stargate.Library.open(), do: IO.puts(text)
  System.put_env("STARGATE_LIBRARY", hd(System.argv()))
  :ok = Stargate.Library.open()
  IO.puts(Stargate.Library.version())
  """

  test "the variable, the package, the system, and what is said of them" do
    ebin = Application.app_dir(:stargate, "ebin")
    path = System.get_env("STARGATE_LIBRARY") || "libstargate.so.0.1"
    arguments = ["-pa", ebin, "-e", @program, path]
    {output, status} = System.cmd("elixir", arguments, stderr_to_stdout: true)
    assert status == 0, output

    assert output =~
             "set STARGATE_LIBRARY to the full path of libstargate.so. Tried: /nowhere/libstargate.so: "

    assert output =~
             "libm.so.6 does not fit this package, which is for 0.1.0: it has no stargate_version"

    assert output =~ ~r/^0\.1\.\d+$/m
  end

  # The first Stargate's README has no start of an application, so this is an early mistake.
  @not_started """
  alias Stargate.{Client, MessageId, MockBroker}

  calls = [
    fn -> Stargate.produce("ws://localhost:8080/ws/v2/producer/persistent/public/default/orders", "x") end,
    fn -> Stargate.Options.describe() end,
    fn -> MessageId.compare("CAEQAQ==", "CAEQAQ==") end,
    fn -> MessageId.parts("CAEQAQ==") end,
    fn -> MockBroker.start() end,
    fn -> Client.new("ws://localhost:8080", log_level: nil) end,
    fn -> Client.new("ws://localhost:8080") end
  ]

  for call <- calls do
    {:error, error} = try(do: call.(), rescue: (error -> {:error, error}))
    IO.puts(Exception.message(error))
  end
  """

  test "a call before the application is started is refused" do
    arguments = ["-pa", Application.app_dir(:stargate, "ebin"), "-e", @not_started]
    {output, status} = System.cmd("elixir", arguments, stderr_to_stdout: true)
    assert {output, status} == {String.duplicate("the application :stargate is not started\n", 7), 0}
  end

  test "the version of the package is that of the headers and the library" do
    assert Stargate.Library.version() == Stargate.Native.built_for()
    assert Application.spec(:stargate, :vsn) |> to_string() == Stargate.Native.built_for()
  end
end
