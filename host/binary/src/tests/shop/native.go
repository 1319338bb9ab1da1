package native

// __attribute__((noinline)) static int shop_total(int a, int b) { return a + b; }
import "C"

//go:noinline
func Total(a, b int) int { return int(C.shop_total(C.int(a), C.int(b))) }
