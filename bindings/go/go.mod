module stargate

go 1.23
