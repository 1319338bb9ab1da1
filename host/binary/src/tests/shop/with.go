//go:build native

package main

import "fixture.example/shop/native"

func fromC() int { return native.Total(1, 2) }
