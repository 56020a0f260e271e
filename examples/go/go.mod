module example.com/refold

go 1.19
