defmodule Stargate.MixProject do
  use Mix.Project

  @version "0.1.0"

  def project do
    [
      app: :stargate,
      version: @version,
      elixir: "~> 1.14",
      description: "An Apache Pulsar client over Pulsar's WebSocket API.",
      compilers: [:stargate_nif | Mix.compilers()],
      elixirc_paths: if(Mix.env() == :test, do: ["lib", "test/support"], else: ["lib"]),
      deps: [],
      package: [licenses: ["Apache-2.0"], links: %{}],
      docs: [main: "Stargate", extras: ["README.md"]]
    ]
  end

  def application do
    [mod: {Stargate.Application, []}, extra_applications: [:logger]]
  end
end

defmodule Mix.Tasks.Compile.StargateNif do
  @moduledoc false
  # Compiles c_src with the C compiler in CC, or cc. STARGATE_INCLUDE is the folder of stargate.h, if it is neither in
  # this repository nor where the compiler looks.
  use Mix.Task.Compiler

  @folder __DIR__

  @impl true
  def run(_arguments) do
    target = Path.join([Mix.Project.app_path(), "priv", "stargate_nif.so"])
    sources = Path.wildcard(Path.join(@folder, "c_src/*.c"))

    if Mix.Utils.stale?(Path.wildcard(Path.join(@folder, "c_src/*")) ++ headers(), [target]) do
      File.mkdir_p!(Path.dirname(target))
      compile(sources, target)
    else
      {:noop, []}
    end
  end

  defp compile(sources, target) do
    # A VM that runs keeps the file that it has loaded.
    new = "#{target}.#{System.pid()}"
    includes = [Path.join([:code.root_dir(), "usr", "include"]) | include_folders()]
    flags = ~w(-O2 -g -std=gnu11 -fPIC -fvisibility=hidden -shared -pthread -Wall -Wextra)
    arguments = flags ++ Enum.map(includes, &"-I#{&1}") ++ ["-o", new] ++ sources ++ ["-ldl"]

    case System.cmd(System.get_env("CC", "cc"), arguments, stderr_to_stdout: true) do
      {output, 0} ->
        if output != "", do: Mix.shell().info(output)
        File.rename!(new, target)
        {:ok, []}

      {output, _status} ->
        Mix.shell().error(output)

        {:error,
         [
           %Mix.Task.Compiler.Diagnostic{
             compiler_name: "cc",
             file: nil,
             message: output,
             position: nil,
             severity: :error
           }
         ]}
    end
  end

  defp include_folders do
    [System.get_env("STARGATE_INCLUDE"), Path.expand("../../include", @folder), Path.join(@folder, "include")]
    |> Enum.filter(&(&1 && File.exists?(Path.join(&1, "stargate.h"))))
  end

  defp headers, do: Enum.flat_map(include_folders(), &Path.wildcard(Path.join(&1, "stargate*.h")))

  @impl true
  def clean, do: File.rm(Path.join([Mix.Project.app_path(), "priv", "stargate_nif.so"]))
end
