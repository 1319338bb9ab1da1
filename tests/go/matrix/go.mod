// Where the module is. What it requires stands in go1.N.mod, a file for each Go version, chosen with -modfile.
module uprobed.test/matrix

go 1.18
