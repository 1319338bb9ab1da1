module registers

go 1.18
