// The program with which the tests of binary look types up: names that packages share, and types that only others refer to.
package main

import (
	"fmt"
	"os"
)

type Item[T any] struct {
	value T
	next  *Item[T]
}

type hidden struct {
	sealed interface{ seal(int) string }
	part   *struct{ own, Shared int }
}

func different(number bool) any {
	if number {
		type local struct{ a int64 }
		return local{}
	}
	type local struct {
		a int8
		b string
	}
	return &local{}
}

func same(number bool) any {
	if number {
		type twin struct{ a int64 }
		return twin{}
	}
	type twin struct{ a int64 }
	return []twin{}
}

func main() {
	all := []any{different(true), different(false), same(true), same(false), Item[os.FileInfo]{}, hidden{}}
	fmt.Printf("%T %v\n", all, make(map[string][]chan<- Item[[]int]))
}
