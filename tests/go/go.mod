module uprobed.test

go 1.18
