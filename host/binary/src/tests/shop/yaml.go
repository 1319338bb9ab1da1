package yaml

//go:noinline
func Marshal(number int) string { return string(rune(number)) }

// Short is inlined.
func Short(number int) bool { return number < 10 }
