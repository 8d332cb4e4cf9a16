# The generated files are as bindings/generate.py writes them.
generated = ["lib/stargate/admin.ex", "lib/stargate/status.ex"]

files =
  Enum.flat_map(
    ["{mix,.formatter}.exs", "{lib,test,examples}/**/*.{ex,exs}"],
    &Path.wildcard(&1, match_dot: true)
  )

[
  inputs: files -- generated,
  line_length: 110
]
