defmodule Stargate.Library do
  @moduledoc """
  Finds the C library `libstargate`.

    1. The environment variable `STARGATE_LIBRARY`, the full path of the file. If it is set, no other place is tried.
    2. Beside the package: `libstargate.so` in its `priv` folder.
    3. The system: `libstargate.so.0.1`, by the rules of the loader.

  The application `:stargate` opens it when it starts.
  """

  alias Stargate.Native

  @doc "Returns the version of the library that runs, such as `\"0.1.0\"`."
  @spec version() :: String.t()
  def version do
    {:ok, version} = Native.open_library("")
    version
  end

  @doc false
  @spec open() :: :ok | {:error, String.t()}
  def open do
    case System.get_env("STARGATE_LIBRARY", "") do
      "" -> try_each([beside(), "libstargate.so.0.1"], [])
      path -> try_each([path], [])
    end
  end

  defp beside, do: Application.app_dir(:stargate, "priv/libstargate.so")

  defp try_each([path | rest], tried) do
    case Native.open_library(path) do
      {:ok, _version} -> :ok
      {:missing, reason} -> try_each(rest, [reason | tried])
      {:incompatible, version} -> {:error, incompatible(path, "it is #{version}")}
      {:incomplete, reason} -> {:error, incompatible(path, "it has no #{reason}")}
    end
  end

  defp try_each([], tried) do
    {:error,
     "libstargate was not found. Install it, or set STARGATE_LIBRARY to the full path of libstargate.so. " <>
       "Tried: " <> (tried |> Enum.reverse() |> Enum.join("; "))}
  end

  defp incompatible(path, what) do
    "#{path} does not fit this package, which is for #{Native.built_for()}: #{what}. " <>
      "Install libstargate #{Native.built_for()}, or the package of the version of the library"
  end
end
