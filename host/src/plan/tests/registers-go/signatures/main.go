// Functions of many signatures, built without optimization, so that DWARF has a place for each of their parameters.
package main

type empty struct{}
type one struct{ a [1]int }
type pair struct {
	a int8
	b string
}
type blank struct {
	_ int32
	a int64
	_ empty
}
type tail struct {
	a int16
	z [0]int64
}
type nested struct {
	p pair
	f float32
	c complex64
	e empty
	o one
}
type wide struct{ a, b, c, d, e, f, g, h, i, j int }
type floats struct {
	a float64
	b [1]float32
}
type zeros struct {
	a [2]empty
	b int
}
type method struct{ name string }
type walker interface{ walk(int) (string, error) }

func (method) walk(depth int) (string, error)                      { return "", nil }
func (m *method) both(a float64, b [2]int, c uint8) (n int)        { return int(c) + b[0] + int(a) }
func (m method) value(a any, w walker, e error) bool               { return a == nil }
func (empty) nothing(a int, _ empty, b [0]int, c string)           {}
func integers(a int8, b uint16, c int32, d uint64, e bool, f byte) {}
func spilled(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q int) {
}
func strings(a string, b []byte, c map[string]int, d chan int, e func(int), f *string)           {}
func slices(a []int, b []string, c []byte, d []pair, e int, f []error, g int8, h int16, i int32) {}
func mixed(a int, b float64, c string, d complex128, e float32, f any)                           {}
func arrays(a [1]string, b [0]int, c [2]int8, d [1][1]float64, e [3]string, f int16, g [2]int32) {}
func structs(a pair, b blank, c tail, d nested, e one, f empty, g zeros, h int)                  {}
func fallsBack(a int, b wide, c string, d nested, e pair, f int8, g bool, h int64, i uint8)      {}
func manyFloats(a, b, c, d, e, f, g, h, i, j, k, l, m, n float64, o complex128, p float32, q floats, r float64) {
}
func fewResults(a string) (b string, c error)                      { return a, nil }
func stacked(a [2]int, b int8) (c [2]int8, d string, e [3]int16)   { return }
func noArguments() (a [2]int, b wide, c int8, d [2]bool)           { return }
func allSpilled(a wide, b int8, c [3]byte, d wide) (e wide, f int) { return }
func registersOnly(a, b int) (c [2]string)                         { return }
func generic[T any](a T, b []T, c int) (d T)                       { return a }
func variadic(a string, b ...any)                                  {}
func directions(a chan<- int, b <-chan string, c unsafePointer)    {}

// Called by assembly, too.
func called(a int8, b string, c [3]byte, d float32, e any, f bool) (g int16, h string, i float64, j bool) {
	return
}
func calls()

type unsafePointer *int

func main() {
	m := &method{}
	println(m.both(1, [2]int{}, 2), m.value(nil, m, nil))
	m.walk(1)
	empty{}.nothing(1, empty{}, [0]int{}, "")
	integers(1, 2, 3, 4, true, 5)
	spilled(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17)
	strings("", nil, nil, nil, nil, nil)
	slices(nil, nil, nil, nil, 1, nil, 2, 3, 4)
	mixed(1, 2, "", 3, 4, nil)
	arrays([1]string{}, [0]int{}, [2]int8{}, [1][1]float64{}, [3]string{}, 1, [2]int32{})
	structs(pair{}, blank{}, tail{}, nested{}, one{}, empty{}, zeros{}, 1)
	fallsBack(1, wide{}, "", nested{}, pair{}, 1, true, 2, 3)
	manyFloats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, floats{}, 17)
	fewResults("")
	stacked([2]int{}, 1)
	noArguments()
	allSpilled(wide{}, 1, [3]byte{}, wide{})
	registersOnly(1, 2)
	generic("", nil, 1)
	variadic("", m)
	directions(nil, nil, nil)
	called(1, "", [3]byte{}, 2, nil, true)
	if m.name != "" {
		calls()
	}
}
