module go_clients

go 1.19

require example.com/refold v0.0.0

replace example.com/refold => ../../../examples/go
