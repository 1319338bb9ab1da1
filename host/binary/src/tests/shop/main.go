// The program that the tests of names read.
package main

import (
	"os"

	"fixture.example/shop/sum"
	"fixture.example/shop/yaml.v3"
)

type Item struct{ price int }

//go:noinline
func (item Item) Price() int { return item.price }

// Count is inlined into the method of the pointer that the compiler makes of it.
func (item Item) Count() int { return item.price + 1 }

type Cart struct{ *Item }

type Priced interface {
	Price() int
	Count() int
}

type List[T any] struct{ items []T }

//go:noinline
func (list *List[T]) Push(item T) { list.items = append(list.items, item) }

//go:noinline
func Map[T any](items []T, by func(T) int) (total int) {
	for _, item := range items {
		total += by(item)
	}
	return total
}

//go:noinline
func call(by func() int) int { return by() }

// Double is inlined into every caller.
func Double(number int) int { return 2 * number }

// Triple is inlined where it is called, and its address is taken.
func Triple(number int) int { return 3 * number }

func main() {
	items := []Item{{len(os.Args)}}
	list := &List[string]{}
	list.Push("one")
	var priced Priced = &items[0]
	if len(os.Args) > 1 {
		priced = Cart{&items[0]}
	}
	if len(os.Args) > 2 {
		priced = &Cart{&items[0]}
	}
	total := Map(items, Item.Price) + Map(list.items, func(text string) int { return len(text) })
	total += call(items[0].Price) + priced.Price() + sum.Sum(total, Double(total)) + len(yaml.Marshal(total)) + fromC()
	total += priced.Count() + Triple(total) + Map([]int{total}, Triple)
	if yaml.Short(total) {
		total++
	}
	println(total)
}
